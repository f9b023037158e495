/** Arguments bound to parameters as Python binds them, and read as what a function needs. */
import { TemplateError } from "../error.ts";
import { truncate } from "./numbers.ts";
import {
  isList,
  type Keywords,
  type List,
  numberOf,
  textOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** Parameters: their names, in order; those with `=` may be left out, those after `/` (in the list) have names to callers. */
export type Parameters = readonly string[];

const noKeywords: Keywords = new Map();

/**
 * The values of parameters, undefined where an optional one is not given.
 *
 * @param parameters as in `["old", "new", "count="]`; after `"/"` they can be given by name
 */
export function bind(
  name: string,
  parameters: Parameters,
  args: List,
  keywords: Keywords = noKeywords,
): (Value | undefined)[] {
  const slash = parameters.indexOf("/");
  const list = parameters.filter((one) => one !== "/");
  if (args.length > list.length) {
    throw new TemplateError("type", `${name}() takes ${list.length} arguments but ${args.length} were given`);
  }
  const values: (Value | undefined)[] = list.map((_, i) => args[i]);
  for (const [keyword, value] of keywords) {
    const at = list.findIndex((one) => one.replace("=", "") === keyword);
    if (at < 0 || slash < 0 || at < slash) {
      throw new TemplateError("type", `${name}() got an unexpected keyword argument '${keyword}'`);
    }
    if (values[at] !== undefined) {
      throw new TemplateError("type", `${name}() got multiple values for argument '${keyword}'`);
    }
    values[at] = value;
  }
  const missing = list.find((one, i) => values[i] === undefined && !one.endsWith("="));
  if (missing !== undefined) throw new TemplateError("type", `${name}() missing argument: '${missing}'`);
  return values;
}

/** An integer, as an index or a width is one. */
export function toInteger(value: Value | undefined, byDefault: number): number {
  if (value === undefined) return byDefault;
  if (value instanceof Undefined) value.fail();
  if (typeof value !== "bigint" && typeof value !== "boolean") {
    throw new TemplateError("type", `'${typeName(value)}' object cannot be interpreted as an integer`);
  }
  return Math.max(-1e15, Math.min(1e15, Number(value)));
}

/** An integer or None, which is `undefined`. */
export function toIndex(value: Value | undefined): number | undefined {
  return value === undefined || value === null ? undefined : toInteger(value, 0);
}

/** A text. */
export function toText(value: Value | undefined, what: string): string {
  const text = value === undefined ? undefined : textOf(value);
  if (text !== undefined) return text;
  if (value instanceof Undefined) value.fail();
  throw new TemplateError(
    "type",
    `${what} must be str, not ${value === undefined ? "nothing" : typeName(value)}`,
  );
}

/** A number. */
export function toNumber(value: Value, what: string): bigint | number {
  const number = numberOf(value);
  if (number !== undefined) return number;
  if (value instanceof Undefined) value.fail();
  throw new TemplateError("type", `${what} must be a number, not ${typeName(value)}`);
}

/** The items of a list or tuple. */
export function itemsOf(value: Value): List | undefined {
  return isList(value) ? value : value instanceof Tuple ? value.items : undefined;
}

/** An integer of `%d` and the like: floats lose their fraction. */
export function toWhole(value: Value, what: string): bigint {
  return truncate(toNumber(value, what));
}
