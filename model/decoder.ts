/**
 * The one decoder: embedding, layers of attention and feed-forward blocks with residual connections, final norm,
 * output projection. Everything that differs between families is data in {@linkcode Architecture}.
 */
import type { AttentionShape, Device, DeviceBuffer } from "../kernels/device.ts";
import { type Architecture, type LinearRole, siteOfRole } from "./architecture.ts";
import type { KeyValueCache } from "./cache.ts";
import type { Intervention } from "./intervention.ts";
import type { Linear } from "./parameter.ts";

/** A norm's weight and bias on the device. */
export interface LoadedNorm {
  /** The weight, on the device. */
  readonly weight: DeviceBuffer;
  /** The bias, on the device, if there is one. */
  readonly bias: DeviceBuffer | null;
}

/** The parameters of one decoder layer on the device. */
export interface LoadedLayer {
  /** Index of the layer. */
  readonly index: number;
  /** The norm before attention. */
  readonly attentionNorm: LoadedNorm;
  /** The norm before the feed-forward block. */
  readonly mlpNorm: LoadedNorm;
  /** The linear layers. */
  readonly linears: Readonly<Partial<Record<LinearRole, Linear>>>;
}

/** What a forward pass runs with. */
export interface PassContext {
  /** The device that runs the layers. */
  readonly device: Device;
  /** Layers, norms and sites of the model. */
  readonly architecture: Architecture;
  /** Cosines and sines, for rotary models. */
  readonly rotary: DeviceBuffer | null;
  /** Quantizers and observers, in the order they act. */
  readonly interventions: readonly Intervention[];
  /** The cache that attention goes through, if any. */
  readonly cache: KeyValueCache | null;
}

/** Normalizes rows of `x` into `y`. */
export function normalize(
  { device, architecture }: PassContext,
  norm: LoadedNorm,
  x: DeviceBuffer,
  y: DeviceBuffer,
  rows: number,
): void {
  const { kind, eps } = architecture.norm;
  if (kind === "rms") device.rmsNorm(x, norm.weight, y, rows, eps);
  else device.layerNorm(x, norm.weight, norm.bias, y, rows, eps);
}

/** Runs one decoder layer on the hidden states `x` `[tokens, hidden]`, in place. */
export async function runLayer(
  context: PassContext,
  layer: LoadedLayer,
  x: DeviceBuffer,
  tokens: number,
): Promise<void> {
  const { device, architecture } = context;
  const { hiddenSize, heads, kvHeads, headDim, intermediateSize } = architecture;
  using scratch = new Scratch(device);
  const normed = scratch.take(tokens * hiddenSize);
  const attended = scratch.take(tokens * heads * headDim);
  const added = scratch.take(tokens * hiddenSize);

  normalize(context, layer.attentionNorm, x, normed, tokens);
  const query = scratch.take(tokens * heads * headDim);
  const key = scratch.take(tokens * kvHeads * headDim);
  const value = scratch.take(tokens * kvHeads * headDim);
  await project(context, layer, ["q", "k", "v"], normed, [query, key, value], tokens);
  await attend(context, layer.index, query, key, value, attended, tokens);
  await project(context, layer, ["o"], attended, [added], tokens);
  device.add(x, added);

  normalize(context, layer.mlpNorm, x, normed, tokens);
  const up = scratch.take(tokens * intermediateSize);
  if (layer.linears.gate) {
    const gate = scratch.take(tokens * intermediateSize);
    await project(context, layer, ["gate", "up"], normed, [gate, up], tokens);
    device.activate(architecture.activation, gate);
    device.multiply(up, gate);
  } else {
    await project(context, layer, ["up"], normed, [up], tokens);
    device.activate(architecture.activation, up);
  }
  await project(context, layer, ["down"], up, [added], tokens);
  device.add(x, added);
}

