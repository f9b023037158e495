/** Factors of an input's channels, by which outliers move into the weights. */
import { pow } from "../../../base/elementary.ts";

/** Exponents of the largest magnitudes of inputs and weights. */
export interface Smoothing {
  /** Of inputs. */
  readonly alpha: number;
  /** Of weights. */
  readonly beta: number;
}

/** Pairs of exponents that a search tries: neither, alpha alone, and both with `alpha + beta = 1`. */
export function smoothingCandidates(grids: number): Smoothing[] {
  const steps = Array.from({ length: grids - 1 }, (_, i) => (i + 1) / grids);
  return [
    { alpha: 0, beta: 0 },
    ...steps.map((alpha) => ({ alpha, beta: 0 })),
    ...steps.map((alpha) => ({ alpha, beta: 1 - alpha })),
  ];
}

/** The factors, from the largest magnitudes of the channels and of the weights' columns. */
export function smoothingFactors(
  inputs: Float32Array,
  weights: Float32Array,
  { alpha, beta }: Smoothing,
): Float32Array {
  const factors = inputs.map((x, j) => Math.fround(pow(x, alpha)) / Math.fround(pow(weights[j], beta)));
  if (!factors.every(Number.isFinite)) return factors.fill(1);
  return factors.map((one) => one === 0 ? 1 : one);
}
