/** Patterns of zeros among the weights of a row. */
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
