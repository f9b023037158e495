/** Matrix products in three plain loops with float64 sums: what every faster product is measured against. */

import type { GemmShape } from "../device.ts";

/** `y = x W^T + bias` with `weight` `[outFeatures, inFeatures]`. */
export function linear(
  x: Float32Array,
  weight: Float32Array,
  bias: Float32Array | null,
  y: Float32Array,
  shape: { rows: number; outFeatures: number; inFeatures: number },
): void {
  const { rows, outFeatures, inFeatures } = shape;
  for (let row = 0; row < rows; row++) {
    for (let out = 0; out < outFeatures; out++) {
      let sum = 0;
      for (let k = 0; k < inFeatures; k++) sum += x[row * inFeatures + k] * weight[out * inFeatures + k];
      y[row * outFeatures + out] = sum + (bias ? bias[out] : 0);
    }
  }
}

/** `c = alpha * op(a) * op(b) + beta * c`; with `beta` 0 the old content of `c` is ignored, NaN included. */
export function gemm(a: Float32Array, b: Float32Array, c: Float32Array, shape: GemmShape): void {
  const { m, n, k, transposeA = false, transposeB = false, alpha = 1, beta = 0 } = shape;
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) {
        sum += a[transposeA ? l * m + i : i * k + l] * b[transposeB ? j * k + l : l * n + j];
      }
      c[i * n + j] = alpha * sum + (beta === 0 ? 0 : beta * c[i * n + j]);
    }
  }
}

/** `acc += x^T x` for `x` `[rows, columns]` and `acc` `[columns, columns]`. */
export function gram(x: Float32Array, acc: Float64Array, rows: number, columns: number): void {
  for (let j = 0; j < columns; j++) {
    for (let k = 0; k < columns; k++) {
      let sum = 0;
      for (let row = 0; row < rows; row++) sum += x[row * columns + j] * x[row * columns + k];
      acc[j * columns + k] += sum;
    }
  }
}

/** `-sum_{i < first} errors[i, r] factor[i, first + j]` `[count, rows]`. */
export function errorPull(
  factor: Float64Array,
  errors: Float64Array,
  { rows, first, count }: Record<"rows" | "first" | "count", number>,
): Float64Array {
  const columns = errors.length / rows, pull = new Float64Array(count * rows);
  for (let j = 0; j < count; j++) {
    for (let r = 0; r < rows; r++) {
      for (let i = 0; i < first; i++) {
        pull[j * rows + r] -= errors[i * rows + r] * factor[i * columns + first + j];
      }
    }
  }
  return pull;
}

/** Integer sums `[rows, outFeatures]` of `x` `[rows, columns]` and `weight` `[outFeatures, columns]`. */
export function int8Product(x: Int8Array, weight: Int8Array, rows: number, columns: number): Int32Array {
  const out = weight.length / columns, sums = new Int32Array(rows * out);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < out; j++) {
      for (let l = 0; l < columns; l++) sums[i * out + j] += x[i * columns + l] * weight[j * columns + l];
    }
  }
  return sums;
}
