/** What a template has while it is rendered: variables, output, macros, loops, namespaces. */
import { equal } from "./python/compare.ts";
import { checkLength, spendText, TemplateError, unsupported } from "./error.ts";
import { Callable } from "./python/objects.ts";
import { quote } from "./python/text.ts";
import {
  Dict,
  elements,
  isList,
  type Keywords,
  type List,
  PyObject,
  repr,
  size,
  textOf,
  tryIterate,
  Tuple,
  Undefined,
  type Value,
} from "./python/values.ts";

/** Text that is being put together. */
export class Output {
  #parts: string[] = [];
  /** Its length so far, in UTF-16 units. */
  length = 0;
  /** Adds text. */
  add(text: string): void {
    this.length += text.length;
    checkLength(this.length);
    spendText(text.length);
    this.#parts.push(text);
  }
  /** Adds what a filter or call of a block gave, which must be text. */
  addResult(value: Value): void {
    const text = textOf(value);
    if (text === undefined) throw new TemplateError("type", `a block gave ${repr(value)}: expected str`);
    this.add(text);
  }
  /** The text. */
  text(): string {
    return this.#parts.join("");
  }
}

/** One rendering. */
export interface Rendering {
  /** Variables of the caller and of Jinja. */
  readonly given: ReadonlyMap<string, Value>;
  /** What the outermost level of the template has assigned. */
  readonly assigned: Map<string, Value>;
  /** Text of the outermost level. */
  readonly output: Output;
  /** Where in the text what the model says begins and ends. */
  readonly spans: (readonly [start: number, end: number])[];
  /** The line at work. */
  line: number;
}

/** Variables of a function of the template: itself, a macro, a block. */
export class Locals {
  readonly #values = new Map<string, Value | undefined>();
  constructor(readonly rendering: Rendering, private readonly outer?: Locals) {}
  /** Undefined if it holds nothing. */
  get(variable: string): Value | undefined {
    return this.#values.has(variable) ? this.#values.get(variable) : this.outer?.get(variable);
  }
  set(variable: string, value: Value | undefined): void {
    this.#values.set(variable, value);
  }
}

/** What a macro is given. */
export interface MacroCall {
  /** Undefined where one is missing. */
  readonly values: readonly (Value | undefined)[];
  readonly caller: Value;
  readonly keywords: Dict;
  readonly more: Tuple;
}

/** What a macro is. */
export interface MacroForm {
  /** Null of a call block. */
  readonly name: string | null;
  readonly parameters: readonly string[];
  readonly takesCaller: boolean;
  readonly takesKeywords: boolean;
  readonly takesMore: boolean;
}

/** A macro, or the body of a call block. */
export class Macro extends PyObject {
  override readonly type = "Macro";
  constructor(private readonly form: MacroForm, private readonly run: (call: MacroCall) => string) {
    super();
  }
  override get callable(): boolean {
    return true;
  }
  override repr(): string {
    return `<Macro ${this.form.name === null ? "anonymous" : quote(this.form.name)}>`;
  }
  override attribute(name: string): Value | undefined {
    const { form } = this;
    if (name === "name") return form.name;
    if (name === "arguments") return new Tuple(form.parameters);
    if (name === "catch_kwargs") return form.takesKeywords;
    if (name === "catch_varargs") return form.takesMore;
    if (name === "caller") return form.takesCaller;
    return name === "explicit_caller" ? form.parameters.includes("caller") : undefined;
  }
  override call(args: List, keywords: Keywords): Value {
    const { name, parameters, takesCaller, takesKeywords, takesMore } = this.form;
    const left = new Map(keywords), shown = name === null ? "None" : quote(name);
    const values = parameters.map((parameter, i) => {
      if (i < args.length) return args[i];
      const value = left.get(parameter);
      left.delete(parameter);
      return value;
    });
    let caller: Value = new Undefined("No caller defined");
    if (takesCaller && !parameters.includes("caller")) {
      caller = left.get("caller") ?? caller;
      left.delete("caller");
    }
    const [extra] = left.keys();
    if (!takesKeywords && extra !== undefined) {
      throw new TemplateError("type", `macro ${shown} takes no keyword argument '${extra}'`);
    }
    if (!takesMore && args.length > parameters.length) {
      throw new TemplateError("type", `macro ${shown} takes not more than ${parameters.length} argument(s)`);
    }
    return this.run({
      values,
      caller,
      keywords: Dict.from(left),
      more: new Tuple(args.slice(parameters.length)),
    });
  }
}

