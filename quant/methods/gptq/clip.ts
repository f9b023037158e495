/**
 * MARLIN's clip search (Frantar et al. 2024, `IST-DASLab/marlin` `gptq/quant.py`): of ranges whose ends are cut at a share of the largest
 * magnitude, the one whose rounding errors `d`, were they all made at once, could be compensated best. What GPTQ counts as its loss is
 * `|d U^-1|^2` with the group's block of the inverse Hessian's factor U; `R = U^-1` is what {@linkcode Problem} holds.
 */
import type { UniformRule } from "../../../kernels/codes.ts";
import { type UniformQuantizer, uniformQuantizer } from "../../../kernels/quantizer.ts";
import type { Problem } from "../../compensation/hessian.ts";
import { decode, encode, range } from "../../grids/uniform.ts";

/** Shares 1, 0.99 to 0.25. */
const shares = Array.from({ length: 76 }, (_, i) => Math.fround(1 - i / 100));

/** One quantizer per row for columns `first` to `first + count` of a problem; `values` `[count, rows]` are their weights. */
export function fitCompensated(
  values: Float64Array,
  { factor, columns, rows }: Pick<Problem, "factor" | "columns" | "rows">,
  first: number,
  rule: UniformRule,
): UniformQuantizer[] {
  const count = values.length / rows, weights = new Float32Array(count);
  // Column k of the triangular block, `[k][0..k]`.
  const block = Array.from(
    { length: count },
    (_, k) => Float64Array.from({ length: k + 1 }, (_, i) => factor[(first + i) * columns + first + k]),
  );
  return Array.from({ length: rows }, (_, row) => {
    for (let j = 0; j < count; j++) weights[j] = values[j * rows + row];
    const [least, most] = range(weights, 0, count, rule), reach = Math.max(-least, most);
    let best = uniformQuantizer(least, most, rule), bestError = Infinity;
    const errors = new Float64Array(count);
    for (const share of shares) {
      const limit = Math.fround(share * reach);
      const candidate = uniformQuantizer(Math.max(least, -limit), Math.min(most, limit), rule);
      let error = 0;
      // A sum that is no longer the least need not be finished.
      for (let k = 0; k < count && error < bestError; k++) {
        errors[k] = Math.fround(decode(encode(weights[k], candidate), candidate) - weights[k]);
        const column = block[k];
        let sum = 0;
        for (let i = 0; i <= k; i++) sum += errors[i] * column[i];
        error += sum * sum;
      }
      if (error < bestError) [best, bestError] = [candidate, error];
    }
    return best;
  });
}
