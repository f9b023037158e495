/** Python's operators. */
import { itemsOf, toIndex } from "./bind.ts";
import { equal, less, same } from "./compare.ts";
import { spend, spendText, TemplateError, unsupported } from "../error.ts";
import { escapeHtml } from "./html.ts";
import { arithmetic } from "./numbers.ts";
import { Range, View } from "./objects.ts";
import { formatPercent } from "./percent.ts";
import { between, lengthOf, points } from "./text.ts";
import {
  Dict,
  elements,
  hashOf,
  isList,
  type List,
  Markup,
  numberOf,
  PyObject,
  textOf,
  tryIterate,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** `left op right` for the operators of arithmetic. */
export function binary(op: string, left: Value, right: Value): Value {
  const text = textOf(left);
  if (op === "%" && text !== undefined) {
    return left instanceof Markup ? new Markup(formatPercent(text, right, true)) : formatPercent(text, right);
  }
  for (const one of [left, right]) if (one instanceof Undefined) one.fail();
  const a = numberOf(left), b = numberOf(right);
  if (a !== undefined && b !== undefined) return arithmetic(op, a, b);
  const result = op === "+" ? add(left, right) : op === "*" ? multiply(left, right) : undefined;
  if (result !== undefined) return result;
  if (left instanceof View && right instanceof PyObject) throw unsupported(`${op} of a ${left.type}`);
  throw new TemplateError(
    "type",
    `unsupported operand type(s) for ${op}: '${typeName(left)}' and '${typeName(right)}'`,
  );
}

function add(left: Value, right: Value): Value | undefined {
  const a = textOf(left), b = textOf(right);
  if (a !== undefined && b !== undefined) {
    spendText(a.length + b.length);
    if (!(left instanceof Markup) && !(right instanceof Markup)) return a + b;
    return new Markup(escapeHtml(left) + escapeHtml(right));
  }
  if (isList(left) && isList(right)) return joined(left, right);
  if (left instanceof Tuple && right instanceof Tuple) return new Tuple(joined(left.items, right.items));
}

function joined(left: List, right: List): List {
  spend(left.length + right.length);
  return [...left, ...right];
}

function multiply(left: Value, right: Value): Value | undefined {
  const whole = (value: Value) => typeof value === "bigint" || typeof value === "boolean";
  if (whole(left)) return whole(right) ? undefined : multiply(right, left);
  if (!whole(right)) return undefined;
  const times = Math.max(0, Number(right)), text = textOf(left), items = itemsOf(left);
  if (text !== undefined) {
    spendText(text.length * times);
    return left instanceof Markup ? new Markup(text.repeat(times)) : text.repeat(times);
  }
  if (items === undefined) return undefined;
  spend(items.length * times);
  const repeated = Array.from({ length: items.length * times }, (_, i) => items[i % items.length]);
  return isList(left) ? repeated : new Tuple(repeated);
}

/** `-value`, `+value`. */
export function signed(op: "+" | "-", value: Value): Value {
  if (value instanceof Undefined) value.fail();
  const number = numberOf(value);
  if (number === undefined) {
    throw new TemplateError("type", `bad operand type for unary ${op}: '${typeName(value)}'`);
  }
  return op === "+" ? number : -number;
}

/** `left op right` for comparisons. */
export function compare(op: string, left: Value, right: Value): boolean {
  if (op === "==") return equal(left, right);
  if (op === "!=") return !equal(left, right);
  if (op === "in") return contains(right, left);
  return op === "not in" ? !contains(right, left) : less(left, right, op);
}

/** `item in container`. */
export function contains(container: Value, item: Value): boolean {
  const text = textOf(container);
  if (text !== undefined) {
    const part = textOf(item);
    if (part !== undefined) {
      spendText(text.length);
      return text.includes(part);
    }
    throw new TemplateError("type", `'in <string>' requires string as left operand, not ${typeName(item)}`);
  }
  if (container instanceof Dict || container instanceof View && container.type === "dict_keys") {
    const dict = container instanceof Dict ? container : container.dict;
    hashOf(item);
    return dict.get(item) !== undefined;
  }
  if (container instanceof Range && typeof item === "bigint") {
    const { start, step } = container, at = (item - start) / step;
    return (item - start) % step === 0n && at >= 0n && at < BigInt(container.length());
  }
  if (tryIterate(container) === undefined) {
    throw new TemplateError("type", `argument of type '${typeName(container)}' is not iterable`);
  }
  for (const one of elements(container)) if (same(one, item)) return true;
  return false;
}

/** `value[start:stop:step]`. */
export function slice(value: Value, bounds: readonly (Value | undefined)[]): Value {
  if (value instanceof Undefined) value.fail();
  const [start, stop, step = 1] = bounds.map((bound) => indexOf(bound));
  if (step === 0) throw new TemplateError("value", "slice step cannot be zero");
  const text = textOf(value);
  if (text !== undefined) {
    const length = lengthOf(text), simple = step === 1 ? sliceBounds(length, start, stop, 1) : undefined;
    const cut = simple === undefined
      ? takeSlice(points(text), start, stop, step).join("")
      : between(text, simple[0], simple[1]);
    return value instanceof Markup ? new Markup(cut) : cut;
  }
  if (isList(value)) return takeSlice(value, start, stop, step);
  if (value instanceof Tuple) return new Tuple(takeSlice(value.items, start, stop, step));
  if (value instanceof Range) {
    const [from, to] = sliceBounds(value.length(), start, stop, step);
    return new Range(value.at(from), value.at(to), value.step * BigInt(step));
  }
  throw new TemplateError("type", `'${typeName(value)}' object is not subscriptable`);
}

function indexOf(bound: Value | undefined): number | undefined {
  if (bound instanceof Undefined || typeof bound === "number" || typeof bound === "string") {
    throw new TemplateError("type", "slice indices must be integers or None or have an __index__ method");
  }
  return toIndex(bound);
}

/** The places at which a slice begins and ends, as `slice.indices` gives them. */
function sliceBounds(
  length: number,
  start: number | undefined,
  stop: number | undefined,
  step: number,
): [number, number] {
  const [lowest, highest] = step > 0 ? [0, length] : [-1, length - 1];
  const place = (at: number | undefined, byDefault: number) =>
    at === undefined ? byDefault : Math.max(lowest, Math.min(highest, at < 0 ? at + length : at));
  return step > 0
    ? [place(start, lowest), place(stop, highest)]
    : [place(start, highest), place(stop, lowest)];
}

function takeSlice<T>(
  items: readonly T[],
  start: number | undefined,
  stop: number | undefined,
  step: number,
): T[] {
  const [from, to] = sliceBounds(items.length, start, stop, step), taken: T[] = [];
  for (let at = from; step > 0 ? at < to : at > to; at += step) taken.push(items[at]);
  spend(taken.length);
  return taken;
}