/** Runs linear layers that read the same input, after the interventions on that input. */
async function project(
  { interventions, architecture }: PassContext,
  layer: LoadedLayer,
  roles: readonly LinearRole[],
  x: DeviceBuffer,
  outputs: readonly DeviceBuffer[],
  rows: number,
): Promise<void> {
  const site = siteOfRole(roles[0]);
  const { hiddenSize, heads, headDim, intermediateSize } = architecture;
  const columns =
    { attention: hiddenSize, output: heads * headDim, mlp: hiddenSize, down: intermediateSize }[site];
  for (const one of interventions) await one.input?.(x, { layer: layer.index, site, rows, columns });
  for (const [i, role] of roles.entries()) await layer.linears[role]?.run(x, outputs[i], rows);
}

/** Attention of new tokens, from their projections to the input of the output projection. */
export async function attend(
  context: PassContext,
  layer: number,
  query: DeviceBuffer,
  key: DeviceBuffer,
  value: DeviceBuffer,
  output: DeviceBuffer,
  tokens: number,
): Promise<void> {
  const { device, architecture, interventions, cache, rotary } = context;
  const { heads, kvHeads, headDim, positions } = architecture;
  const position = cache?.length ?? 0;
  for (const one of interventions) {
    await one.keyBeforeRotary?.(key, { layer, tokens, heads: kvHeads, headDim });
  }
  await cache?.keyBeforeRotary?.(key, { layer, tokens, heads: kvHeads, headDim });
  if (positions.kind === "rotary" && rotary !== null) {
    const { rotaryDim, layout } = positions;
    device.rotary(query, rotary, { tokens, heads, headDim, rotaryDim, position, layout });
    device.rotary(key, rotary, { tokens, heads: kvHeads, headDim, rotaryDim, position, layout });
  }
  const shape: AttentionShape = {
    tokens,
    kvTokens: tokens,
    heads,
    kvHeads,
    headDim,
    scale: 1 / Math.sqrt(headDim),
  };
  const call = {
    layer,
    query,
    key,
    value,
    output,
    shape,
    attend: (q: DeviceBuffer, k: DeviceBuffer, v: DeviceBuffer, y: DeviceBuffer, whole: AttentionShape) =>
      quantizedAttention(device, interventions, layer, q, k, v, y, whole),
  };
  await (cache === null ? call.attend(query, key, value, output, shape) : cache.attend(call));
}

/** Attention whose operands pass through the interventions; without any, the device's fused attention. */
async function quantizedAttention(
  device: Device,
  interventions: readonly Intervention[],
  layer: number,
  query: DeviceBuffer,
  key: DeviceBuffer,
  value: DeviceBuffer,
  output: DeviceBuffer,
  shape: AttentionShape,
): Promise<void> {
  const { tokens, kvTokens, heads, kvHeads, headDim } = shape;
  using scratch = new Scratch(device);
  // Keys and values may belong to a cache: what an intervention rewrites is a copy.
  const rewrite = async (
    name: "query" | "key" | "value",
    x: DeviceBuffer,
    rows: number,
    operandHeads: number,
  ) => {
    if (!interventions.some((one) => one[name])) return x;
    const copy = scratch.take(rows * operandHeads * headDim);
    device.copy(x, 0, copy, 0, copy.length);
    for (const one of interventions) {
      await one[name]?.(copy, { layer, tokens: rows, heads: operandHeads, headDim });
    }
    return copy;
  };
  const q = await rewrite("query", query, tokens, heads);
  const k = await rewrite("key", key, kvTokens, kvHeads);
  const v = await rewrite("value", value, kvTokens, kvHeads);
  if (!interventions.some((one) => one.scores)) return device.attention(q, k, v, output, shape);
  const probabilities = scratch.take(heads * tokens * kvTokens);
  device.attentionProbabilities(q, k, probabilities, shape);
  for (const one of interventions) await one.scores?.(probabilities, { layer, heads, tokens, kvTokens });
  device.attentionValues(probabilities, v, output, shape);
}

/** Buffers that are released together. */
export class Scratch implements Disposable {
  readonly #buffers: DeviceBuffer[] = [];
  constructor(private readonly device: Device) {}

  /** A new buffer that lives as long as this scratch space. */
  take(length: number): DeviceBuffer {
    const buffer = this.device.allocate(length);
    this.#buffers.push(buffer);
    return buffer;
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#buffers.reverse()) buffer[Symbol.dispose]();
  }
}
