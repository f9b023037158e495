/** Reads expressions. */
import type { Arguments, Call, Expression, Filter, Name } from "./ast.ts";
import type { Tokens } from "./tokens.ts";

/** Where a tuple without parentheses may end. */
type Ends = readonly string[];

/** An expression, or several with commas between them: a tuple. */
export function parseTuple(
  tokens: Tokens,
  { parentheses = false, conditions = true, ends = [] }: {
    readonly parentheses?: boolean;
    readonly conditions?: boolean;
    readonly ends?: Ends;
  } = {},
): Expression {
  const one = () => conditions ? parseExpression(tokens) : parseOr(tokens);
  return tupleOf(tokens, one, { parentheses, ends });
}

function tupleOf(
  tokens: Tokens,
  one: () => Expression,
  { parentheses = false, ends = [] }: { readonly parentheses?: boolean; readonly ends?: Ends },
): Expression {
  const { line } = tokens.current, items: Expression[] = [];
  let isTuple = false;
  while (true) {
    if (items.length > 0) tokens.operator(",");
    const { kind } = tokens.current;
    if (kind === "end" || kind === "endVariable" || tokens.isOperator(")") || tokens.isName(...ends)) break;
    items.push(one());
    if (!tokens.isOperator(",")) break;
    isTuple = true;
  }
  if (!isTuple) {
    if (items.length > 0) return items[0];
    if (!parentheses) tokens.fail(`Expected an expression, got '${tokens.describe()}'`);
  }
  return { kind: "tuple", line, items };
}

/** What can be assigned to: a name, an attribute of a namespace, or several. */
export function parseTarget(
  tokens: Tokens,
  { namespaces = false, ends = [], use = "store" }: {
    readonly namespaces?: boolean;
    readonly ends?: Ends;
    readonly use?: Name["use"];
  } = {},
): Expression {
  const read = tupleOf(tokens, () => parsePrimary(tokens, namespaces), { ends });
  const store = (node: Expression): Expression => {
    if (node.kind === "name") return { ...node, use };
    if (node.kind === "namespace") return node;
    if (node.kind === "tuple") return { ...node, items: node.items.map(store) };
    tokens.fail(`can't assign to '${node.kind}'`, node.line);
  };
  return store(read);
}

/** A name that is assigned to. */
export function parseTargetName(tokens: Tokens, use: Name["use"] = "store"): Name {
  const { text, line } = tokens.name();
  if (constants.has(text)) tokens.fail("can't assign to 'const'", line);
  return { kind: "name", line, name: text, use };
}

/** An expression. */
export function parseExpression(tokens: Tokens): Expression {
  let then = parseOr(tokens);
  while (tokens.isName("if")) {
    const { line } = tokens.take();
    const test = parseOr(tokens);
    const otherwise = tokens.skipName("else") ? parseExpression(tokens) : undefined;
    then = { kind: "condition", line, test, then, otherwise };
  }
  return then;
}

/** Operands with operators of one rank between them, from the left. */
function chain(
  tokens: Tokens,
  operand: (tokens: Tokens) => Expression,
  operators: readonly string[],
): Expression {
  let left = operand(tokens);
  while (tokens.isOperator(...operators)) {
    const { text: op, line } = tokens.take();
    left = { kind: "binary", line, op, left, right: operand(tokens) };
  }
  return left;
}

function parseOr(tokens: Tokens): Expression {
  let left = parseAnd(tokens);
  while (tokens.isName("or")) {
    const { line } = tokens.take();
    left = { kind: "binary", line, op: "or", left, right: parseAnd(tokens) };
  }
  return left;
}

function parseAnd(tokens: Tokens): Expression {
  let left = parseNot(tokens);
  while (tokens.isName("and")) {
    const { line } = tokens.take();
    left = { kind: "binary", line, op: "and", left, right: parseNot(tokens) };
  }
  return left;
}

function parseNot(tokens: Tokens): Expression {
  if (!tokens.isName("not")) return parseCompare(tokens);
  const { line } = tokens.take();
  return { kind: "unary", line, op: "not", node: parseNot(tokens) };
}

