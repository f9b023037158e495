/** Which weights go: the choice of the least important by a score. */
import type { Pattern } from "../grids/pattern.ts";

/**
 * The threshold of a share of scores: entries that are at most as large go. As in the authors' code it is the sorted score at place
 * `floor(share * count)`, so that one more than this number goes, and all that are equal to it; none where the share is 0, all where it is 1.
 */
export function thresholdOf(scores: Float64Array | Float32Array, share: number): number {
  if (share === 0) return -Infinity;
  const place = Math.floor(scores.length * share);
  return place >= scores.length ? Infinity : scores.toSorted()[place];
}

/** Sets a byte of `mask` for the `drop` smallest of `scores`, the first of equals; `at` gives their places in the mask. */
export function dropSmallest(
  scores: ArrayLike<number>,
  drop: number,
  mask: Uint8Array,
  at: (i: number) => number,
): void {
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[a] - scores[b] || a - b);
  for (let k = 0; k < drop; k++) mask[at(order[k])] = 1;
}

/** Zeros that a group of `size` weights gets, the last one of a row perhaps shorter: of what is left, `group - keep` go if there are as many. */
export function dropped({ keep, group }: NonNullable<Pattern>, size: number): number {
  return Math.min(group - keep, size);
}

/** A weight with zeros where the mask is set. */
export function masked(values: Float32Array, mask: Uint8Array): Float32Array {
  return values.map((value, i) => mask[i] ? 0 : value);
}
