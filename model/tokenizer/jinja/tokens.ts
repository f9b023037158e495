/** A place in the tokens of a template. */
import { TemplateError } from "./error.ts";
import type { Token } from "./lexer.ts";

/** Tokens, read one by one. */
export class Tokens {
  #at = 0;
  constructor(private readonly list: readonly Token[]) {}

  /** The token that is next. */
  get current(): Token {
    return this.list[this.#at];
  }
  /** The one after it. */
  get following(): Token {
    return this.list[Math.min(this.#at + 1, this.list.length - 1)];
  }
  /** Takes the next token. */
  take(): Token {
    const token = this.current;
    if (this.#at < this.list.length - 1) this.#at++;
    return token;
  }
  /** Whether the next token is a name, one of those given. */
  isName(...names: readonly string[]): boolean {
    return this.current.kind === "name" && names.includes(this.current.text);
  }
  /** Whether it is an operator, one of those given. */
  isOperator(...operators: readonly string[]): boolean {
    return this.current.kind === "operator" && operators.includes(this.current.text);
  }
  /** Takes the next token if it is this name. */
  skipName(name: string): boolean {
    const is = this.isName(name);
    if (is) this.take();
    return is;
  }
  /** Takes the next token if it is this operator. */
  skipOperator(operator: string): boolean {
    const is = this.isOperator(operator);
    if (is) this.take();
    return is;
  }
  /** Takes an operator, or fails. */
  operator(text: string): Token {
    return this.isOperator(text) ? this.take() : this.expected(text);
  }
  /** Takes a name (this one, if given), or fails. */
  name(text?: string): Token {
    const { kind } = this.current;
    return kind === "name" && (text === undefined || this.isName(text))
      ? this.take()
      : this.expected(text ?? "name");
  }
  /** Takes a token of a kind, or fails. */
  kind(kind: Token["kind"], shown: string): Token {
    return this.current.kind === kind ? this.take() : this.expected(shown);
  }
  /** The next token is not what it must be. */
  expected(what: string): never {
    if (this.current.kind === "eof") this.fail(`unexpected end of template, expected '${what}'.`);
    this.fail(`expected token '${what}', got '${this.describe()}'`);
  }
  /** The next token for a message. */
  describe(): string {
    const { kind, text } = this.current;
    return kind === "eof" ? "end of template" : kind === "data" ? "template data / text" : text.trim();
  }
  /** Refuses the template at the next token's line, or another. */
  fail(message: string, line = this.current.line): never {
    throw new TemplateError("syntax", message, line);
  }
}