function parseCompare(tokens: Tokens): Expression {
  const { line } = tokens.current, left = parseSum(tokens), rest: [string, Expression][] = [];
  while (true) {
    if (tokens.isOperator("==", "!=", "<", "<=", ">", ">=")) {
      rest.push([tokens.take().text, parseSum(tokens)]);
    } else if (tokens.skipName("in")) {
      rest.push(["in", parseSum(tokens)]);
    } else if (tokens.isName("not") && tokens.following.kind === "name" && tokens.following.text === "in") {
      tokens.take();
      tokens.take();
      rest.push(["not in", parseSum(tokens)]);
    } else break;
  }
  return rest.length === 0 ? left : { kind: "compare", line, left, rest };
}

function parseSum(tokens: Tokens): Expression {
  return chain(tokens, parseConcat, ["+", "-"]);
}

function parseConcat(tokens: Tokens): Expression {
  const { line } = tokens.current, nodes = [parseProduct(tokens)];
  while (tokens.skipOperator("~")) nodes.push(parseProduct(tokens));
  return nodes.length === 1 ? nodes[0] : { kind: "concat", line, nodes };
}

function parseProduct(tokens: Tokens): Expression {
  return chain(tokens, parsePower, ["*", "/", "//", "%"]);
}

/** Powers go from the left too, other than Python's. */
function parsePower(tokens: Tokens): Expression {
  return chain(tokens, parseUnary, ["**"]);
}

function parseUnary(tokens: Tokens): Expression {
  return parseFilters(tokens, parseSigned(tokens));
}

function parseSigned(tokens: Tokens): Expression {
  if (!tokens.isOperator("-", "+")) return parsePostfix(tokens, parsePrimary(tokens));
  const { text, line } = tokens.take();
  return parsePostfix(tokens, {
    kind: "unary",
    line,
    op: text === "-" ? "-" : "+",
    node: parseSigned(tokens),
  });
}

const constants = new Map<string, boolean | null>([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
]);

function parsePrimary(tokens: Tokens, namespaces = false): Expression {
  const { kind, text, value, line } = tokens.current;
  if (kind === "name") {
    tokens.take();
    const value = constants.get(text);
    if (value !== undefined) return { kind: "constant", line, value };
    if (!namespaces || !tokens.skipOperator(".")) return { kind: "name", line, name: text, use: "load" };
    return { kind: "namespace", line, name: text, attribute: tokens.name().text };
  }
  if (kind === "text") {
    let joined = "";
    while (tokens.current.kind === "text") joined += tokens.take().text;
    return { kind: "constant", line, value: joined };
  }
  if (kind === "number") {
    tokens.take();
    return { kind: "constant", line, value };
  }
  if (tokens.skipOperator("(")) {
    const inner = parseTuple(tokens, { parentheses: true });
    tokens.operator(")");
    return inner;
  }
  if (tokens.skipOperator("[")) return { kind: "list", line, items: listed(tokens, "]", parseExpression) };
  if (tokens.skipOperator("{")) return { kind: "dict", line, entries: listed(tokens, "}", parseEntry) };
  tokens.fail(`unexpected '${tokens.describe()}'`, line);
}

function parseEntry(tokens: Tokens): [Expression, Expression] {
  const key = parseExpression(tokens);
  tokens.operator(":");
  return [key, parseExpression(tokens)];
}

/** Items up to a closing bracket; a comma may stand before it. */
function listed<T>(tokens: Tokens, end: string, one: (tokens: Tokens) => T): T[] {
  const items: T[] = [];
  while (!tokens.isOperator(end)) {
    if (items.length > 0) tokens.operator(",");
    if (tokens.isOperator(end)) break;
    items.push(one(tokens));
  }
  tokens.operator(end);
  return items;
}

function parsePostfix(tokens: Tokens, first: Expression): Expression {
  let node = first;
  while (true) {
    if (tokens.isOperator(".", "[")) node = parseSubscript(tokens, node);
    else if (tokens.isOperator("(")) node = parseCall(tokens, node);
    else return node;
  }
}

function parseFilters(tokens: Tokens, first: Expression): Expression {
  let node = first;
  while (true) {
    if (tokens.isOperator("|")) node = parseFilter(tokens, node);
    else if (tokens.isName("is")) node = parseTest(tokens, node);
    else if (tokens.isOperator("(")) node = parseCall(tokens, node);
    else return node;
  }
}

