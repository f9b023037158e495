/**
 * Attention of one window and its derivative, one matrix product per key-value head: the query heads that share keys
 * are stacked, so that their gradients with respect to keys and values add up in the product.
 */
import type { Device, GemmShape } from "../../kernels/device.ts";
import { softmaxBackward, softmaxRows } from "./derivatives.ts";

/** Shape of attention over whole windows. */
export interface WindowAttention {
  readonly tokens: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Whether a token sees only itself and what precedes it. */
  readonly causal: boolean;
}

/** Gradients `[tokens, heads * headDim]`. */
export interface AttentionGradient {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** What the backward pass needs of the forward pass. */
export interface AttentionTape {
  /** `[tokens, heads * headDim]` */
  readonly output: Float32Array;
  /** For each key-value head `[heads / kvHeads * tokens, tokens]`. */
  readonly probabilities: readonly Float32Array[];
}

/** `op(a) op(b)` on a device, from and to the host. */
export async function product(
  device: Device,
  a: Float32Array,
  b: Float32Array,
  shape: GemmShape,
): Promise<Float32Array> {
  using left = device.upload(a);
  using right = device.upload(b);
  using result = device.allocate(shape.m * shape.n);
  device.gemm(left, right, result, shape);
  return await device.read(result);
}

/** Columns of heads `[first, first + count)` of `x` `[tokens, heads * dim]` as `[count * tokens, dim]`. */
function takeHeads(x: Float32Array, tokens: number, dim: number, first: number, count: number): Float32Array {
  const width = x.length / tokens, heads = new Float32Array(count * tokens * dim);
  for (let h = 0, to = 0; h < count; h++) {
    for (let t = 0; t < tokens; t++, to += dim) {
      const from = t * width + (first + h) * dim;
      for (let d = 0; d < dim; d++) heads[to + d] = x[from + d];
    }
  }
  return heads;
}

/** The inverse of {@linkcode takeHeads}. */
function putHeads(heads: Float32Array, x: Float32Array, tokens: number, dim: number, first: number): void {
  const width = x.length / tokens, count = heads.length / tokens / dim;
  for (let h = 0, from = 0; h < count; h++) {
    for (let t = 0; t < tokens; t++, from += dim) {
      const to = t * width + (first + h) * dim;
      for (let d = 0; d < dim; d++) x[to + d] = heads[from + d];
    }
  }
}

/** Softmax attention of rotated queries `[tokens, heads * headDim]`, keys and values `[tokens, kvHeads * headDim]`. */
export async function attentionForward(
  device: Device,
  query: Float32Array,
  key: Float32Array,
  value: Float32Array,
  { tokens, heads, kvHeads, headDim, causal }: WindowAttention,
): Promise<AttentionTape> {
  const group = heads / kvHeads, rows = group * tokens;
  const output = new Float32Array(query.length), probabilities: Float32Array[] = [];
  for (let head = 0; head < kvHeads; head++) {
    const q = takeHeads(query, tokens, headDim, head * group, group);
    const k = takeHeads(key, tokens, headDim, head, 1), v = takeHeads(value, tokens, headDim, head, 1);
    const alpha = 1 / Math.sqrt(headDim);
    const p = await product(device, q, k, { m: rows, n: tokens, k: headDim, transposeB: true, alpha });
    softmaxRows(p, tokens, (row) => causal ? row % tokens + 1 : tokens);
    putHeads(
      await product(device, p, v, { m: rows, n: headDim, k: tokens }),
      output,
      tokens,
      headDim,
      head * group,
    );
    probabilities.push(p);
  }
  return { output, probabilities };
}

/** Attention probabilities of a window, the mean of all heads `[tokens, tokens]`. */
export function meanMap({ probabilities }: AttentionTape, { tokens, heads }: WindowAttention): Float32Array {
  const sum = new Float64Array(tokens * tokens);
  for (const p of probabilities) for (let i = 0; i < p.length; i++) sum[i % sum.length] += p[i];
  return Float32Array.from(sum, (value) => value / heads);
}

/** Gradients of {@linkcode attentionForward}, given that of its output, and of the mean of its heads' probabilities where a loss has that. */
export async function attentionBackward(
  device: Device,
  query: Float32Array,
  key: Float32Array,
  value: Float32Array,
  tape: AttentionTape,
  dOutput: Float32Array,
  { tokens, heads, kvHeads, headDim }: WindowAttention,
  dMap?: Float32Array,
): Promise<AttentionGradient> {
  const group = heads / kvHeads, rows = group * tokens;
  const gradient = {
    query: new Float32Array(query.length),
    key: new Float32Array(key.length),
    value: new Float32Array(value.length),
  };
  for (const [head, p] of tape.probabilities.entries()) {
    const q = takeHeads(query, tokens, headDim, head * group, group);
    const k = takeHeads(key, tokens, headDim, head, 1), v = takeHeads(value, tokens, headDim, head, 1);
    const dOut = takeHeads(dOutput, tokens, headDim, head * group, group);
    const dv = await product(device, p, dOut, { m: tokens, n: headDim, k: rows, transposeA: true });
    const ds = await product(device, dOut, v, { m: rows, n: tokens, k: headDim, transposeB: true });
    if (dMap !== undefined) { for (let i = 0; i < ds.length; i++) ds[i] += dMap[i % dMap.length] / heads; }
    softmaxBackward(p, ds, tokens);
    const alpha = 1 / Math.sqrt(headDim);
    const dq = await product(device, ds, k, { m: rows, n: headDim, k: tokens, alpha });
    const dk = await product(device, ds, q, { m: tokens, n: headDim, k: rows, transposeA: true, alpha });
    putHeads(dq, gradient.query, tokens, headDim, head * group);
    putHeads(dk, gradient.key, tokens, headDim, head);
    putHeads(dv, gradient.value, tokens, headDim, head);
  }
  return gradient;
}
