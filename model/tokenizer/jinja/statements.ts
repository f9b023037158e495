/** Reads a template: its text and its statements. */
import type { Block, Expression, For, If, MacroLike, Signature, Statement } from "./ast.ts";
import {
  parseBlockFilters,
  parseExpression,
  parseTarget,
  parseTargetName,
  parseTuple,
} from "./expressions.ts";
import { tokenize } from "./lexer.ts";
import { Tokens } from "./tokens.ts";

/** The statements of a template. */
export function parseTemplate(template: string): readonly Statement[] {
  return new Parser(new Tokens(tokenize(template))).body([]);
}

class Parser {
  readonly #open: { readonly tag: string; readonly ends: readonly string[] }[] = [];
  constructor(private readonly tokens: Tokens) {}

  /** Text, values and statements up to one of these tags, or to the end. */
  body(ends: readonly string[]): Statement[] {
    const { tokens } = this, body: Statement[] = [];
    let nodes: Expression[] = [];
    const flush = () => {
      if (nodes.length > 0) body.push({ kind: "output", line: nodes[0].line, nodes });
      nodes = [];
    };
    while (tokens.current.kind !== "eof") {
      const { kind, text, line } = tokens.take();
      if (kind === "data") nodes.push({ kind: "data", line, text });
      else if (kind === "variable") {
        nodes.push(parseTuple(tokens));
        tokens.kind("endVariable", "end of print statement");
      } else {
        flush();
        if (tokens.isName(...ends)) return body;
        body.push(this.#statement());
        tokens.kind("end", "end of statement block");
      }
    }
    flush();
    if (ends.length > 0) this.#unknown(undefined);
    return body;
  }

  /** The body of a statement, whose tag has been read, and the tag that ends it. */
  #inner(tag: string, ends: readonly string[]): Statement[] {
    this.tokens.skipOperator(":");
    this.tokens.kind("end", "end of statement block");
    this.#open.push({ tag, ends });
    const body = this.body(ends);
    this.#open.pop();
    return body;
  }