function parseSubscript(tokens: Tokens, node: Expression): Expression {
  const { text, line } = tokens.take();
  if (text === ".") {
    const { kind, text: name, value } = tokens.take();
    if (kind === "name") return { kind: "attribute", line, node, name };
    if (typeof value !== "bigint") tokens.fail("expected name or number", line);
    return { kind: "item", line, node, key: { kind: "constant", line, value } };
  }
  const keys: Expression[] = [];
  while (!tokens.isOperator("]")) {
    if (keys.length > 0) tokens.operator(",");
    keys.push(parseSubscribed(tokens));
  }
  tokens.operator("]");
  return {
    kind: "item",
    line,
    node,
    key: keys.length === 1 ? keys[0] : { kind: "tuple", line, items: keys },
  };
}

function parseSubscribed(tokens: Tokens): Expression {
  const { line } = tokens.current;
  const part = () => tokens.isOperator(":", "]", ",") ? undefined : parseExpression(tokens);
  const start = part();
  if (!tokens.skipOperator(":")) return start ?? tokens.fail(`unexpected '${tokens.describe()}'`);
  const stop = part();
  return { kind: "slice", line, parts: [start, stop, tokens.skipOperator(":") ? part() : undefined] };
}

function parseCall(tokens: Tokens, node: Expression): Call {
  const { line } = tokens.current;
  return { kind: "call", line, node, ...parseArguments(tokens) };
}

function parseArguments(tokens: Tokens): Arguments {
  const { line } = tokens.operator("(");
  const args: Expression[] = [], keywords: [string, Expression][] = [];
  let spread: Expression | undefined, spreadKeywords: Expression | undefined, comma = false;
  const ensure = (holds: boolean) => {
    if (!holds) tokens.fail("invalid syntax for function call expression", line);
  };
  while (!tokens.isOperator(")")) {
    if (comma) tokens.operator(",");
    if (comma && tokens.isOperator(")")) break;
    comma = true;
    if (tokens.skipOperator("*")) {
      ensure(spread === undefined && spreadKeywords === undefined);
      spread = parseExpression(tokens);
    } else if (tokens.skipOperator("**")) {
      ensure(spreadKeywords === undefined);
      spreadKeywords = parseExpression(tokens);
    } else if (
      tokens.current.kind === "name" && tokens.following.kind === "operator" && tokens.following.text === "="
    ) {
      ensure(spreadKeywords === undefined);
      const name = tokens.take().text;
      tokens.take();
      if (keywords.some(([other]) => other === name)) tokens.fail(`keyword argument repeated: ${name}`, line);
      keywords.push([name, parseExpression(tokens)]);
    } else {
      ensure(spread === undefined && spreadKeywords === undefined && keywords.length === 0);
      args.push(parseExpression(tokens));
    }
  }
  tokens.operator(")");
  return { args, keywords, spread, spreadKeywords };
}

function dottedName(tokens: Tokens): string {
  let name = tokens.name().text;
  while (tokens.skipOperator(".")) name += `.${tokens.name().text}`;
  return name;
}

function parseFilter(tokens: Tokens, node: Expression | undefined): Filter {
  tokens.operator("|");
  return parseFilterName(tokens, node);
}

function parseFilterName(tokens: Tokens, node: Expression | undefined): Filter {
  const { line } = tokens.current, name = dottedName(tokens);
  const given = tokens.isOperator("(") ? parseArguments(tokens) : { args: [], keywords: [] };
  return { kind: "filter", line, node, name, ...given };
}

/** The filters of a block: the first follows the name of the statement, or a `|` as the others do. */
export function parseBlockFilters(tokens: Tokens, first: "name" | "bar"): Filter | undefined {
  let filter = first === "name" ? parseFilterName(tokens, undefined) : undefined;
  while (tokens.isOperator("|")) filter = parseFilter(tokens, filter);
  return filter;
}

function parseTest(tokens: Tokens, node: Expression): Expression {
  const { line } = tokens.take(), negated = tokens.skipName("not"), name = dottedName(tokens);
  const { kind } = tokens.current;
  let given: Arguments = { args: [], keywords: [] };
  if (tokens.isOperator("(")) given = parseArguments(tokens);
  else if (
    kind === "text" || kind === "number" || tokens.isOperator("[", "{") ||
    kind === "name" && !tokens.isName("else", "or", "and")
  ) {
    if (tokens.isName("is")) tokens.fail("You cannot chain multiple tests with is");
    given = { args: [parsePostfix(tokens, parsePrimary(tokens))], keywords: [] };
  }
  const test: Expression = { kind: "test", line, node, name, ...given };
  return negated ? { kind: "unary", line, op: "not", node: test } : test;
}
