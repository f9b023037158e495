/**
 * Python's values as templates see them. None is `null`, an int a `bigint`, a float a `number`, a list a plain array: the sandbox
 * lets nobody change one. All else is a `PyObject`, and answers by Python's protocols.
 */
import { spend, spendText, TemplateError, unsupported } from "../error.ts";
import { floatText, type Numeric } from "./numbers.ts";
import { lengthOf, points, quote } from "./text.ts";

/** A value. */
export type Value = null | boolean | bigint | number | string | List | PyObject;

/** A list. */
export type List = readonly Value[];

/** Keyword arguments. */
export type Keywords = ReadonlyMap<string, Value>;

/** A value that is no plain value of JavaScript. */
export abstract class PyObject {
  /** `type(value).__name__`. */
  abstract readonly type: string;
  /** `repr(value)`; most show where they lie in memory, which nobody can repeat. */
  repr(): string {
    throw unsupported(`showing a ${this.type}`);
  }
  /** `str(value)`. */
  text(): string {
    return this.repr();
  }
  /** `bool(value)`. */
  truth(): boolean {
    return this.length() !== 0;
  }
  /** `len(value)`, undefined without one. */
  length(): number | undefined {
    return undefined;
  }
  /** `iter(value)`, undefined without one. */
  iterate(): Iterator<Value> | undefined {
    return undefined;
  }
  /** `reversed(value)`, undefined without one. */
  reversed(): Iterator<Value> | undefined {
    return undefined;
  }
  /** `getattr(value, name)`, undefined without one. */
  attribute(_name: string): Value | undefined {
    return undefined;
  }
  /** `value[key]`, undefined where that is a TypeError or a LookupError. */
  item(_key: Value): Value | undefined {
    return undefined;
  }
  /** `value(...)`. */
  call(_args: List, _keywords: Keywords): Value {
    throw new TemplateError("type", `'${this.type}' object is not callable`);
  }
  /** Whether it can be called. */
  get callable(): boolean {
    return false;
  }
  /** Whether it can be the key of a dict. */
  get hashable(): boolean {
    return true;
  }
}

/** A tuple, or one whose items have names too. */
export class Tuple extends PyObject {
  override readonly type = "tuple";
  constructor(readonly items: List, private readonly names: readonly string[] = []) {
    super();
  }
  override repr(): string {
    return this.items.length === 1 ? `(${repr(this.items[0])},)` : `(${this.items.map(repr).join(", ")})`;
  }
  override length(): number {
    return this.items.length;
  }
  override iterate(): Iterator<Value> {
    return this.items[Symbol.iterator]();
  }
  override reversed(): Iterator<Value> {
    return this.items.toReversed()[Symbol.iterator]();
  }
  override get hashable(): boolean {
    return this.items.every(isHashable);
  }
  override attribute(name: string): Value | undefined {
    const at = this.names.indexOf(name);
    return at < 0 ? undefined : this.items[at];
  }
  override item(key: Value): Value | undefined {
    return itemAt(this.items, key);
  }
}

/** A dict, in the order of insertion. */
export class Dict extends PyObject {
  override readonly type = "dict";
  override get hashable(): boolean {
    return false;
  }
  readonly #entries = new Map<string, readonly [key: Value, value: Value]>();

