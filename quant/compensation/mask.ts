/** Which weights go: patterns of zeros, and the choice of the least important by a score. */
import { type Option, refused } from "../options.ts";

/** Zeros anywhere (`null`), or `keep` of each `group` consecutive weights of a row that stay, `group - keep` that go. */
export type Pattern = { readonly keep: number; readonly group: number } | null;

const expected = '"unstructured", or "N:M" with 0 <= N <= M <= 256: N of M consecutive weights of a row stay';

/** The pattern of zeros as text: `"2:4"` keeps 2 of 4 (what hardware calls 2:4; 1:4 of the SparseGPT code, which counts zeros, is `"3:4"`). */
export const patternOption: Option<string> = {
  expected,
  fallback: "unstructured",
  read(name, value) {
    if (typeof value === "string" && (value === "unstructured" || parse(value) !== null)) return value;
    throw refused(name, value, expected);
  },
};

function parse(text: string): Pattern {
  const found = /^(\d{1,3}):(\d{1,3})$/.exec(text);
  if (found === null) return null;
  const [keep, group] = [Number(found[1]), Number(found[2])];
  return group > 0 && group <= 256 && keep <= group ? { keep, group } : null;
}

/** Reads a pattern that {@linkcode patternOption} accepted. */
export function patternOf(text: string): Pattern {
  return parse(text);
}

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
