/**
 * The one decoder: embedding, layers of attention and feed-forward blocks with residual connections, final norm,
 * output projection. Everything that differs between families is data in {@linkcode Architecture}.
 */
import type { AttentionShape, Device, DeviceBuffer, RotaryShape } from "../kernels/device.ts";
import type { Architecture, InputSite } from "./architecture.ts";
import type { Intervention } from "./decoder/intervention.ts";
import { Scratch } from "./decoder/scratch.ts";
import { mixExperts } from "./decoder/experts.ts";
import type { LoadedLayer, LoadedNorm, PassContext } from "./decoder/context.ts";
import { normalize } from "./decoder/norm.ts";
import { runLinears } from "./decoder/linears.ts";
import { rotateHeads } from "./decoder/rotation.ts";
import { runStateSpace } from "./decoder/state_space.ts";

/** What a block reads, into `y`: the normalized hidden states, or a copy where the norm acts elsewhere. */
export function blockInput(
  context: PassContext,
  norm: LoadedNorm,
  x: DeviceBuffer,
  y: DeviceBuffer,
  rows: number,
): void {
  if (context.architecture.normPlace === undefined) return normalize(context, norm, x, y, rows);
  context.device.copy(x, 0, y, 0, x.length);
}

/** Adds what a block computed to the hidden states `x`; `added` is used up. */
export function addToResidual(
  context: PassContext,
  layer: LoadedLayer,
  block: "attention" | "mlp",
  x: DeviceBuffer,
  added: DeviceBuffer,
  rows: number,
): void {
  const { device, architecture: { normPlace, residualScale } } = context;
  using scratch = new Scratch(device);
  const norm = block === "attention" ? layer.attentionNorm : layer.mlpNorm;
  const renormalize = (one: LoadedNorm, values: DeviceBuffer) => {
    const copy = scratch.take(values.length);
    device.copy(values, 0, copy, 0, values.length);
    normalize(context, one, copy, values, rows);
  };
  if (normPlace === "output") renormalize(norm, added);
  if (layer.outputNorms) renormalize(layer.outputNorms[block], added);
  if (residualScale !== undefined) device.multiply(added, scratch.constant(residualScale));
  device.add(x, added);
  if (normPlace === "sum") renormalize(norm, x);
}

/** A part of the way through a decoder layer; the middle lies between the attention block and the feed-forward block. */
export interface Stretch {
  /** Where `x` stands: in the middle, where the blocks follow one another, or before the layer when absent. */
  readonly from?: "middle";
  /**
   * Where it may end: in the middle, or once interventions have seen this input, which leaves `x` to be thrown away; behind the layer
   * when absent.
   */
  readonly to?: "middle" | InputSite;
}

/** Runs one decoder layer, or a stretch of it, on the hidden states `x` `[tokens, hidden]`, in place. */
export async function runLayer(
  context: PassContext,
  layer: LoadedLayer,
  x: DeviceBuffer,
  tokens: number,
  { from, to }: Stretch = {},
): Promise<void> {
  const { device, architecture } = context;
  if (architecture.stateSpace) return await runStateSpace(context, architecture.stateSpace, layer, x, tokens);
  const { hiddenSize, heads, kvHeads, headDim } = architecture;
  using scratch = new Scratch(device);
  const normed = scratch.take(tokens * hiddenSize);
  const added = scratch.take(tokens * hiddenSize);

  if (from === undefined) {
    const attended = scratch.take(tokens * heads * headDim);
    blockInput(context, layer.attentionNorm, x, normed, tokens);
    const query = scratch.take(tokens * heads * headDim);
    const key = scratch.take(tokens * kvHeads * headDim);
    const value = scratch.take(tokens * kvHeads * headDim);
    await runLinears(context, layer, ["q", "k", "v"], normed, [query, key, value], tokens);
    if (to === "attention") return;
    await attend(context, layer, query, key, value, attended, tokens);
    await runLinears(context, layer, ["o"], attended, [added], tokens);
    if (to === "output") return;
    if (!architecture.parallel) addToResidual(context, layer, "attention", x, added, tokens);
    if (to === "middle") return;
  }

  blockInput(context, layer.mlpNorm, x, normed, tokens);
  const fed = architecture.parallel ? scratch.take(tokens * hiddenSize) : added;
  if (layer.experts) await mixExperts(context, layer.index, layer.experts, normed, fed, tokens);
  else await feedForward(context, layer, normed, fed, tokens, to);
  if (to !== undefined) return;
  if (architecture.parallel) addToResidual(context, layer, "attention", x, added, tokens);
  addToResidual(context, layer, "mlp", x, fed, tokens);
}

/** The feed-forward block: from its input to what it adds. */
async function feedForward(
  context: PassContext,
  layer: LoadedLayer,
  normed: DeviceBuffer,
  added: DeviceBuffer,
  tokens: number,
  to: Stretch["to"],
): Promise<void> {
  const { device, architecture: { intermediateSize, activation } } = context;
  using scratch = new Scratch(device);
  const up = scratch.take(tokens * intermediateSize);
  if (layer.linears.gate) {
    const gate = scratch.take(tokens * intermediateSize);
    await runLinears(context, layer, ["gate", "up"], normed, [gate, up], tokens);
    if (to === "mlp") return;
    device.activate(activation, gate);
    device.multiply(up, gate);
  } else {
    await runLinears(context, layer, ["up"], normed, [up], tokens);
    if (to === "mlp") return;
    device.activate(activation, up);
  }
  await runLinears(context, layer, ["down"], up, [added], tokens);
}

