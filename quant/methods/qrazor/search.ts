/** The base range that loses least: razoring included, as the published round-to-nearest runs of QRazor chose it. */
import { pow } from "../../../base/elementary.ts";
import type { UniformQuantizer } from "../../../kernels/quantizer.ts";
import { type Base, baseQuantizer, encodeBase, razor, ruleOf } from "../../grids/razor.ts";
import { range, shrinkRange } from "../../grids/uniform.ts";

/** The base quantizer with the least `sum |x^ - x|^2.4` of `count` values from `start` after razoring. */
export function razorLeastError(
  values: Float32Array,
  start: number,
  count: number,
  base: Base & { readonly groupSize: number },
): UniformQuantizer {
  const codes = new Int32Array(count);
  const errorOf = (candidate: UniformQuantizer, limit: number) => {
    encodeBase(values, start, count, candidate, codes, 0);
    let error = 0;
    for (let i = 0; i < count && error < limit; i += base.groupSize) {
      const end = Math.min(count, i + base.groupSize);
      razor(codes, i, end - i, 1, base);
      for (let j = i; j < end; j++) {
        error += pow(Math.abs(Math.fround(candidate.scale * codes[j]) - values[start + j]), 2.4);
      }
    }
    return error;
  };
  const extremes = range(values, start, count, ruleOf(base));
  return shrinkRange(extremes, (least, most) => baseQuantizer(least, most, base), errorOf);
}
