/**
 * A stand-in for `jsr:@std/assert@1`, over `node:assert`, for machines that cannot reach that registry.
 * Same names, same signatures. To use the real package, change one line of deno.json:
 * `"@std/assert": "jsr:@std/assert@1"`.
 */
import nodeAssert, { AssertionError } from "node:assert";
import { isDeepStrictEqual } from "node:util";

export { AssertionError };

type ErrorClass<E extends Error> = abstract new (...args: never[]) => E;

function show(value: unknown): string {
  return Deno.inspect(value, { depth: 4, iterableLimit: 20, strAbbreviateSize: 400 });
}

/** Fails with `message`. */
export function fail(message = "Failed"): never {
  throw new AssertionError({ message });
}

/** Asserts that `condition` is truthy. */
export function assert(condition: unknown, message = "Expected a truthy value"): asserts condition {
  if (!condition) fail(message);
}

/** Asserts deep equality of values. */
export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  // The listing of tens of thousands of numbers that differ would take minutes.
  if (isLong(actual) && isLong(expected)) fail(firstDifference(actual, expected, message));
  // Newer types of Node refuse an explicit undefined.
  message === undefined
    ? nodeAssert.deepStrictEqual(actual, expected)
    : nodeAssert.deepStrictEqual(actual, expected, message);
}

type Numbers = ArrayLike<number | bigint>;

function isLong(value: unknown): value is Numbers {
  return ArrayBuffer.isView(value) && "length" in value && Number(value.length) > 2000;
}

function firstDifference(actual: Numbers, expected: Numbers, message = "Expected equal numbers"): string {
  const length = Math.min(actual.length, expected.length);
  let at = length, count = 0;
  for (let i = length - 1; i >= 0; i--) if (!Object.is(actual[i], expected[i])) [at, count] = [i, count + 1];
  return `${message}: ${count} of ${expected.length} differ, ${actual.length} were given; at ${at} ${
    show(actual[at])
  }, expected ${show(expected[at])}`;
}

/** Asserts that values are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, message?: string): void {
  message === undefined
    ? nodeAssert.notDeepStrictEqual(actual, expected)
    : nodeAssert.notDeepStrictEqual(actual, expected, message);
}

/** Asserts `Object.is(actual, expected)`. */
export function assertStrictEquals<T>(actual: unknown, expected: T, message?: string): asserts actual is T {
  if (!Object.is(actual, expected)) fail(message ?? `Expected ${show(expected)}, got ${show(actual)}`);
}

/** Asserts that a value is neither null nor undefined. */
export function assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) fail(message ?? `Expected a value, got ${actual}`);
}

/** Asserts `|actual - expected| <= tolerance`. */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  message?: string,
): void {
  if (Object.is(actual, expected)) return;
  const bound = tolerance ?? Math.abs(expected) * 1e-7;
  if (!(Math.abs(expected - actual) <= bound)) {
    fail(
      message ??
        `Expected ${actual} to be within ${bound} of ${expected}, differs by ${Math.abs(expected - actual)}`,
    );
  }
}

/** Asserts `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, message?: string): void {
  if (!(actual > expected)) fail(message ?? `Expected ${show(actual)} > ${show(expected)}`);
}

/** Asserts `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void {
  if (!(actual >= expected)) fail(message ?? `Expected ${show(actual)} >= ${show(expected)}`);
}

/** Asserts `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, message?: string): void {
  if (!(actual < expected)) fail(message ?? `Expected ${show(actual)} < ${show(expected)}`);
}

/** Asserts `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void {
  if (!(actual <= expected)) fail(message ?? `Expected ${show(actual)} <= ${show(expected)}`);
}

/** Asserts that a string contains another. */
export function assertStringIncludes(actual: string, expected: string, message?: string): void {
  if (!actual.includes(expected)) fail(message ?? `Expected ${show(actual)} to contain ${show(expected)}`);
}

/** Asserts that a string matches an expression. */
export function assertMatch(actual: string, expected: RegExp, message?: string): void {
  if (!expected.test(actual)) fail(message ?? `Expected ${show(actual)} to match ${expected}`);
}

/** Asserts that a value is an instance of a class. */
export function assertInstanceOf<E>(
  actual: unknown,
  expected: abstract new (...args: never[]) => E,
  message?: string,
): asserts actual is E {
  if (!(actual instanceof expected)) {
    fail(message ?? `Expected an instance of ${expected.name}, got ${show(actual)}`);
  }
}

function checkError<E extends Error>(error: unknown, kind?: ErrorClass<E>, includes?: string): E {
  if (!(error instanceof Error)) fail(`A non-Error was thrown: ${show(error)}`);
  if (kind && !(error instanceof kind)) {
    fail(`Expected an error of class ${kind.name}, got ${error.name}: ${error.message}`);
  }
  if (includes !== undefined) assertStringIncludes(error.message, includes);
  return error as E;
}

/** Asserts that `run` throws, and returns the error. */
export function assertThrows<E extends Error = Error>(
  run: () => unknown,
  kind?: ErrorClass<E>,
  includes?: string,
): E {
  let error: unknown;
  try {
    run();
  } catch (e) {
    error = e;
    return checkError(error, kind, includes);
  }
  fail("Expected function to throw");
}

/** Asserts that the promise of `run` rejects, and returns the error. */
export async function assertRejects<E extends Error = Error>(
  run: () => PromiseLike<unknown>,
  kind?: ErrorClass<E>,
  includes?: string,
): Promise<E> {
  try {
    await run();
  } catch (e) {
    return checkError(e, kind, includes);
  }
  fail("Expected function to reject");
}