  /** As `#inner`, of statements that only one tag ends. */
  #whole(tag: string): Statement[] {
    const body = this.#inner(tag, [`end${tag}`]);
    this.tokens.take();
    return body;
  }

  #unknown(name: string | undefined): never {
    const open = this.#open.at(-1);
    const message = [
      name === undefined ? "Unexpected end of template." : `Encountered unknown tag '${name}'.`,
      ...open === undefined ? [] : [
        `Jinja was looking for the following tags: ${open.ends.map((one) => `'${one}'`).join(" or ")}.`,
        `The innermost block that needs to be closed is '${open.tag}'.`,
      ],
    ];
    this.tokens.fail(message.join(" "));
  }

  #statement(): Statement {
    const { tokens } = this, { kind, text, line } = tokens.current;
    if (kind !== "name") tokens.fail("tag name expected");
    const read = statements.get(text);
    if (read === undefined) this.#unknown(text);
    tokens.take();
    return read.call(this, line);
  }

  for(line: number): For {
    const { tokens } = this, target = parseTarget(tokens, { ends: ["in"] });
    tokens.name("in");
    const iterable = parseTuple(tokens, { conditions: false, ends: ["recursive"] });
    const test = tokens.skipName("if") ? parseExpression(tokens) : undefined;
    const recursive = tokens.skipName("recursive");
    const body = this.#inner("for", ["endfor", "else"]);
    const otherwise = tokens.take().text === "endfor" ? [] : this.#whole("for");
    return { kind: "for", line, target, iterable, body, otherwise, test, recursive };
  }

  if(line: number): If {
    const { tokens } = this, elifs: If[] = [];
    const branch = (): Pick<If, "test" | "body"> => ({
      test: parseTuple(tokens, { conditions: false }),
      body: this.#inner("if", ["elif", "else", "endif"]),
    });
    const first = branch();
    let next = tokens.take();
    while (next.text === "elif") {
      elifs.push({ kind: "if", line: next.line, ...branch(), elifs: [], otherwise: [] });
      next = tokens.take();
    }
    return { kind: "if", line, ...first, elifs, otherwise: next.text === "else" ? this.#whole("if") : [] };
  }

  set(line: number): Statement {
    const { tokens } = this, target = parseTarget(tokens, { namespaces: true });
    if (tokens.skipOperator("=")) return { kind: "set", line, target, value: parseTuple(tokens) };
    const filter = parseBlockFilters(tokens, "bar");
    return { kind: "setBlock", line, target, filter, body: this.#whole("set") };
  }

  with(line: number): Statement {
    const { tokens } = this, targets: Expression[] = [], values: Expression[] = [];
    while (tokens.current.kind !== "end") {
      if (targets.length > 0) tokens.operator(",");
      targets.push(parseTarget(tokens, { use: "parameter" }));
      tokens.operator("=");
      values.push(parseExpression(tokens));
    }
    return { kind: "with", line, targets, values, body: this.#whole("with") };
  }

  block(line: number): Block {
    const { tokens } = this, name = tokens.name().text;
    const scoped = tokens.skipName("scoped"), required = tokens.skipName("required");
    if (tokens.isOperator("-")) tokens.fail("Block names in Jinja may not contain hyphens");
    const body = this.#whole("block");
    tokens.skipName(name);
    return { kind: "block", line, name, scoped, required, body };
  }

  #signature(): Signature {
    const { tokens } = this, parameters: Signature["parameters"][number][] = [], defaults: Expression[] = [];
    tokens.operator("(");
    while (!tokens.isOperator(")")) {
      if (parameters.length > 0) tokens.operator(",");
      parameters.push(parseTargetName(tokens, "parameter"));
      if (tokens.skipOperator("=")) defaults.push(parseExpression(tokens));
      else if (defaults.length > 0) tokens.fail("non-default argument follows default argument");
    }
    tokens.operator(")");
    return { parameters, defaults };
  }

  macro(line: number): Statement {
    const { name } = parseTargetName(this.tokens);
    const macro: MacroLike = { line, ...this.#signature(), body: this.#whole("macro") };
    return { kind: "macro", name, ...macro };
  }

  call(line: number): Statement {
    const { tokens } = this;
    const signature = tokens.isOperator("(") ? this.#signature() : { parameters: [], defaults: [] };
    const call = parseExpression(tokens);
    if (call.kind !== "call") return tokens.fail("expected call", line);
    return { kind: "callBlock", line, ...signature, call, body: this.#whole("call") };
  }

  /** What the model is to say, as transformers marks it. */
  generation(line: number): Statement {
    return { kind: "callBlock", line, parameters: [], defaults: [], body: this.#whole("generation") };
  }

  filter(line: number): Statement {
    const filter = parseBlockFilters(this.tokens, "name");
    if (filter === undefined) this.tokens.fail("expected a filter");
    return { kind: "filterBlock", line, filter, body: this.#whole("filter") };
  }

  print(line: number): Statement {
    const nodes: Expression[] = [];
    while (this.tokens.current.kind !== "end") {
      if (nodes.length > 0) this.tokens.operator(",");
      nodes.push(parseExpression(this.tokens));
    }
    return { kind: "output", line, nodes };
  }

  break(line: number): Statement {
    return { kind: "break", line };
  }

  continue(line: number): Statement {
    return { kind: "continue", line };
  }

  /** Statements that fail where there is no loader of templates, as in transformers. */
  other(name: string, line: number): Statement {
    while (this.tokens.current.kind !== "end" && this.tokens.current.kind !== "eof") this.tokens.take();
    return { kind: "unsupported", line, name };
  }

  autoescape(line: number): never {
    this.tokens.fail("{% autoescape %}: not supported", line);
  }
}

type Reader = (this: Parser, line: number) => Statement;

const { prototype } = Parser;
const statements = new Map<string, Reader>([
  ["for", prototype.for],
  ["if", prototype.if],
  ["set", prototype.set],
  ["with", prototype.with],
  ["block", prototype.block],
  ["macro", prototype.macro],
  ["call", prototype.call],
  ["generation", prototype.generation],
  ["filter", prototype.filter],
  ["print", prototype.print],
  ["break", prototype.break],
  ["continue", prototype.continue],
  ["autoescape", prototype.autoescape],
  ...["extends", "include", "import", "from"].map((name): [string, Reader] => [
    name,
    function (line) {
      return this.other(name, line);
    },
  ]),
]);
