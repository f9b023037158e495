/** Attention with linear biases (Press et al., 2022): scores fall with distance, by another slope in each head. */
import { log2, pow } from "../../base/elementary.ts";

/**
 * Slopes of `heads` heads times `scale`: for a power of two `2^(-8 (i + 1) / heads)`; otherwise those of the next smaller
 * power, then every other one of the next larger power (section 3 of the paper, footnote, and the authors' code).
 */
export function alibiSlopes(heads: number, scale: number): Float32Array {
  const power = 2 ** Math.floor(log2(heads));
  return Float32Array.from({ length: heads }, (_, i) => {
    const exponent = i < power ? 8 * (i + 1) / power : 8 * (2 * (i - power) + 1) / (2 * power);
    return scale * pow(2, -exponent);
  });
}
