/** The tests of Jinja. */
import { bind, type Parameters } from "./python/bind.ts";
import { binary, compare } from "./python/operators.ts";
import { unsupported } from "./error.ts";
import { equal } from "./python/compare.ts";
import type { TestFunction } from "./library.ts";
import { allCased } from "./python/string_methods.ts";
import { Once, View } from "./python/objects.ts";
import {
  Dict,
  isList,
  Markup,
  numberOf,
  PyObject,
  str,
  textOf,
  tryIterate,
  typeName,
  Undefined,
  type Value,
} from "./python/values.ts";

type Given = readonly (Value | undefined)[];

function test(
  name: string,
  parameters: Parameters,
  run: (value: Value, given: Given) => boolean,
): [string, TestFunction] {
  return [name, (value, args, keywords) => run(value, bind(name, ["/", ...parameters], args, keywords))];
}

function comparison(op: string, ...names: readonly string[]): [string, TestFunction][] {
  return names.map((name) => test(name, ["other"], (value, [other = null]) => compare(op, value, other)));
}

/** Whether two values are one object: small integers are, of other equal numbers and texts Python does not say. */
function isSame(value: Value, other: Value): boolean {
  if (value instanceof PyObject || isList(value) || typeof value === "boolean" || value === null) {
    return value === other;
  }
  if (typeName(value) !== typeName(other) || !equal(value, other)) return false;
  if (typeof value === "bigint" && value >= -5n && value <= 256n) return true;
  throw unsupported(`sameas of two equal ${typeName(value)}`);
}

function isSequence(value: Value): boolean {
  if (textOf(value) !== undefined || isList(value)) return true;
  return value instanceof PyObject && value.length() !== undefined && !(value instanceof View);
}

const remainder = (value: Value, by: Value) => binary("%", value, by);

/** Tests by name. */
export const tests: ReadonlyMap<string, TestFunction> = new Map<string, TestFunction>([
  test("odd", [], (value) => equal(remainder(value, 2n), 1n)),
  test("even", [], (value) => equal(remainder(value, 2n), 0n)),
  test("divisibleby", ["num"], (value, [num = null]) => equal(remainder(value, num), 0n)),
  test("defined", [], (value) => !(value instanceof Undefined)),
  test("undefined", [], (value) => value instanceof Undefined),
  ["filter", (value, args, keywords, library) => {
    bind("filter", [], args, keywords);
    return library.filters.has(textOf(value) ?? "");
  }],
  ["test", (value, args, keywords, library) => {
    bind("test", [], args, keywords);
    return library.tests.has(textOf(value) ?? "");
  }],
  test("none", [], (value) => value === null),
  test("boolean", [], (value) => typeof value === "boolean"),
  test("false", [], (value) => value === false),
  test("true", [], (value) => value === true),
  test("integer", [], (value) => typeof value === "bigint"),
  test("float", [], (value) => typeof value === "number"),
  test("lower", [], (value) => allCased(str(value), true)),
  test("upper", [], (value) => allCased(str(value), false)),
  test("string", [], (value) => textOf(value) !== undefined),
  test("mapping", [], (value) => value instanceof Dict),
  test("number", [], (value) => numberOf(value) !== undefined),
  test("sequence", [], isSequence),
  test("iterable", [], (value) => value instanceof Once || tryIterate(value) !== undefined),
  test("callable", [], (value) => value instanceof PyObject && value.callable),
  test("sameas", ["other"], (value, [other = null]) => isSame(value, other)),
  test("escaped", [], (value) => value instanceof Markup),
  test("in", ["seq"], (value, [container = null]) => compare("in", value, container)),
  ...comparison("==", "==", "eq", "equalto"),
  ...comparison("!=", "!=", "ne"),
  ...comparison(">", ">", "gt", "greaterthan"),
  ...comparison(">=", ">=", "ge"),
  ...comparison("<", "<", "lt", "lessthan"),
  ...comparison("<=", "<=", "le"),
]);
