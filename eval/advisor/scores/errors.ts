/** Errors of one weight alone: against its own size, and as its inputs weigh them. */
import { subtractProduct } from "../../../kernels/cpu/float64.ts";
import { linearKey } from "../../../model/decoder/parameters.ts";
import type { Model } from "../../../model/model.ts";
import { quantizeLayerwise } from "../../../quant/calibration/layerwise.ts";
import type { TokenWindows } from "../../windows.ts";

/** Sums over the entries of one weight, or of several. */
export interface Errors {
  /** `sum W^2`. */
  readonly signal: number;
  /** `sum (W - W')^2`. */
  readonly noise: number;
  /** `tr((W - W') X^T X (W - W')^T)` per token. */
  readonly hessian: number;
}

/** Of nothing. */
export const noErrors: Errors = { signal: 0, noise: 0, hessian: 0 };

/** Sums of both. */
export const added = (a: Errors, b: Errors): Errors => ({
  signal: a.signal + b.signal,
  noise: a.noise + b.noise,
  hessian: a.hessian + b.hessian,
});

/**
 * Errors of every linear layer by `linearKey(layer, role)`, experts together; one layer's statistics are in memory at a time.
 *
 * @param calibration no windows leave `hessian` 0
 */
export async function layerErrors(
  float: Model,
  quantized: Model,
  calibration: TokenWindows,
): Promise<Map<string, Errors>> {
  const errors = new Map<string, Errors>();
  // The float model runs on: what stands in the place of a layer is that layer.
  await quantizeLayerwise(float, calibration, {
    needed: () => calibration.length > 0,
    sequential: () => false,
    async quantize(layer, { role, expert }, input) {
      const original = float.linear(layer, role, expert), key = linearKey(layer, role);
      const after = quantized.linear(layer, role, expert);
      if (after !== original) {
        const [rows, columns] = original.shape;
        const { difference, ...sums } = differenceOf(await original.values(), await after.values());
        const hessian = input === null ? 0 : weighted(difference, input.gram, rows, columns) / input.tokens;
        errors.set(key, added(errors.get(key) ?? noErrors, { ...sums, hessian }));
      }
      return original;
    },
  });
  return errors;
}

/** `W - W'` and its sums, in float64. */
export function differenceOf(
  before: Float32Array,
  after: Float32Array,
): { difference: Float64Array; signal: number; noise: number } {
  const difference = new Float64Array(before.length);
  let signal = 0, noise = 0;
  for (let i = 0; i < before.length; i++) {
    difference[i] = before[i] - after[i];
    signal += before[i] ** 2;
    noise += difference[i] ** 2;
  }
  return { difference, signal, noise };
}

/** `tr(D G D^T)` of `D` `[rows, columns]` and `G` `[columns, columns]`, in float64 in an order that the shapes alone decide. */
export function weighted(
  difference: Float64Array,
  gram: Float64Array,
  rows: number,
  columns: number,
): number {
  const product = new Float64Array(difference.length);
  const block = (data: Float64Array) => ({ data, start: 0, stride: columns });
  subtractProduct(block(product), block(difference), block(gram), rows, columns, columns);
  let sum = 0;
  for (let i = 0; i < product.length; i++) sum -= product[i] * difference[i];
  return sum;
}
