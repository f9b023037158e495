/**
 * Tables of options: what a method's builder accepts, with defaults, in the order in which a scheme holds them. A builder reads its
 * options by its table, and whoever lists the methods reads the same one.
 */
import { show } from "../base/show.ts";
import { SchemeError } from "./error.ts";

/** Options of a method as plain data; `method` is the registry's tag. */
export interface Tagged {
  /** Name of the method in the registry. */
  readonly method: string;
}

/** A scheme of a method that comes with the suite. `suite` is never set: by it types tell such a scheme from a registered method's. */
export interface SuiteScheme extends Tagged {
  /** Never set. */
  readonly suite?: true;
}

/** A scheme of a method that was registered. */
export interface OwnScheme extends Tagged {
  /** Never set. */
  readonly suite?: never;
}

/** What one option accepts. */
export interface Option<T = unknown> {
  /** In words: `"an integer from 2 to 8"`. */
  readonly expected: string;
  /** The value where none is given; undefined where one must be, or may be absent. */
  readonly fallback?: T;
  /** Whether a scheme may go without it. */
  readonly optional?: boolean;
  /** The value as a scheme holds it; undefined is left out. Throws a SchemeError that names the option and the value. */
  read(name: string, value: unknown): T | undefined;
}

/** The options of a scheme, all but its tag. */
export type OptionTable<S extends Tagged = Tagged> = {
  readonly [K in Exclude<keyof S, keyof SuiteScheme>]-?: Option<Exclude<S[K], undefined>>;
};

/** An option whose values `accepts` tells. */
export function option<T>(
  expected: string,
  accepts: (value: unknown) => boolean,
  fallback?: T,
): Option<T> {
  return {
    expected,
    ...fallback !== undefined && { fallback },
    read(name, value) {
      if (!accepts(value)) throw refused(name, value, expected);
      return value as T;
    },
  };
}

/** The error of a value that is not accepted. */
export function refused(name: string, value: unknown, expected: string): SchemeError {
  return new SchemeError("option", `${name} is ${show(value)}: expected ${expected}`);
}

/** An integer within bounds. */
export function integer(least: number, most: number, fallback?: number): Option<number> {
  const accepts = (value: unknown) =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
  return option(`an integer from ${least} to ${most}`, accepts, fallback);
}

/** A number within bounds. */
export function number(least: number, most: number, fallback?: number): Option<number> {
  const accepts = (value: unknown) => typeof value === "number" && value >= least && value <= most;
  return option(`a number from ${least} to ${most}`, accepts, fallback);
}

/** One of a few values. */
export function oneOf<const T extends string | number | boolean>(
  accepted: readonly T[],
  fallback?: T,
): Option<T> {
  const list = accepted.map((one) => JSON.stringify(one)).join(", ");
  return option(`one of ${list}`, (value) => accepted.some((one) => one === value), fallback);
}

/** True or false. */
export function flag(fallback: boolean): Option<boolean> {
  return oneOf([true, false], fallback);
}

/** An option that may also be null, or one other value. */
export function or<A extends null | number | string, T>(
  other: A,
  { expected, read }: Option<T>,
  fallback?: A | T,
): Option<A | T> {
  return {
    expected: `${expected}, or ${JSON.stringify(other)}`,
    ...fallback !== undefined && { fallback },
    read: (name, value) => value === other ? other : read(name, value),
  };
}

/** A list of values, each as `one` accepts it. */
export function listOf<T>(one: Option<T>, fallback?: readonly T[]): Option<readonly T[]> {
  const expected = `a list, each ${one.expected}`;
  return {
    expected,
    ...fallback !== undefined && { fallback },
    read(name, value) {
      if (!Array.isArray(value)) throw refused(name, value, expected);
      return value.map((item, i) => one.read(`${name}[${i}]`, item) as T);
    },
  };
}

/** Options of their own under one name. */
export function section<T extends object>(table: { readonly [K in keyof T]-?: Option<T[K]> }): Option<T> {
  const expected = `an object with ${Object.keys(table).join(", ")}`;
  return {
    expected,
    read(name, value) {
      if (typeof value !== "object" || value === null) throw refused(name, value, expected);
      return readTable(name, table, value, `${name}.`) as T;
    },
  };
}

/** An option that a scheme may go without. */
export function optional<T>(one: Option<T>): Option<T> {
  return { ...one, optional: true };
}

/**
 * Values of a row that share a scale. Without a default, an absent one stands for the whole row, and so does -1, which is not kept; with a
 * default, -1 stands for the whole row.
 */
export function groupSizeOption(fallback?: number): Option<number> {
  const size = or(-1, integer(1, 1 << 20), fallback);
  if (fallback !== undefined) return size;
  const read = (name: string, value: unknown) => value === -1 ? undefined : size.read(name, value);
  return { ...size, optional: true, read };
}

/** The group size of rows of so many columns. */
export function groupSizeOf(scheme: { readonly groupSize?: number }, columns: number): number {
  return scheme.groupSize === undefined || scheme.groupSize === -1 ? columns : scheme.groupSize;
}

/**
 * Reads options by their table: a complete scheme, or an error about the first thing that is not accepted.
 *
 * @throws {SchemeError} `option`
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * interface Mine { readonly method: "mine"; readonly bits: number; readonly symmetric: boolean }
 * const table: OptionTable<Mine> = { bits: integer(2, 8), symmetric: flag(false) };
 * assertEquals(readOptions<Mine>("mine", table, { bits: 4 }), { method: "mine", bits: 4, symmetric: false });
 * assertThrows(() => readOptions<Mine>("mine", table, { bits: 9 }), Error, "bits is 9: expected an integer from 2 to 8");
 * ```
 */
export function readOptions<S extends Tagged>(method: S["method"], table: OptionTable<S>, given: object): S {
  const { method: _, ...options } = given as Partial<Tagged>;
  return { method, ...readTable(method, table, options) } as S & Record<string, unknown>;
}

function readTable(
  owner: string,
  table: Readonly<Record<string, Option>>,
  given: object,
  prefix = "",
): Record<string, unknown> {
  const values = given as Readonly<Record<string, unknown>>;
  requireKnown(owner, given, Object.keys(table));
  const read: Record<string, unknown> = {};
  for (const [name, one] of Object.entries(table)) {
    const value = values[name] === undefined ? one.fallback : values[name];
    if (value === undefined && one.optional) continue;
    const result = one.read(prefix + name, value);
    if (result !== undefined) read[name] = result;
  }
  return read;
}

/**
 * Refuses names that nobody reads.
 *
 * @throws {SchemeError} `option`
 */
export function requireKnown(owner: string, options: object, accepted: readonly string[]): void {
  const unknown = Object.keys(options).find((key) => !accepted.includes(key));
  if (unknown === undefined) return;
  throw new SchemeError(
    "option",
    `${owner} has no option ${JSON.stringify(unknown)}: expected ${accepted.join(", ")}`,
  );
}
