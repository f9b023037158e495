/** What filters and tests are. */
import { getItem } from "./python/attributes.ts";
import { TemplateError, unsupported } from "./error.ts";
import { points } from "./python/text.ts";
import {
  elements,
  isList,
  type Keywords,
  type List,
  Markup,
  PyObject,
  textOf,
  typeName,
  Undefined,
  type Value,
} from "./python/values.ts";

/** A filter: a value and arguments to a value. */
export type FilterFunction = (value: Value, args: List, keywords: Keywords, library: Library) => Value;

/** A test: a value and arguments to yes or no. */
export type TestFunction = (value: Value, args: List, keywords: Keywords, library: Library) => boolean;

/** The filters and tests that templates have. */
export interface Library {
  readonly filters: ReadonlyMap<string, FilterFunction>;
  readonly tests: ReadonlyMap<string, TestFunction>;
}

/** A filter or test by its name, which a template gives as a value. */
export function named<T>(list: ReadonlyMap<string, T>, kind: "filter" | "test", name: Value): T {
  if (name instanceof Undefined) name.fail();
  const found = list.get(textOf(name) ?? "");
  if (found === undefined) {
    throw new TemplateError("type", `No ${kind} named '${textOf(name) ?? typeName(name)}'.`);
  }
  return found;
}

/** What filters that Jinja has and this interpreter has not do. */
export function refused(name: string): FilterFunction {
  return () => {
    throw unsupported(`the filter ${name}`);
  };
}

/** `reversed(value)`, undefined where Python has none. */
export function reversed(value: Value): Iterator<Value> | undefined {
  if (typeof value === "string") return points(value).toReversed()[Symbol.iterator]();
  if (isList(value)) return value.toReversed()[Symbol.iterator]();
  return value instanceof PyObject ? value.reversed() : undefined;
}

/** Text in small letters; other values as they are. */
export function ignoreCase(value: Value): Value {
  if (value instanceof Markup) return new Markup(value.content.toLowerCase());
  return typeof value === "string" ? value.toLowerCase() : value;
}

/** Reads an attribute that may have dots in its name, and numbers. */
export function attributeGetter(attribute: Value, byDefault?: Value): (item: Value) => Value {
  const text = textOf(attribute);
  const parts: List = attribute === null
    ? []
    : text === undefined
    ? [attribute]
    : text.split(".").map((part) => /^[0-9]+$/.test(part) ? BigInt(part) : part);
  return (item) =>
    parts.reduce<Value>((value, part) => {
      const found = getItem(value, part);
      return byDefault !== undefined && byDefault !== null && found instanceof Undefined ? byDefault : found;
    }, item);
}

/** A list in the order of its keys, equal ones as they were. */
export function sorted(
  value: Value,
  key: (item: Value) => Value,
  less: (a: Value, b: Value) => boolean,
  reverse = false,
): Value[] {
  const keyed = Array.from(elements(value), (item) => [key(item), item] as const);
  const sign = reverse ? -1 : 1;
  return keyed.sort(([a], [b]) => less(a, b) ? -sign : less(b, a) ? sign : 0).map(([, item]) => item);
}
