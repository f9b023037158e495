/** Expressions as functions of the variables. */
import type { Arguments, Expression } from "./ast.ts";
import { getAttribute, getItem } from "./python/attributes.ts";
import { spend, spendText, TemplateError, unsupported } from "./error.ts";
import type { Library } from "./library.ts";
import { binary, compare, signed, slice } from "./python/operators.ts";
import { Locals, Namespace, Output } from "./runtime.ts";
import { everyNode, type Symbols } from "./scope.ts";
import {
  Dict,
  elements,
  isList,
  type Keywords,
  type List,
  orElse,
  PyObject,
  str,
  textOf,
  truth,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./python/values.ts";

/** An expression, ready to be evaluated. */
export type Evaluate = (locals: Locals) => Value;

/** A part of a template with variables of its own. */
export interface Frame {
  readonly symbols: Symbols;
  /** Whether what it assigns is seen by blocks. */
  readonly outermost: boolean;
  /** Whether it runs only if a condition holds: then unknown filters are refused when they are used. */
  readonly conditional: boolean;
  /** Whether `break` has a loop. */
  readonly inLoop: boolean;
  readonly library: Library;
  /** Whether errors of slices give nothing: see {@linkcode compileOutput}. */
  readonly folded?: boolean;
}

/** A filter or test that there is not. */
class UnknownName extends TemplateError {}

/** Filters that Jinja does not evaluate beforehand. */
const lazyFilters = ["map", "select", "selectattr", "reject", "rejectattr", "random"];

function isConstant(node: Expression): boolean {
  for (const one of everyNode([node])) {
    if (
      one.kind === "name" || one.kind === "call" || one.kind === "filter" && lazyFilters.includes(one.name)
    ) return false;
    if (one.kind === "condition" && one.otherwise === undefined) return false;
  }
  return true;
}

/**
 * An expression that is printed. Jinja evaluates one without variables beforehand, and there a slice that is an error gives nothing; if
 * the whole fails nevertheless, it fails as any other.
 */
export function compileOutput(node: Expression, frame: Frame): Evaluate {
  const plain = compileExpression(node, frame);
  if (node.kind === "data" || node.kind === "constant" || !isConstant(node)) return plain;
  const folded = compileExpression(node, { ...frame, folded: true });
  return (locals) => {
    try {
      return folded(locals);
    } catch (error) {
      if (error instanceof TemplateError && error.code !== "limit") return plain(locals);
      throw error;
    }
  };
}

/** An expression in a frame. */
export function compileExpression(node: Expression, frame: Frame): Evaluate {
  const run = compileOrFold(node, frame);
  return (locals) => {
    spend(1);
    locals.rendering.line = node.line;
    return run(locals);
  };
}

/** Jinja also forgives an unknown filter that an expression without variables turns out not to need. */
function compileOrFold(node: Expression, frame: Frame): Evaluate {
  try {
    return compileNode(node, frame);
  } catch (error) {
    if (!(error instanceof UnknownName) || !isConstant(node)) throw error;
    const locals = new Locals({
      given: new Map(),
      assigned: new Map(),
      output: new Output(),
      spans: [],
      line: node.line,
    });
    try {
      const value = compileNode(node, { ...frame, conditional: true })(locals);
      return () => value;
    } catch {
      throw error;
    }
  }
}

function compileNode(node: Expression, frame: Frame): Evaluate {
  const compile = (one: Expression) => compileExpression(one, frame);
  switch (node.kind) {
    case "name": {
      const { name } = node, variable = frame.symbols.variable(name);
      return (locals) => orElse(locals.get(variable), () => new Undefined(`'${name}' is undefined`));
    }
    case "data":
      return () => node.text;
    case "constant":
      return () => node.value;
    case "list": {
      const items = node.items.map(compile);
      return (locals) => items.map((item) => item(locals));
    }
    case "tuple": {
      const items = node.items.map(compile);
      return (locals) => new Tuple(items.map((item) => item(locals)));
    }
    case "dict": {
      const entries = node.entries.map(([key, value]) => [compile(key), compile(value)] as const);
      return (locals) => Dict.from(entries.map(([key, value]) => [key(locals), value(locals)] as const));
    }
    case "condition":
      return compileCondition(node, frame);
    case "binary":
      return compileBinary(node.op, compile(node.left), compile(node.right));
    case "unary": {
      const { op } = node, inner = compile(node.node);
      return op === "not" ? (locals) => !truth(inner(locals)) : (locals) => signed(op, inner(locals));
    }
    case "compare":
      return compileCompare(compile(node.left), node.rest.map(([op, right]) => [op, compile(right)]));
    case "concat": {
      const parts = node.nodes.map(compile);
      return (locals) => {
        const text = parts.map((part) => str(part(locals))).join("");
        spendText(text.length);
        return text;
      };
    }
    case "filter": {
      const inner = node.node === undefined ? undefined : compile(node.node);
      if (inner === undefined) throw new TemplateError("syntax", "a filter without a value", node.line);
      return compileFilter(node, inner, frame);
    }
    case "test": {
      const inner = compile(node.node), given = compileArguments(node, frame), { name } = node;
      const found = require(frame, "test", name, node.line);
      return (locals) => (found ?? missing("test", name))(inner(locals), ...given(locals), frame.library);
    }
    case "call":
      return compileCall(node, frame);
    case "attribute": {
      const { name } = node, inner = compile(node.node);
      return (locals) => getAttribute(inner(locals), name);
    }
    case "item":
      return compileItem(node.node, node.key, frame);
    case "slice":
      throw new TemplateError("unsupported", "several keys with a slice: not supported", node.line);
    case "namespace":
      throw new TemplateError("syntax", "an attribute that is assigned to", node.line);
  }
}

function compileCondition(node: Extract<Expression, { kind: "condition" }>, frame: Frame): Evaluate {
  const soft = { ...frame, conditional: true };
  const test = compileExpression(node.test, soft), then = compileExpression(node.then, soft);
  const otherwise = node.otherwise === undefined ? undefined : compileExpression(node.otherwise, soft);
  return (locals) => {
    if (truth(test(locals))) return then(locals);
    if (otherwise !== undefined) return otherwise(locals);
    return new Undefined(
      `the inline if-expression on line ${node.line} evaluated to false and no else section was defined.`,
    );
  };
}

/** Whether the first operand of `and` or `or` is the result. */
function decides(op: string, value: Value): boolean {
  return op === "or" && truth(value) || op === "and" && !truth(value);
}

function compileBinary(op: string, left: Evaluate, right: Evaluate): Evaluate {
  if (op !== "and" && op !== "or") return (locals) => binary(op, left(locals), right(locals));
  return (locals) => {
    const value = left(locals);
    return decides(op, value) ? value : right(locals);
  };
}

function compileCompare(left: Evaluate, rest: readonly (readonly [op: string, right: Evaluate])[]): Evaluate {
  return (locals) => {
    let value = left(locals);
    for (const [op, right] of rest) {
      const next = right(locals);
      if (!compare(op, value, next)) return false;
      value = next;
    }
    return true;
  };
}

function require<K extends "filter" | "test">(frame: Frame, kind: K, name: string, line: number) {
  const found = kind === "filter" ? frame.library.filters.get(name) : undefined;
  const test = kind === "test" ? frame.library.tests.get(name) : undefined;
  if (found === undefined && test === undefined && !frame.conditional) {
    throw new UnknownName("syntax", `No ${kind} named '${name}'.`, line);
  }
  return test;
}

function missing(kind: string, name: string): () => never {
  return () => {
    throw new TemplateError("type", `No ${kind} named '${name}' found.`);
  };
}

/** A filter of a value. */
export function compileFilter(
  node: Extract<Expression, { kind: "filter" }>,
  inner: Evaluate,
  frame: Frame,
): Evaluate {
  const given = compileArguments(node, frame), { name } = node;
  require(frame, "filter", name, node.line);
  const run = frame.library.filters.get(name) ?? missing("filter", name);
  return (locals) => {
    const value = inner(locals), [args, keywords] = given(locals);
    locals.rendering.line = node.line;
    return run(value, args, keywords, frame.library);
  };
}

/** A call; `caller` is what a call block adds. */
export function compileCall(
  node: Extract<Expression, { kind: "call" }>,
  frame: Frame,
  caller?: Evaluate,
): Evaluate {
  const callee = compileExpression(node.node, frame), given = compileArguments(node, frame);
  return (locals) => {
    const value = callee(locals), [args, keywords] = given(locals);
    const all = caller === undefined ? keywords : new Map([...keywords, ["caller", caller(locals)] as const]);
    locals.rendering.line = node.line;
    if (value instanceof PyObject) return value.call(args, all);
    throw new TemplateError("type", `'${typeName(value)}' object is not callable`);
  };
}

function compileArguments(node: Arguments, frame: Frame): (locals: Locals) => [List, Keywords] {
  const compile = (one: Expression | undefined) =>
    one === undefined ? undefined : compileExpression(one, frame);
  const args = node.args.map((one) => compileExpression(one, frame));
  const keywords = node.keywords.map(([name, one]) => [name, compileExpression(one, frame)] as const);
  const spread = compile(node.spread), spreadKeywords = compile(node.spreadKeywords);
  return (locals) => {
    const values = args.map((one) => one(locals));
    const named = new Map(keywords.map(([name, one]) => [name, one(locals)] as const));
    if (spread !== undefined) values.push(...elements(spread(locals)));
    if (spreadKeywords !== undefined) addKeywords(named, spreadKeywords(locals));
    return [values, named];
  };
}

function addKeywords(named: Map<string, Value>, mapping: Value): void {
  if (!(mapping instanceof Dict)) {
    throw new TemplateError("type", `argument after ** must be a mapping, not ${typeName(mapping)}`);
  }
  for (const [key, value] of mapping.entries) {
    const name = textOf(key);
    if (name === undefined) throw new TemplateError("type", "keywords must be strings");
    if (named.has(name)) {
      throw new TemplateError("type", `got multiple values for keyword argument '${name}'`);
    }
    named.set(name, value);
  }
}

function compileItem(node: Expression, key: Expression, frame: Frame): Evaluate {
  const inner = compileExpression(node, frame);
  if (key.kind !== "slice") {
    const at = compileExpression(key, frame);
    return (locals) => getItem(inner(locals), at(locals));
  }
  const parts = [0, 1, 2].map((i) => {
    const part = key.parts[i];
    return part === undefined ? undefined : compileExpression(part, frame);
  });
  return (locals) => {
    const value = inner(locals), bounds = parts.map((part) => part?.(locals));
    try {
      // None is the same as nothing.
      return slice(value, bounds.map((bound) => bound ?? undefined));
    } catch (error) {
      if (frame.folded && error instanceof TemplateError && error.code === "type") {
        return new Undefined("no slice");
      }
      throw error;
    }
  };
}

/** What assigns a value to a target. */
export function compileTarget(target: Expression, frame: Frame): (locals: Locals, value: Value) => void {
  if (target.kind === "name") {
    const { name } = target, variable = frame.symbols.variable(name);
    return (locals, value) => {
      locals.set(variable, value);
      if (frame.outermost) locals.rendering.assigned.set(name, value);
    };
  }
  if (target.kind === "namespace") {
    const { attribute } = target, variable = frame.symbols.variable(target.name);
    return (locals, value) => {
      const space = locals.get(variable);
      if (space instanceof Namespace) space.set(attribute, value);
    };
  }
  if (target.kind !== "tuple") throw unsupported(`assigning to a ${target.kind}`);
  const parts = target.items.map((item) => compileTarget(item, frame));
  return (locals, value) => {
    const values = unpack(value, parts.length);
    parts.forEach((assign, i) => assign(locals, values[i]));
  };
}

function unpack(value: Value, count: number): List {
  const values = isList(value) ? value : [...elements(value)];
  if (values.length === count) return values;
  throw new TemplateError(
    "value",
    values.length > count
      ? `too many values to unpack (expected ${count})`
      : `not enough values to unpack (expected ${count}, got ${values.length})`,
  );
}

/** Refuses to assign an attribute of what is no namespace, before the value is known. */
export function compileSpaceCheck(target: Expression, frame: Frame): (locals: Locals) => void {
  const parts = target.kind === "tuple" ? target.items : [target];
  const variables = parts.flatMap((part) =>
    part.kind === "namespace" ? [frame.symbols.variable(part.name)] : []
  );
  return (locals) => {
    if (variables.every((variable) => locals.get(variable) instanceof Namespace)) return;
    throw new TemplateError("type", "cannot assign attribute on non-namespace object");
  };
}
