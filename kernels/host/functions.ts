/** Functions that define an operation: activations, rotation, which keys a query sees. */
import { exp, log1p } from "../../base/elementary.ts";
import type { Activation, AttentionShape, RotaryShape } from "../device.ts";

/** Rotates pairs of dimensions by an angle that grows with the position; `table` holds cosines, then sines. */
export function rotary(x: Float32Array, table: Float32Array, shape: RotaryShape): void {
  const { tokens, heads, headDim, rotaryDim, position, layout } = shape;
  const half = rotaryDim / 2;
  for (let token = 0; token < tokens; token++) {
    const angles = (position + token) * rotaryDim;
    for (let head = 0; head < heads; head++) {
      const start = (token * heads + head) * headDim;
      for (let i = 0; i < half; i++) {
        const first = start + (layout === "half" ? i : 2 * i);
        const second = start + (layout === "half" ? i + half : 2 * i + 1);
        const cosine = table[angles + i], sine = table[angles + half + i];
        const a = x[first], b = x[second];
        x[first] = a * cosine - b * sine;
        x[second] = b * cosine + a * sine;
      }
    }
  }
}

/** The activation functions in float64. */
export const activations: Record<Activation, (x: number) => number> = {
  relu: (x) => Math.max(x, 0),
  silu: (x) => x / (1 + exp(-x)),
  gelu: (x) => x * 0.5 * erfc(-x * Math.SQRT1_2),
  softplus: (x) => Math.max(x, 0) + log1p(exp(-Math.abs(x))),
  // 0.5 (1 + tanh u) = 1 / (1 + exp(-2u)), the right-hand side without cancellation where u is very negative.
  geluTanh: (x) => x / (1 + exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
};

/**
 * The complementary error function in float64: the series of erf below 2, the continued fraction of erfc above,
 * both summed far enough for a relative error under 1e-13.
 */
export function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x);
  if (!(x < 27)) return x > 0 ? 0 : x;
  if (x < 2) {
    // erf(x) = 2/sqrt(pi) exp(-x^2) sum_n 2^n x^(2n+1) / (1 * 3 * ... * (2n+1)): all terms positive.
    let term = x, sum = x;
    for (let n = 1; n < 60; n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
    }
    return 1 - 2 / Math.sqrt(Math.PI) * exp(-x * x) * sum;
  }
  let fraction = x;
  for (let n = 120; n >= 1; n--) fraction = x + n / 2 / fraction;
  return exp(-x * x) / Math.sqrt(Math.PI) / fraction;
}

/** First and one past the last key position that query `token` sees. */
export function visibleKeys(token: number, { tokens, kvTokens, window }: AttentionShape): [number, number] {
  const position = kvTokens - tokens + token;
  return [window === undefined ? 0 : Math.max(0, position - window + 1), position + 1];
}
