/** What WebKit lacks of the language, before anything else of the suite is evaluated: resources that are disposed of, generators among them. */

for (const name of ["dispose", "asyncDispose"] as const) {
  // The name that esbuild's code for `using` looks for.
  if (Symbol[name] === undefined) {
    Object.defineProperty(Symbol, name, { value: Symbol.for(`Symbol.${name}`) });
  }
}

/** `DisposableStack` of the proposal "Explicit Resource Management", the parts that the suite uses. */
class Stack {
  #steps: (() => void)[] = [];
  disposed = false;
  use<T extends Disposable | null | undefined>(value: T): T {
    if (value) this.defer(() => value[Symbol.dispose]());
    return value;
  }
  adopt<T>(value: T, onDispose: (value: T) => void): T {
    this.defer(() => onDispose(value));
    return value;
  }
  defer(step: () => void): void {
    if (this.disposed) throw new ReferenceError("the stack has been disposed of");
    this.#steps.push(step);
  }
  move(): Stack {
    const moved = new Stack();
    moved.#steps = this.#steps;
    this.#steps = [];
    this.disposed = true;
    return moved;
  }
  dispose(): void {
    this.disposed = true;
    const errors: unknown[] = [];
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        step();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
}
const scope: { DisposableStack?: unknown } = globalThis;
scope.DisposableStack ??= Stack;

/** What `%IteratorPrototype%` and its asynchronous kin have where the language has `using`: they end generators. */
const iterators = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
iterators[Symbol.dispose] ??= function (this: Iterator<unknown>): void {
  this.return?.();
};
const generators = Object.getPrototypeOf(async function* () {}).prototype;
const asyncIterators = Object.getPrototypeOf(generators);
asyncIterators[Symbol.asyncDispose] ??= async function (this: AsyncIterator<unknown>): Promise<void> {
  await this.return?.();
};