  /** A dict of keys and values. */
  static from(entries: Iterable<readonly [Value, Value]>): Dict {
    const dict = new Dict();
    for (const [key, value] of entries) dict.set(key, value);
    return dict;
  }
  /** Only while it is made. A key that is there keeps its place and its form. */
  set(key: Value, value: Value): void {
    const hash = hashOf(key);
    this.#entries.set(hash, [this.#entries.get(hash)?.[0] ?? key, value]);
  }
  get(key: Value): Value | undefined {
    return this.#entries.get(hashOf(key))?.[1];
  }
  /** Keys and values. */
  get entries(): (readonly [key: Value, value: Value])[] {
    return [...this.#entries.values()];
  }
  override repr(): string {
    return `{${this.entries.map(([key, value]) => `${repr(key)}: ${repr(value)}`).join(", ")}}`;
  }
  override length(): number {
    return this.#entries.size;
  }
  override *iterate(): Iterator<Value> {
    for (const [key] of this.#entries.values()) yield key;
  }
  override reversed(): Iterator<Value> {
    return this.entries.map(([key]) => key).reverse()[Symbol.iterator]();
  }
  override item(key: Value): Value | undefined {
    return isHashable(key) ? this.get(key) : undefined;
  }
}

/** What a name or attribute that is not there gives: it prints as nothing and fails in most other uses. */
export class Undefined extends PyObject {
  override readonly type = "Undefined";
  constructor(
    private readonly message: string,
    private readonly code: "undefined" | "security" = "undefined",
  ) {
    super();
  }
  /** What every other use gives. */
  fail(): never {
    throw new TemplateError(this.code, this.message);
  }
  override repr(): string {
    return "Undefined";
  }
  override text(): string {
    return "";
  }
  override length(): number {
    return 0;
  }
  override iterate(): Iterator<Value> {
    return [][Symbol.iterator]();
  }
  override reversed(): Iterator<Value> {
    return [][Symbol.iterator]();
  }
  override attribute(): Value {
    return this.fail();
  }
  override item(): Value {
    return this.fail();
  }
  override call(): Value {
    return this.fail();
  }
  override get callable(): boolean {
    return true;
  }
}

/** Text that is taken for HTML (the filters `safe` and `escape`): what is added to it is escaped. */
export class Markup extends PyObject {
  override readonly type = "Markup";
  constructor(readonly content: string) {
    super();
  }
  override repr(): string {
    return `Markup(${quote(this.content)})`;
  }
  override text(): string {
    return this.content;
  }
  override length(): number {
    return lengthOf(this.content);
  }
  override iterate(): Iterator<Value> {
    return points(this.content)[Symbol.iterator]();
  }
  override reversed(): Iterator<Value> {
    return points(this.content).toReversed()[Symbol.iterator]();
  }
  override item(key: Value): Value | undefined {
    const one = itemAt(points(this.content), key);
    return typeof one === "string" ? new Markup(one) : undefined;
  }
}

/** Whether a value is a list. */
export function isList(value: Value): value is List {
  return Array.isArray(value);
}

/** The text of a str (also of HTML), undefined of others. */
export function textOf(value: Value): string | undefined {
  return typeof value === "string" ? value : value instanceof Markup ? value.content : undefined;
}

/** The number of an int, float or bool, undefined of others. */
export function numberOf(value: Value): Numeric | undefined {
  if (typeof value === "boolean") return value ? 1n : 0n;
  return typeof value === "bigint" || typeof value === "number" ? value : undefined;
}

/** `type(value).__name__`. */
export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (isList(value)) return "list";
  if (value instanceof PyObject) return value.type;
  return { boolean: "bool", bigint: "int", number: "float", string: "str" }[typeof value as "string"];
}

/** `repr(value)`. */
export function repr(value: Value): string {
  spend(1);
  const shown = isList(value) ? `[${value.map(repr).join(", ")}]` : plainText(value, quote);
  spendText(shown.length);
  return shown;
}

/** `str(value)`. */
export function str(value: Value): string {
  if (isList(value)) return repr(value);
  return value instanceof PyObject ? value.text() : plainText(value, (text) => text);
}

function plainText(value: Exclude<Value, List>, ofText: (text: string) => string): string {
  if (typeof value === "string") return ofText(value);
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return value.toString();
  return typeof value === "number" ? floatText(value) : value.repr();
}

/** `bool(value)`. */
export function truth(value: Value): boolean {
  if (value instanceof PyObject) return value.truth();
  if (isList(value)) return value.length > 0;
  return Boolean(value) || Number.isNaN(value);
}

/** `len(value)`. */
export function size(value: Value): number {
  const length = typeof value === "string"
    ? lengthOf(value)
    : isList(value)
    ? value.length
    : value instanceof PyObject
    ? value.length()
    : undefined;
  if (length === undefined) {
    throw new TemplateError("type", `object of type '${typeName(value)}' has no len()`);
  }
  return length;
}

/** `iter(value)`, undefined where there is none. */
export function tryIterate(value: Value): Iterator<Value> | undefined {
  if (typeof value === "string") return points(value)[Symbol.iterator]();
  if (isList(value)) return value[Symbol.iterator]();
  return value instanceof PyObject ? value.iterate() : undefined;
}

/** What `for` goes through; each element counts as work. */
export function* elements(value: Value): Generator<Value, void> {
  const iterator = tryIterate(value);
  if (iterator === undefined) throw new TemplateError("type", `'${typeName(value)}' object is not iterable`);
  for (let next = iterator.next(); !next.done; next = iterator.next()) {
    spend(1);
    yield next.value;
  }
}

/** An index of Python as a place in a sequence of a length, undefined where there is none. */
export function placeOf(key: Value, length: number): number | undefined {
  if (typeof key !== "bigint" && typeof key !== "boolean") return undefined;
  const at = Number(key) < 0 ? Number(key) + length : Number(key);
  return at >= 0 && at < length ? at : undefined;
}

/** `items[key]`, undefined where that is an error. */
export function itemAt(items: List, key: Value): Value | undefined {
  const at = placeOf(key, items.length);
  return at === undefined ? undefined : items[at];
}

/** A value, or another where there is none: None is one. */
export function orElse(value: Value | undefined, other: () => Value): Value {
  return value === undefined ? other() : value;
}

/** Whether a value can be the key of a dict. */
export function isHashable(value: Value): boolean {
  return value instanceof PyObject ? value.hashable : !isList(value);
}

const identities = new WeakMap<PyObject, number>();
let lastIdentity = 0;

/** A text that is equal for equal keys. */
export function hashOf(value: Value): string {
  spend(1);
  if (!isHashable(value)) throw new TemplateError("type", `unhashable type: '${typeName(value)}'`);
  const text = textOf(value), number = numberOf(value);
  if (text !== undefined) return `s${text}`;
  if (number !== undefined) {
    return typeof number === "bigint" || !Number.isInteger(number) ? `n${number}` : `n${BigInt(number)}`;
  }
  if (value instanceof Tuple) {
    return `t${value.items.map(hashOf).map((one) => `${one.length}:${one}`).join("")}`;
  }
  if (value instanceof Undefined) return "u";
  if (!(value instanceof PyObject)) return "none";
  const known = identities.get(value) ?? ++lastIdentity;
  identities.set(value, known);
  return `i${known}`;
}
