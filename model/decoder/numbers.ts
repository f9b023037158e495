/** What a model computes must be numbers: NaN is larger and smaller than nothing, and would pass for a small divergence or token 0. */
import { ModelError } from "../error.ts";

/** The first row of `values`, `[rows, width]`, that holds a NaN; -1 when there is none. */
export function rowWithNaN(values: ArrayLike<number>, width: number): number {
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i])) return Math.floor(i / width);
  return -1;
}

/**
 * Throws where `values`, `[rows, width]`, hold a NaN.
 *
 * @param what says in words what a row is
 * @throws {ModelError} `nan`
 */
export function requireNumbers(
  values: ArrayLike<number>,
  width: number,
  what: (row: number) => string,
): void {
  const row = rowWithNaN(values, width);
  if (row >= 0) throw new ModelError("nan", `${what(row)} hold NaN: expected numbers`);
}
