/** The base range that loses least: razoring included, as the published round-to-nearest runs of QRazor chose it. */
import type { UniformQuantizer } from "../../../kernels/quantizer.ts";
import { type Base, baseQuantizer, encodeBase, fitBase, razor, ruleOf } from "../../grids/razor.ts";
import { range } from "../../grids/uniform.ts";

/**
 * The base quantizer among 80 shrunken ranges, from the whole one down to a fifth, with the least
 * `sum |x^ - x|^2.4` of `count` values from `start` after razoring; the first of equals.
 */
export function razorLeastError(
  values: Float32Array,
  start: number,
  count: number,
  base: Base & { readonly groupSize: number },
): UniformQuantizer {
  const [least, most] = range(values, start, count, ruleOf(base));
  const codes = new Int32Array(count);
  let best = fitBase(values, start, count, base);
  let bestError = Infinity;
  for (let step = 0; step < 80; step++) {
    const share = Math.fround(1 - step / 100);
    const candidate = baseQuantizer(Math.fround(share * least), Math.fround(share * most), base);
    encodeBase(values, start, count, candidate, codes, 0);
    let error = 0;
    // A candidate is given up as soon as it is worse than the best one.
    for (let i = 0; i < count && error < bestError; i += base.groupSize) {
      const end = Math.min(count, i + base.groupSize);
      razor(codes, i, end - i, 1, base);
      for (let j = i; j < end; j++) {
        error += Math.abs(Math.fround(candidate.scale * codes[j]) - values[start + j]) ** 2.4;
      }
    }
    if (error < bestError) [best, bestError] = [candidate, error];
  }
  return best;
}
