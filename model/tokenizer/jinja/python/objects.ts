/** Ranges, generators, views of dicts, functions. */
import { Dict, type Keywords, type List, placeOf, PyObject, repr, Tuple, type Value } from "./values.ts";

/** What `range` gives. */
export class Range extends PyObject {
  override readonly type = "range";
  constructor(readonly start: bigint, readonly stop: bigint, readonly step: bigint) {
    super();
  }
  override repr(): string {
    return `range(${this.start}, ${this.stop}${this.step === 1n ? "" : `, ${this.step}`})`;
  }
  override length(): number {
    const { start, stop, step } = this;
    const size = step > 0n ? (stop - start + step - 1n) / step : (start - stop - step - 1n) / -step;
    return Number(size > 0n ? size : 0n);
  }
  /** The element at a place that there is. */
  at(place: number): bigint {
    return this.start + BigInt(place) * this.step;
  }
  override *iterate(): Iterator<Value> {
    for (let i = 0; i < this.length(); i++) yield this.at(i);
  }
  override *reversed(): Iterator<Value> {
    for (let i = this.length() - 1; i >= 0; i--) yield this.at(i);
  }
  override attribute(name: string): Value | undefined {
    return name === "start"
      ? this.start
      : name === "stop"
      ? this.stop
      : name === "step"
      ? this.step
      : undefined;
  }
  override item(key: Value): Value | undefined {
    const at = placeOf(key, this.length());
    return at === undefined ? undefined : this.at(at);
  }
}

/** What can be gone through once: a generator, `reversed(...)`. */
export class Once extends PyObject {
  constructor(override readonly type: string, private readonly iterator: Iterator<Value>) {
    super();
  }
  override truth(): boolean {
    return true;
  }
  override iterate(): Iterator<Value> {
    return this.iterator;
  }
}

/** `keys`, `values` or `items` of a dict. */
export class View extends PyObject {
  constructor(override readonly type: "dict_keys" | "dict_values" | "dict_items", readonly dict: Dict) {
    super();
  }
  override get hashable(): boolean {
    return this.type === "dict_values";
  }
  /** What it shows. */
  get items(): List {
    if (this.type === "dict_items") return this.dict.entries.map((entry) => new Tuple(entry));
    return this.dict.entries.map(([key, value]) => this.type === "dict_keys" ? key : value);
  }
  override repr(): string {
    return `${this.type}([${this.items.map(repr).join(", ")}])`;
  }
  override length(): number {
    return this.dict.length();
  }
  override iterate(): Iterator<Value> {
    return this.items[Symbol.iterator]();
  }
  override reversed(): Iterator<Value> {
    return this.items.toReversed()[Symbol.iterator]();
  }
}

/** A function or method. */
export class Callable extends PyObject {
  constructor(
    readonly name: string,
    private readonly run: (args: List, keywords: Keywords) => Value,
    override readonly type = "builtin_function_or_method",
  ) {
    super();
  }
  override call(args: List, keywords: Keywords): Value {
    return this.run(args, keywords);
  }
  override get callable(): boolean {
    return true;
  }
}
