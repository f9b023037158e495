/** Rates of a device from measured times. */
import type { Work } from "./work.ts";

/** Work that was done, and how long it took. */
export interface Sample {
  /** Amounts by kind. */
  readonly work: Work;
  /** Measured. */
  readonly seconds: number;
}

/** Times below this (seconds) count as this long: relative errors of nothing mean nothing. */
const resolution = 0.005;

/**
 * Seconds per unit of each kind of work, none negative: those with the least sum of squared relative errors, found by
 * minimizing over one rate after the other until nothing changes.
 */
export function fitRates(samples: readonly Sample[]): Record<string, number> {
  const kinds = [...new Set(samples.flatMap(({ work }) => Object.keys(work)))];
  // In units of the largest amount and relative to the measured time, all numbers are near one.
  const largest = kinds.map((kind) => Math.max(...samples.map(({ work }) => work[kind] ?? 0)) || 1);
  const rows = samples.map(({ work, seconds }) =>
    kinds.map((kind, k) => (work[kind] ?? 0) / largest[k] / Math.max(seconds, resolution))
  );
  const rates = kinds.map(() => 0);
  const residuals = samples.map(({ seconds }) => -Math.min(1, seconds / resolution));
  for (let pass = 0; pass < 20_000; pass++) {
    let change = 0;
    for (const k of kinds.keys()) {
      const squares = rows.reduce((sum, row) => sum + row[k] ** 2, 0);
      if (squares === 0) continue;
      const slope = rows.reduce((sum, row, i) => sum + row[k] * residuals[i], 0);
      const step = Math.max(-rates[k], -slope / squares);
      if (step === 0) continue;
      rates[k] += step;
      for (const [i, row] of rows.entries()) residuals[i] += step * row[k];
      change = Math.max(change, Math.abs(step) / (rates[k] || 1));
    }
    if (change < 1e-9) break;
  }
  return Object.fromEntries(kinds.map((kind, k) => [kind, rates[k] / largest[k]]));
}