/** Attention of new tokens, from their projections to the input of the output projection. */
export async function attend(
  context: PassContext,
  layer: LoadedLayer,
  query: DeviceBuffer,
  key: DeviceBuffer,
  value: DeviceBuffer,
  output: DeviceBuffer,
  tokens: number,
): Promise<void> {
  const { sequences = [tokens], device } = context;
  if (sequences.length === 1) return await attendOne(context, layer, query, key, value, output, tokens);
  let first = 0;
  for (const rows of sequences) {
    using scratch = new Scratch(device);
    const whole = [query, key, value, output];
    const parts = whole.map((one) => scratch.take(one.length / tokens * rows));
    const start = (i: number) => whole[i].length / tokens * first;
    for (let i = 0; i < 3; i++) device.copy(whole[i], start(i), parts[i], 0, parts[i].length);
    await attendOne(context, layer, parts[0], parts[1], parts[2], parts[3], rows);
    device.copy(parts[3], 0, output, start(3), parts[3].length);
    first += rows;
  }
}

async function attendOne(
  context: PassContext,
  layer: LoadedLayer,
  query: DeviceBuffer,
  key: DeviceBuffer,
  value: DeviceBuffer,
  output: DeviceBuffer,
  tokens: number,
): Promise<void> {
  const { device, architecture, interventions, cache } = context;
  const { heads, kvHeads, headDim } = architecture;
  const position = cache?.length ?? 0;
  prepareHeads(context, layer, query, key, value, tokens);
  const operand = { layer: layer.index, tokens, heads: kvHeads, headDim };
  for (const one of interventions) await one.keyBeforeRotary?.(key, operand);
  await cache?.keyBeforeRotary?.(key, operand);
  const rotary = rotaryOf(context, layer.index);
  if (rotary !== null) {
    const { table, rotaryDim, layout } = rotary;
    device.rotary(query, table, { tokens, heads, headDim, rotaryDim, position, layout });
    device.rotary(key, table, { tokens, heads: kvHeads, headDim, rotaryDim, position, layout });
  }
  rotateHeads(context, query, tokens, heads);
  rotateHeads(context, key, tokens, kvHeads);
  const { attentionSoftcap, window } = architecture;
  const shape: AttentionShape = {
    tokens,
    kvTokens: tokens,
    heads,
    kvHeads,
    headDim,
    scale: architecture.attentionScale ?? 1 / Math.sqrt(headDim),
    ...(seesWindow(architecture, layer.index) ? { window } : {}),
    ...(attentionSoftcap === undefined ? {} : { softcap: attentionSoftcap }),
    ...(context.slopes === undefined ? {} : { slopes: context.slopes }),
  };
  const call = {
    layer: layer.index,
    query,
    key,
    value,
    output,
    shape,
    attend: (q: DeviceBuffer, k: DeviceBuffer, v: DeviceBuffer, y: DeviceBuffer, whole: AttentionShape) =>
      quantizedAttention(device, interventions, layer.index, q, k, v, y, whole),
  };
  await (cache === null ? call.attend(query, key, value, output, shape) : cache.attend(call));
}

/** Norms and clamps of queries, keys and values, in place. */
function prepareHeads(
  { device, architecture }: PassContext,
  { headNorms }: LoadedLayer,
  query: DeviceBuffer,
  key: DeviceBuffer,
  value: DeviceBuffer,
  tokens: number,
): void {
  const { headDim, norm, clip } = architecture;
  using scratch = new Scratch(device);
  const normalizeHeads = (x: DeviceBuffer, weight: DeviceBuffer) => {
    const copy = scratch.take(x.length);
    device.copy(x, 0, copy, 0, x.length);
    const affine = headNorms?.ones ?? weight;
    const rows = architecture.headNorms?.over === "token" ? tokens : x.length / headDim;
    if (norm.kind === "rms") device.rmsNorm(copy, affine, x, rows, norm.eps);
    else device.layerNorm(copy, affine, null, x, rows, norm.eps);
    if (affine !== weight) device.multiply(x, weight);
  };
  if (headNorms) {
    normalizeHeads(query, headNorms.query);
    normalizeHeads(key, headNorms.key);
  }
  if (clip !== undefined) { for (const x of [query, key, value]) clamp(device, scratch, x, clip); }
}

/** `x = max(-limit, min(limit, x))` in terms of ReLU: `limit - relu(2 limit - relu(x + limit))`. */
function clamp(device: Device, scratch: Scratch, x: DeviceBuffer, limit: number): void {
  const once = scratch.constant(limit), twice = scratch.constant(2 * limit), minus = scratch.constant(-1);
  device.add(x, once);
  device.activate("relu", x);
  device.multiply(x, minus);
  device.add(x, twice);
  device.activate("relu", x);
  device.multiply(x, minus);
  device.add(x, once);
}

/** Whether the queries of a layer see only the last `window` positions. */
export function seesWindow({ window, windowLayers }: Architecture, layer: number): boolean {
  return window !== undefined && (windowLayers === undefined || windowLayers.includes(layer));
}

/** The rotation of a layer's queries and keys, or null where there is none. */
export function rotaryOf(
  { architecture, rotary, windowRotary }: PassContext,
  layer: number,
): { table: DeviceBuffer; rotaryDim: number; layout: RotaryShape["layout"] } | null {
  const { positions, windowPositions, unrotatedLayers } = architecture;
  if (positions.kind !== "rotary" || rotary === null || unrotatedLayers?.includes(layer)) return null;
  const own = windowPositions !== undefined && windowRotary !== undefined && seesWindow(architecture, layer);
  const { rotaryDim, layout } = own ? windowPositions : positions;
  return { table: own ? windowRotary : rotary, rotaryDim, layout };
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
