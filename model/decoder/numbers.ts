/** What a model computes must be numbers: NaN is larger and smaller than nothing, and would pass for a small divergence or token 0. */
import { ModelError } from "../error.ts";
import type { Linear, Parameter } from "./parameter.ts";

/** The first row of `values`, `[rows, width]`, that holds NaN or infinity; -1 when there is none. */
export function infiniteRow(values: ArrayLike<number>, width: number): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return Math.floor(i / width);
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
  for (let i = 0; i < values.length; i++) {
    if (!Number.isNaN(values[i])) continue;
    throw new ModelError("nan", `${what(Math.floor(i / width))} hold NaN: expected numbers`);
  }
}

/** The largest weight of a layer, for the message of an overflow; "" when none is large. */
export async function largestWeight(
  parameters: readonly Pick<Parameter<Linear>, "name" | "values">[],
): Promise<string> {
  let most = 1e4, name = "";
  for (const one of parameters) {
    for (const value of await one.values()) {
      if (!(Math.abs(value) > most)) continue;
      most = Math.abs(value);
      name = one.name;
    }
  }
  return name === "" ? "" : `: the largest weight there is ${most.toPrecision(3)}, in ${name}`;
}