/** What `namespace` gives: the one thing that a template can change. */
export class Namespace extends PyObject {
  override readonly type = "TemplateNamespace";
  readonly #values = new Map<string, Value>();
  constructor(entries: Dict) {
    super();
    for (const [key, value] of entries.entries) this.set(textOf(key) ?? repr(key), value);
  }
  set(name: string, value: Value): void {
    if (name.startsWith("_")) {
      throw new TemplateError(
        "security",
        `Chat templates cannot store underscore-prefixed attributes on a namespace, but got '${name}'`,
      );
    }
    this.#values.set(name, value);
  }
  override repr(): string {
    return `<Namespace ${Dict.from(this.#values).repr()}>`;
  }
  override attribute(name: string): Value | undefined {
    return this.#values.get(name);
  }
}

/** The variable `loop`. */
export class Loop extends PyObject implements Iterable<Value> {
  override readonly type = "LoopContext";
  #iterator: Iterator<Value>;
  #length: number | undefined;
  #index0 = -1;
  /** What was read ahead. */
  #after: IteratorResult<Value> | undefined;
  #before: Value | undefined;
  #current: Value | undefined;
  #changed: Value | undefined;

  constructor(
    private readonly iterable: Value,
    private readonly depth0: number,
    private readonly recurse?: (iterable: Value, depth: number) => string,
  ) {
    super();
    this.#iterator = elements(iterable);
    // A value that cannot be gone through is refused before the loop begins.
    if (tryIterate(iterable) === undefined) this.#iterator.next();
  }
  *[Symbol.iterator](): Generator<Value, void> {
    while (true) {
      const next = this.#peek();
      this.#after = undefined;
      if (next.done) return;
      this.#index0++;
      this.#before = this.#current;
      this.#current = next.value;
      yield next.value;
    }
  }
  #peek(): IteratorResult<Value> {
    this.#after ??= this.#iterator.next();
    return this.#after;
  }
  override length(): number {
    if (this.#length !== undefined) return this.#length;
    if (isList(this.iterable) || typeof this.iterable === "string" || hasLength(this.iterable)) {
      return this.#length = size(this.iterable);
    }
    const rest = Array.from({ [Symbol.iterator]: () => this.#iterator });
    this.#iterator = rest[Symbol.iterator]();
    const ahead = this.#after !== undefined && !this.#after.done ? 1 : 0;
    return this.#length = rest.length + this.#index0 + 1 + ahead;
  }
  override repr(): string {
    return `<LoopContext ${this.#index0 + 1}/${this.length()}>`;
  }
  override attribute(name: string): Value | undefined {
    const at = this.#index0;
    switch (name) {
      case "index":
        return BigInt(at + 1);
      case "index0":
        return BigInt(at);
      case "length":
        return BigInt(this.length());
      case "revindex":
        return BigInt(this.length() - at);
      case "revindex0":
        return BigInt(this.length() - at - 1);
      case "first":
        return at === 0;
      case "last":
        return this.#peek().done === true;
      case "depth":
        return BigInt(this.depth0 + 1);
      case "depth0":
        return BigInt(this.depth0);
      case "previtem":
        return at === 0 ? new Undefined("there is no previous item") : this.#before;
      case "nextitem": {
        const next = this.#peek();
        return next.done ? new Undefined("there is no next item") : next.value;
      }
      case "cycle":
        return new Callable(name, (args) => {
          if (args.length === 0) throw new TemplateError("type", "no items for cycling given");
          return args[at % args.length];
        });
      case "changed":
        return new Callable(name, (args) => {
          const value = new Tuple(args), same = this.#changed !== undefined && equal(this.#changed, value);
          this.#changed = value;
          return !same;
        });
    }
  }
  override get callable(): boolean {
    return true;
  }
  override call(args: List): Value {
    if (this.recurse === undefined) {
      throw new TemplateError("type", "The loop must have the 'recursive' marker to be called recursively.");
    }
    if (args.length !== 1) throw new TemplateError("type", "loop() takes one argument");
    return this.recurse(args[0], this.depth0 + 1);
  }
  override iterate(): Iterator<Value> {
    throw unsupported("going through loop itself");
  }
}

function hasLength(value: Value): boolean {
  return value instanceof PyObject && value.length() !== undefined;
}
