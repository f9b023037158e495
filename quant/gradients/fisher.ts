/**
 * Gradients of a model's loss with respect to its keys and values: how much the loss feels an error in each of them.
 * Their squares are the diagonal of the empirical Fisher information, the weights of KVQuant's codebooks
 * (Hooper et al., NeurIPS 2024, section 3.2).
 *
 * Layer by layer: one forward pass keeps the input of every layer, then the gradient of the loss goes back through one
 * layer at a time. Quantizers of activations that the model has act in the forward pass and let gradients through.
 */
import { linearRoles } from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import { DifferentiableBlock, readBlock } from "./block.ts";
import { lossOf } from "./loss.ts";
import { storedWeight } from "../weights/linear.ts";
import { SchemeError } from "../error.ts";

/** Gradients of one layer for each window: `[tokens, kvHeads * headDim]`. */
export interface KeyValueGradients {
  readonly layer: number;
  /** Before positions are rotated in. */
  readonly keys: readonly Float32Array[];
  /** After. */
  readonly rotatedKeys: readonly Float32Array[];
  readonly values: readonly Float32Array[];
  /** Of the layer's input, for the layer before. */
  readonly inputs: readonly Float32Array[];
}

/** Where gradients go on. */
export interface GradientStart {
  /** The first layer that is wanted; those after it are done. */
  readonly layer: number;
  /** Gradients of what it gives, for each window: `inputs` of the layer after it. */
  readonly upstream: readonly Float32Array[];
}

/**
 * Gradients of the mean cross-entropy of each window with respect to keys and values, from the last layer to the
 * first. `inputs` are those of {@linkcode layerInputs}; `start` is where an earlier call was left.
 */
export async function* keyValueGradients(
  model: Model,
  windows: readonly Int32Array[],
  inputs: readonly (readonly Float32Array[])[],
  start: GradientStart | null = null,
): AsyncGenerator<KeyValueGradients> {
  const { layers } = model.architecture;
  const upstream: Float32Array[] = [...start?.upstream ?? []];
  for (const [i, ids] of windows.entries()) {
    if (start === null) upstream.push((await lossOf(model, ids, inputs[layers][i])).hidden);
  }
  for (let layer = start?.layer ?? layers - 1; layer >= 0; layer--) {
    const block = new DifferentiableBlock(model.device, model.architecture, await readBlock(model, layer), {
      rotations: model.rotations,
    });
    const gradients = { layer, keys: [], rotatedKeys: [], values: [] } as {
      layer: number;
      keys: Float32Array[];
      rotatedKeys: Float32Array[];
      values: Float32Array[];
    };
    for (const [i, ids] of windows.entries()) {
      const tape = await block.forward(inputs[layer][i], ids.length);
      if (i === 0) checkForward(model, layer, tape.output, inputs[layer + 1][0]);
      const { input, key, rotatedKey, value } = await block.backward(tape, upstream[i]);
      upstream[i] = input;
      gradients.keys.push(key);
      gradients.rotatedKeys.push(rotatedKey);
      gradients.values.push(value);
    }
    yield { ...gradients, inputs: [...upstream] };
  }
}

/** Throws unless the differentiable layer computes what the decoder computes, on the first window of `inputs`. */
export async function requireKnownLayer(
  model: Model,
  layer: number,
  inputs: readonly (readonly Float32Array[])[],
): Promise<void> {
  const { device, architecture } = model;
  const { rotations } = model;
  const block = new DifferentiableBlock(device, architecture, await readBlock(model, layer), { rotations });
  const [input] = inputs[layer];
  const { output } = await block.forward(input, input.length / architecture.hiddenSize);
  checkForward(model, layer, output, inputs[layer + 1][0]);
}

/**
 * The decoder may learn architectures that the gradient does not know. A model without quantizers must give the same
 * hidden states in both.
 */
function checkForward(model: Model, layer: number, ours: Float32Array, decoder: Float32Array): void {
  const roles = linearRoles(model.architecture);
  const quantized = roles.some((role) => storedWeight(model, layer, role) !== undefined);
  if (quantized || model.interventions.length > 0 || model.cacheFactory !== null) return;
  let error = 0, size = 0;
  for (let i = 0; i < ours.length; i++) {
    error += (ours[i] - decoder[i]) ** 2;
    size += decoder[i] ** 2;
  }
  // Two float32 evaluations differ by some 1e-6; another function differs by much more.
  if (error > 1e-6 * size) {
    const relative = Math.sqrt(error / size).toExponential(1);
    throw new SchemeError(
      "shape",
      `the gradient of layer ${layer} of ${model.name} is not known: its forward pass differs by ${relative}`,
    );
  }
}
