/** Attention on the GPU: fused where a head fits into a workgroup, else in its two materialised halves. */

import type { AttentionShape, Device, DeviceBuffer } from "../device.ts";
import { DeviceError } from "../error.ts";
import { kernels } from "./kernels.ts";
import type { Recorder } from "./recorder.ts";
import { GpuBuffer, type Memory } from "./storage.ts";
import type { Views } from "./views.ts";

/** Most dimensions of a head that the fused kernel holds. */
const fusedDims = 256;

function parametersOf(shape: AttentionShape) {
  const { tokens, kvTokens, heads, kvHeads, headDim, scale, window, softcap, slopes } = shape;
  return {
    tokens,
    kv_tokens: kvTokens,
    heads,
    kv_heads: kvHeads,
    head_dim: headDim,
    window: Math.min(window ?? kvTokens, kvTokens),
    has_softcap: Number(softcap !== undefined),
    has_slopes: Number(slopes !== undefined),
    first_head: 0,
    some_heads: heads,
    first_weight: 0,
    packed_keys: 0,
    packed_values: 0,
    scale,
    softcap: softcap ?? 1,
  };
}

/** The parts of keys and values that hold tokens: a cache may be longer. */
function keysOf({ kvTokens, kvHeads, headDim }: AttentionShape): number {
  return kvTokens * kvHeads * headDim;
}

/** Softmax attention. */
export function runAttention(
  recorder: Recorder,
  views: Views,
  memory: Memory,
  { q, k, v, y }: Record<"q" | "k" | "v" | "y", DeviceBuffer>,
  shape: AttentionShape,
): void {
  const op = "attention", { tokens, kvTokens, heads, headDim, slopes } = shape;
  if (tokens === 0) return;
  if (headDim > fusedDims) {
    using p = new GpuBuffer(memory, op, heads * tokens * kvTokens);
    runProbabilities(recorder, views, { q, k, p }, shape);
    return runValues(recorder, views, { p, v, y }, shape);
  }
  const query = views.whole(op, "q", q);
  recorder.dispatch(
    kernels.attention,
    {
      q: query,
      k: views.part(op, "k", k, 0, keysOf(shape)),
      v: views.part(op, "v", v, 0, keysOf(shape)),
      slopes: slopes ? views.whole(op, "slopes", slopes) : query,
      y: views.whole(op, "y", y),
    },
    parametersOf(shape),
    tokens * heads,
  );
}

/** Attention of one query over packed tokens. */
export function runPackedAttention(
  recorder: Recorder,
  views: Views,
  ...[q, keys, values, y, shape]: Parameters<Device["packedAttention"]>
): void {
  const op = "packedAttention";
  if (shape.headDim > fusedDims) {
    throw new DeviceError("shape", `${op}: headDim is ${shape.headDim}: expected at most ${fusedDims}`);
  }
  recorder.dispatch(
    kernels.packedAttention,
    {
      q: views.whole(op, "q", q),
      y: views.whole(op, "y", y),
      key_words: views.whole(op, "keys.words", keys.words),
      key_ranges: views.whole(op, "keys.ranges", keys.ranges),
      recent_keys: views.whole(op, "keys.recent", keys.recent),
      value_words: views.whole(op, "values.words", values.words),
      value_ranges: views.whole(op, "values.ranges", values.ranges),
      recent_values: views.whole(op, "values.recent", values.recent),
    },
    { ...parametersOf(shape), packed_keys: keys.quantized, packed_values: values.quantized },
    shape.heads,
    {
      key_bits: keys.bits,
      key_group: keys.groupSize,
      key_by_token: Number(keys.axis === "token"),
      key_rows: keys.recentTokens,
      value_bits: values.bits,
      value_group: values.groupSize,
      value_by_token: Number(values.axis === "token"),
      value_rows: values.recentTokens,
    },
  );
}

/** The heads whose probabilities can be bound at once. */
function* headWindows(views: Views, { heads, tokens, kvTokens }: AttentionShape) {
  const perHead = tokens * kvTokens;
  const step = Math.max(1, Math.floor(views.bindingBytes / (4 * perHead + 256)));
  for (let first = 0; first < heads; first += step) {
    const count = Math.min(step, heads - first);
    yield { first, count, start: first * perHead, length: count * perHead };
  }
}

/** Materialised probabilities. */
export function runProbabilities(
  recorder: Recorder,
  views: Views,
  { q, k, p }: Record<"q" | "k" | "p", DeviceBuffer>,
  shape: AttentionShape,
): void {
  const op = "attentionProbabilities", { tokens, slopes } = shape;
  if (tokens === 0) return;
  const query = views.whole(op, "q", q);
  for (const { first, count, start, length } of headWindows(views, shape)) {
    const weights = views.unaligned(op, "p", p, start, length);
    recorder.dispatch(
      kernels.attentionProbabilities,
      {
        q: query,
        k: views.part(op, "k", k, 0, keysOf(shape)),
        slopes: slopes ? views.whole(op, "slopes", slopes) : query,
        p: weights,
      },
      { ...parametersOf(shape), first_head: first, some_heads: count, first_weight: weights.skip },
      count * tokens,
    );
  }
}

/** Values weighted by materialised probabilities. */
export function runValues(
  recorder: Recorder,
  views: Views,
  { p, v, y }: Record<"p" | "v" | "y", DeviceBuffer>,
  shape: AttentionShape,
): void {
  const op = "attentionValues", { tokens, headDim } = shape;
  if (tokens === 0) return;
  const output = views.whole(op, "y", y);
  for (const { first, count, start, length } of headWindows(views, shape)) {
    const weights = views.unaligned(op, "p", p, start, length);
    recorder.dispatch(
      kernels.attentionValues,
      { p: weights, v: views.part(op, "v", v, 0, keysOf(shape)), y: output },
      {
        ...parametersOf({ ...shape, slopes: undefined }),
        first_head: first,
        some_heads: count,
        first_weight: weights.skip,
      },
      Math.ceil(count * tokens * headDim / 256),
    );
  }
}
