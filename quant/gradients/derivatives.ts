/** Derivatives of what a decoder layer computes row by row: norms, activations, softmax. Float64 sums, float32 results. */
import { exp } from "../../base/elementary.ts";
import type { Activation } from "../../kernels/device.ts";
import { activations, erfc } from "../../kernels/host/functions.ts";

/** A norm's parameters on the host. */
export interface HostNorm {
  readonly kind: "rms" | "layer";
  readonly eps: number;
  readonly weight: Float32Array;
  readonly bias: Float32Array | null;
}

/** Gradients of a norm: with respect to its input `[rows, columns]`, its weight and its bias. */
export interface NormGradient {
  readonly input: Float32Array;
  readonly weight: Float32Array;
  readonly bias: Float32Array | null;
}

/** Mean (0 for RMS norms) and inverse deviation of a row. */
function moments({ kind, eps }: HostNorm, x: Float32Array, start: number, columns: number): [number, number] {
  let mean = 0;
  if (kind === "layer") {
    for (let j = 0; j < columns; j++) mean += x[start + j];
    mean /= columns;
  }
  let squares = 0;
  for (let j = 0; j < columns; j++) squares += (x[start + j] - mean) ** 2;
  return [mean, 1 / Math.sqrt(squares / columns + eps)];
}

/** Normalizes each row of `x` `[rows, columns]`. */
export function normForward(norm: HostNorm, x: Float32Array): Float32Array {
  const { weight, bias } = norm;
  const columns = weight.length, y = new Float32Array(x.length);
  for (let start = 0; start < x.length; start += columns) {
    const [mean, inverse] = moments(norm, x, start, columns);
    for (let j = 0; j < columns; j++) {
      y[start + j] = (x[start + j] - mean) * inverse * weight[j] + (bias === null ? 0 : bias[j]);
    }
  }
  return y;
}

/**
 * With `z = (x - mean) / deviation` and `g = dy * weight`: `dx = (g - mean(g) - z mean(g z)) / deviation`, without
 * `mean(g)` for RMS norms.
 */
export function normBackward(norm: HostNorm, x: Float32Array, dy: Float32Array): NormGradient {
  const { kind, weight } = norm;
  const columns = weight.length;
  const input = new Float32Array(x.length);
  const forWeight = new Float64Array(columns), forBias = new Float64Array(columns);
  for (let start = 0; start < x.length; start += columns) {
    const [mean, inverse] = moments(norm, x, start, columns);
    let sum = 0, along = 0;
    for (let j = 0; j < columns; j++) {
      const z = (x[start + j] - mean) * inverse, d = dy[start + j];
      sum += d * weight[j];
      along += d * weight[j] * z;
      forWeight[j] += d * z;
      forBias[j] += d;
    }
    sum = kind === "layer" ? sum / columns : 0;
    along /= columns;
    for (let j = 0; j < columns; j++) {
      const z = (x[start + j] - mean) * inverse;
      input[start + j] = (dy[start + j] * weight[j] - sum - z * along) * inverse;
    }
  }
  const bias = norm.bias === null ? null : Float32Array.from(forBias);
  return { input, weight: Float32Array.from(forWeight), bias };
}

const rootTwoOverPi = Math.sqrt(2 / Math.PI);

/** `f'` of the activation functions. */
export const slopes: Readonly<Record<Activation, (x: number) => number>> = {
  relu: (x) => x > 0 ? 1 : 0,
  silu: (x) => {
    const sigmoid = 1 / (1 + exp(-x));
    return sigmoid * (1 + x * (1 - sigmoid));
  },
  gelu: (x) => 0.5 * erfc(-x * Math.SQRT1_2) + x * exp(-x * x / 2) / Math.sqrt(2 * Math.PI),
  softplus: (x) => 1 / (1 + exp(-x)),
  geluTanh: (x) => {
    const share = 1 / (1 + exp(-2 * rootTwoOverPi * (x + 0.044715 * x * x * x)));
    return share + x * share * (1 - share) * 2 * rootTwoOverPi * (1 + 3 * 0.044715 * x * x);
  },
};

/** `f(x)` for each element. */
export function activate(kind: Activation, x: Float32Array): Float32Array {
  const f = activations[kind], y = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) y[i] = f(x[i]);
  return y;
}

/** Softmax of each row of `columns`, in place; row `i` sees its first `visible(i)` columns, the others become 0. */
export function softmaxRows(x: Float32Array, columns: number, visible: (row: number) => number): void {
  for (let row = 0, start = 0; start < x.length; row++, start += columns) {
    const count = visible(row);
    let most = -Infinity, sum = 0;
    for (let j = 0; j < count; j++) most = Math.max(most, x[start + j]);
    for (let j = 0; j < count; j++) sum += x[start + j] = exp(x[start + j] - most);
    for (let j = 0; j < count; j++) x[start + j] /= sum;
    x.fill(0, start + count, start + columns);
  }
}

/** Gradient with respect to the scores of probabilities `p`, given that of `p`: `ds = p (dp - sum(dp p))`, into `dp`. */
export function softmaxBackward(p: Float32Array, dp: Float32Array, columns: number): void {
  for (let start = 0; start < p.length; start += columns) {
    let sum = 0;
    for (let j = start; j < start + columns; j++) sum += dp[j] * p[j];
    for (let j = start; j < start + columns; j++) dp[j] = p[j] * (dp[j] - sum);
  }
}
