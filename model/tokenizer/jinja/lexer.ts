/** Cuts a template into tokens, with the white space that `trim_blocks`, `lstrip_blocks` and the signs in tags take away. */
import { spend, TemplateError } from "./error.ts";
import { unescapeText, whiteSpace } from "./python/text.ts";
import type { Value } from "./python/values.ts";

/** A token: a `kind` of its own, a name, an operator (kind and value are its text), or the end. */
export interface Token {
  readonly kind:
    | "data"
    | "begin"
    | "end"
    | "variable"
    | "endVariable"
    | "name"
    | "text"
    | "number"
    | "eof"
    | "operator";
  /** Text of data, names, texts and operators. */
  readonly text: string;
  /** Value of a number. */
  readonly value: Value;
  readonly line: number;
}

const blanks = `[${whiteSpace}]`;
const rules = {
  tag: new RegExp(
    `(.*?)(?:(\\{%[-+]?${blanks}*raw${blanks}*(?:-%\\}${blanks}*|%\\}))|(\\{%|\\{#|\\{\\{)([-+]?))`,
    "sy",
  ),
  comment: new RegExp(`.*?(?:\\+#\\}|-#\\}${blanks}*|#\\}\\n?)`, "sy"),
  raw: new RegExp(`(.*?)\\{%([-+]?)${blanks}*endraw${blanks}*(?:\\+%\\}|-%\\}${blanks}*|%\\}\\n?)`, "sy"),
  block: new RegExp(`\\+%\\}|-%\\}${blanks}*|%\\}\\n?`, "y"),
  variable: new RegExp(`-\\}\\}${blanks}*|\\}\\}`, "y"),
  blanks: new RegExp(`${blanks}+`, "y"),
  float: /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/yi,
  integer: /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/yi,
  name: /[\p{L}\p{N}\p{M}\p{Pc}\u00b7]+/yu,
  text: /'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"/sy,
  operator: /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y,
};

const closing: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/** The tokens of a template; the last is `eof`. */
export function tokenize(template: string): Token[] {
  return new Lexer(template).run();
}

class Lexer {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  #line = 1;
  /** Whether the last tag ended a line, so that blanks before the next one are its line's. */
  #lineStarting = true;

  constructor(template: string) {
    this.#source = template.replace(/\r\n|\r/g, "\n").replace(/\n$/, "");
  }

  run(): Token[] {
    while (this.#at < this.#source.length) this.#root();
    this.#push("eof", "");
    return this.#tokens;
  }

  #match(rule: RegExp): RegExpExecArray | null {
    rule.lastIndex = this.#at;
    const match = rule.exec(this.#source);
    if (match !== null) this.#at = rule.lastIndex;
    return match;
  }

  #push(kind: Token["kind"], text: string, value: Value = null): void {
    spend(1);
    this.#tokens.push({ kind, text, value, line: this.#line });
  }

  #fail(message: string): never {
    throw new TemplateError("syntax", message, this.#line);
  }

  /** Text up to a tag, and the tag. */
  #root(): void {
    const match = this.#match(rules.tag);
    if (match === null) {
      this.#push("data", this.#source.slice(this.#at));
      this.#at = this.#source.length;
      return;
    }
    const [whole, text, raw, tag, sign] = match;
    this.#data(text, raw === undefined ? sign : raw[2], tag !== "{{");
    this.#lineStarting = whole.endsWith("\n");
    if (raw !== undefined) return this.#raw(raw);
    if (tag === "{#") return this.#comment();
    this.#push(tag === "{{" ? "variable" : "begin", tag);
    this.#code(tag === "{{" ? rules.variable : rules.block, tag === "{{" ? "endVariable" : "end");
  }

  #data(text: string, sign: string, isBlock: boolean): void {
    let kept = text;
    if (sign === "-") kept = text.slice(0, text.length - trailing(text));
    else if (sign !== "+" && isBlock) {
      const lineStart = text.lastIndexOf("\n") + 1;
      if ((lineStart > 0 || this.#lineStarting) && isBlank(text.slice(lineStart))) {
        kept = text.slice(0, lineStart);
      }
    }
    if (kept !== "") this.#push("data", kept);
    this.#count(text);
  }

  #raw(begin: string): void {
    this.#count(begin);
    const match = this.#match(rules.raw);
    if (match === null) this.#fail("Missing end of raw directive");
    const [whole, text, sign] = match;
    this.#data(text, sign, true);
    this.#count(whole.slice(text.length));
    this.#lineStarting = whole.endsWith("\n");
  }

  #comment(): void {
    const match = this.#match(rules.comment);
    if (match === null) this.#fail("Missing end of comment tag");
    this.#count(match[0]);
    this.#lineStarting = match[0].endsWith("\n");
  }

  /** What stands in a tag. */
  #code(end: RegExp, kind: "end" | "endVariable"): void {
    const open: string[] = [];
    while (this.#at < this.#source.length) {
      const ended = open.length === 0 ? this.#match(end) : null;
      if (ended !== null) {
        this.#push(kind, ended[0]);
        this.#count(ended[0]);
        this.#lineStarting = ended[0].endsWith("\n");
        return;
      }
      this.#one(open);
    }
  }

  #one(open: string[]): void {
    const blank = this.#match(rules.blanks);
    if (blank !== null) return this.#count(blank[0]);
    const float = this.#match(rules.float);
    if (float !== null) {
      const value = Number(float[0].replaceAll("_", ""));
      if (!Number.isFinite(value)) this.#fail(`the number ${float[0]} is infinite: not supported`);
      return this.#push("number", float[0], value);
    }
    const integer = this.#match(rules.integer);
    if (integer !== null) {
      return this.#push("number", integer[0], BigInt(integer[0].replaceAll("_", "").toLowerCase()));
    }
    const name = this.#match(rules.name);
    if (name !== null) {
      if (!/^[\p{XIDS}_]\p{XIDC}*$/u.test(name[0])) this.#fail("Invalid character in identifier");
      return this.#push("name", name[0]);
    }
    const text = this.#match(rules.text);
    if (text !== null) {
      this.#text(text[0]);
      return this.#count(text[0]);
    }
    const operator = this.#match(rules.operator);
    if (operator === null) this.#fail(`unexpected char '${this.#source[this.#at]}' at ${this.#at}`);
    this.#balance(operator[0], open);
    this.#push("operator", operator[0]);
  }

  #text(quoted: string): void {
    try {
      this.#push("text", unescapeText(quoted.slice(1, -1)));
    } catch (error) {
      if (error instanceof TemplateError) error.line = this.#line;
      throw error;
    }
  }

  #balance(operator: string, open: string[]): void {
    if (operator in closing) open.push(closing[operator]);
    else if (/[)\]}]/.test(operator)) {
      const expected = open.pop();
      if (expected === undefined) this.#fail(`unexpected '${operator}'`);
      if (expected !== operator) this.#fail(`unexpected '${operator}', expected '${expected}'`);
    }
  }

  #count(text: string): void {
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) this.#line++;
  }
}

const onlyBlanks = new RegExp(`^${blanks}*$`), oneBlank = new RegExp(blanks);

function isBlank(text: string): boolean {
  return onlyBlanks.test(text);
}

/** How many blanks a text ends with. */
function trailing(text: string): number {
  let at = text.length;
  while (at > 0 && oneBlank.test(text[at - 1])) at--;
  return text.length - at;
}
