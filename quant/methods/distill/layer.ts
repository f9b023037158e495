/** The training loop of layer-by-layer distillation: one decoder layer, student against teacher. */
import { linearRoles, linearShape } from "../../../model/architecture.ts";
import type { Model } from "../../../model/model.ts";
import { DifferentiableBlock, readBlock } from "../../gradients/block.ts";
import { concatenate, reconstructBlock } from "../../gradients/reconstruction.ts";
import {
  dequantizeGroups,
  fakeQuantizeWeight,
  symmetricGroups,
  type TokenwiseZeroQuant,
  type ZeroQuant,
} from "../zeroquant.ts";

/** How a layer is trained. */
export interface Training {
  /** Of the optimizer, for each layer. */
  readonly steps: number;
  /** Constant. */
  readonly learningRate: number;
  /** Share of each weight (not bias) that is taken off per step, times the learning rate. */
  readonly weightDecay: number;
  /** Calibration windows per step, taken in order and over again. */
  readonly batch: number;
  /** What a token attends to in the trained layer, in teacher and student: `"all"` is the reference code's. */
  readonly attention: "causal" | "all";
  /** AdamW, or the Adam whose running means take 8 bits. */
  readonly optimizer?: "adam8bit";
  /** The quantizer of weights that the student learns to live with. */
  readonly weights: ZeroQuant;
  /** The quantizer of inputs of linear layers, if any. */
  readonly activations: TokenwiseZeroQuant | null;
}

/** What training a layer gave. */
export interface Distilled {
  /** Tensors by name, as `readBlock` names them. */
  readonly parameters: ReadonlyMap<string, Float32Array>;
  /** The mean squared error before each step. */
  readonly losses: readonly number[];
}

/**
 * Trains one layer. `inputs` are the float model's hidden states before it, `[tokens, hidden]` for each window; all of
 * one length.
 */
export async function distillLayer(
  model: Model,
  layer: number,
  inputs: readonly Float32Array[],
  scheme: Training,
): Promise<Distilled> {
  const { device, architecture, rotations } = model;
  const { steps, learningRate, weightDecay, activations } = scheme;
  const tokens = inputs[0].length / architecture.hiddenSize;
  const causal = scheme.attention === "causal";
  const quantizeInput = (x: Float32Array, columns: number) =>
    activations === null ? x : dequantizeGroups(symmetricGroups(x, columns, activations.bits));
  const masters = await readBlock(model, layer);
  const teacher = new DifferentiableBlock(device, architecture, new Map(masters), { causal, rotations });
  for (const [name, values] of masters) masters.set(name, values.slice());
  const targets = new Map<string, Float32Array>();
  const { losses } = await reconstructBlock(device, architecture, {
    parameters: masters,
    options: { causal, rotations, quantizeInput },
    rateOf: () => learningRate,
    compute: () => ({ parameters: quantized(model, masters, scheme), back: (gradients) => gradients }),
  }, {
    inputs,
    async targets(chosen) {
      const key = chosen.join(), x = concatenate(chosen.map((i) => inputs[i]));
      const target = targets.get(key) ?? (await teacher.forward(x, tokens)).output;
      targets.set(key, target);
      return [target];
    },
  }, {
    steps,
    batch: scheme.batch,
    shape: "flat",
    weightDecay,
    gradientNorm: null,
    adam: scheme.optimizer === "adam8bit" ? { form: "8bit", eps: 1e-6 } : { form: "transformers", eps: 1e-6 },
    seed: null,
  });
  return { parameters: masters, losses };
}

/** The parameters that the student computes with: quantized weights, and norms and biases as they are. */
function quantized(
  model: Model,
  masters: ReadonlyMap<string, Float32Array>,
  { weights }: Training,
): Map<string, Float32Array> {
  const parameters = new Map(masters);
  for (const role of linearRoles(model.architecture)) {
    const data = masters.get(role);
    if (data === undefined) continue;
    const [rows, columns] = linearShape(model.architecture, role);
    parameters.set(role, fakeQuantizeWeight({ rows, columns, data }, weights, role));
  }
  return parameters;
}
