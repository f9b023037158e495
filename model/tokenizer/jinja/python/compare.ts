/** Equality and order of Python's values. */
import { spend, TemplateError, unsupported } from "../error.ts";
import { compareNumbers } from "./numbers.ts";
import { Range, View } from "./objects.ts";
import { compareText } from "./text.ts";
import {
  Dict,
  elements,
  isList,
  type List,
  numberOf,
  PyObject,
  textOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** `a == b`. */
export function equal(a: Value, b: Value): boolean {
  spend(1);
  const numbers = [numberOf(a), numberOf(b)], texts = [textOf(a), textOf(b)];
  if (numbers[0] !== undefined && numbers[1] !== undefined) return numbers[0] == numbers[1];
  if (texts[0] !== undefined && texts[1] !== undefined) return texts[0] === texts[1];
  if (isList(a) && isList(b)) return sameItems(a, b);
  if (a instanceof Tuple && b instanceof Tuple) return sameItems(a.items, b.items);
  if (a instanceof Undefined && b instanceof Undefined) return true;
  if (a instanceof Dict && b instanceof Dict) {
    return a.length() === b.length() && a.entries.every(([key, value]) => {
      const other = b.get(key);
      return other !== undefined && same(value, other);
    });
  }
  if (a instanceof Range && b instanceof Range) {
    return sameItems([...elements(a)], [...elements(b)]);
  }
  if (a instanceof View && b instanceof View && a !== b) throw unsupported(`comparing a ${a.type}`);
  return a === b;
}

/** How containers compare: what is one object is equal, even NaN. */
export function same(a: Value, b: Value): boolean {
  return a instanceof PyObject && a === b || equal(a, b);
}

function sameItems(a: List, b: List): boolean {
  return a.length === b.length && a.every((one, i) => same(one, b[i]));
}

/** `a < b`, and by turning them the other orders. */
export function less(a: Value, b: Value, sign = "<"): boolean {
  spend(1);
  const [left, right] = [numberOf(a), numberOf(b)];
  if (left !== undefined && right !== undefined) return ordered(compareNumbers(left, right), sign);
  const texts = [textOf(a), textOf(b)];
  if (texts[0] !== undefined && texts[1] !== undefined) return ordered(compareText(texts[0], texts[1]), sign);
  if (isList(a) && isList(b)) return lessItems(a, b, sign);
  if (a instanceof Tuple && b instanceof Tuple) return lessItems(a.items, b.items, sign);
  for (const one of [a, b]) if (one instanceof Undefined) one.fail();
  if (a instanceof View && b instanceof View) throw unsupported(`comparing a ${a.type}`);
  throw new TemplateError(
    "type",
    `'${sign}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`,
  );
}

function lessItems(a: List, b: List, sign: string): boolean {
  const at = a.findIndex((one, i) => i < b.length && !same(one, b[i]));
  return at < 0 ? ordered(a.length - b.length, sign) : less(a[at], b[at], sign);
}

function ordered(difference: number, sign: string): boolean {
  if (sign === "<") return difference < 0;
  if (sign === ">") return difference > 0;
  return sign === "<=" ? difference <= 0 : difference >= 0;
}
