/**
 * Gradients of a number of a model's logits with respect to the weights of all linear layers, one layer at a time: a forward pass keeps the
 * input of every layer, then the gradient goes back through one layer after another, whose weights alone are in memory.
 */
import { hasExperts } from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import { layerInputs } from "../calibration/layer_inputs.ts";
import { SchemeError } from "../error.ts";
import { product } from "./attention.ts";
import { DifferentiableBlock, readBlock } from "./block.ts";
import { requireKnownLayer } from "./fisher.ts";
import { topOf } from "./loss.ts";

/** A number of the logits `[tokens, vocabulary]` of one window, which become its gradient in place. */
export type LogitNumber = (logits: Float32Array, window: number) => number;

/** What {@linkcode decoderGradients} finds, window by window. */
export interface GradientVisitor {
  /** A decoder layer: gradients by name, as in `BlockParameters`. */
  layer(layer: number, gradients: ReadonlyMap<string, Float32Array>, window: number): void | Promise<void>;
  /** The output projection and the embedding, both `[vocabulary, hidden]`; they are computed only where this is given. */
  ends?(head: Float32Array, embedding: Float32Array, window: number): void | Promise<void>;
}

/**
 * The gradients of a number of each window's logits, from the last layer to the first, then of the ends of the decoder.
 *
 * @returns the number of each window
 * @throws {SchemeError} `combination`, where the top of the model has no known gradient; {@linkcode requireGradients} tells before
 */
export async function decoderGradients(
  model: Model,
  windows: readonly Int32Array[],
  number: LogitNumber,
  visitor: GradientVisitor,
): Promise<number[]> {
  const { device, architecture, rotations } = model, { layers } = architecture;
  const blockOf = async (layer: number) =>
    new DifferentiableBlock(device, architecture, await readBlock(model, layer), { rotations });
  const inputs: Float32Array[][] = [[]];
  for (const ids of windows) {
    using embedded = await model.embed(ids);
    inputs[0].push(await device.read(embedded));
  }
  for (let layer = 0; layer < layers; layer++) {
    const block = await blockOf(layer), outputs: Float32Array[] = [];
    for (const [i, ids] of windows.entries()) {
      outputs.push((await block.forward(inputs[layer][i], ids.length)).output);
    }
    inputs.push(outputs);
  }
  const values: number[] = [], upstream: Float32Array[] = [], heads: Float32Array[] = [];
  for (const i of windows.keys()) {
    const top = await topOf(model, inputs[layers][i], (logits) => number(logits, i));
    values.push(top.value);
    upstream.push(top.hidden);
    if (visitor.ends === undefined) continue;
    const [m, n] = model.head.shape, k = top.dLogits.length / m;
    heads.push(await product(device, top.dLogits, top.states, { m, n, k, transposeA: true }));
  }
  for (let layer = layers - 1; layer >= 0; layer--) {
    const block = await blockOf(layer);
    for (const [i, ids] of windows.entries()) {
      const tape = await block.forward(inputs[layer][i], ids.length);
      const { input, parameters } = await block.backward(tape, upstream[i], true);
      upstream[i] = input;
      await visitor.layer(layer, parameters, i);
    }
    inputs.pop();
  }
  for (const [i, head] of heads.entries()) {
    await visitor.ends?.(head, embeddingGradient(model, windows[i], upstream[i]), i);
  }
  return values;
}

/** Each row of the embedding gets the gradients of the tokens that looked it up. */
function embeddingGradient(model: Model, ids: Int32Array, states: Float32Array): Float32Array {
  const { architecture: { embeddingNorm, embeddingScale = 1, hiddenSize }, embedding } = model;
  if (embeddingNorm !== undefined) {
    throw new SchemeError(
      "combination",
      `${model.name}: no gradient is known of an embedding with a norm behind it`,
    );
  }
  const gradient = new Float32Array(embedding.shape[0] * hiddenSize);
  for (const [t, id] of ids.entries()) {
    for (let j = 0; j < hiddenSize; j++) {
      gradient[id * hiddenSize + j] += embeddingScale * states[t * hiddenSize + j];
    }
  }
  return gradient;
}

/**
 * Throws unless gradients of this model are known: its layers, run as they are differentiated, give what the decoder gives on a window, and
 * its logits are a norm and a linear layer.
 *
 * @throws {SchemeError} `combination` or `shape`
 */
export async function requireGradients(model: Model, window: Int32Array): Promise<void> {
  const { architecture } = model, { layers, stateSpace } = architecture;
  for (let layer = 0; layer < layers; layer++) {
    if (stateSpace === undefined && !hasExperts(architecture, layer)) continue;
    const what = stateSpace === undefined ? "mixtures of experts" : "state-space layers";
    throw new SchemeError("combination", `${model.name}: no gradient is known of ${what}`);
  }
  const inputs = await layerInputs(model, [window]);
  for (let layer = 0; layer < layers; layer++) await requireKnownLayer(model, layer, inputs);
  await topOf(model, inputs[layers][0], () => 0);
}
