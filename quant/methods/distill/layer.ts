/** The training loop of layer-by-layer distillation: one decoder layer, student against teacher. */
import { linearRoles, linearShape } from "../../../model/architecture.ts";
import type { Model } from "../../../model/model.ts";
import { AdamW } from "../../gradients/adamw.ts";
import { type BlockOptions, DifferentiableBlock, readBlock } from "../../gradients/block.ts";
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
  const targets = new Map<number, Float32Array>();
  const student: BlockOptions = { causal, rotations, quantizeInput };
  for (const [name, values] of masters) masters.set(name, values.slice());
  const optimizer = new AdamW(masters, { learningRate, weightDecay, betas: [0.9, 0.999], eps: 1e-6 });
  const losses: number[] = [];
  const batches = Math.max(1, Math.floor(inputs.length / scheme.batch));
  for (let step = 0; step < steps; step++) {
    const batch = step % batches;
    const x = concatenate(inputs.slice(batch * scheme.batch, (batch + 1) * scheme.batch));
    const target = targets.get(batch) ?? (await teacher.forward(x, tokens)).output;
    targets.set(batch, target);
    const block = new DifferentiableBlock(device, architecture, quantized(model, masters, scheme), student);
    const tape = await block.forward(x, tokens);
    const { loss, gradient } = squaredError(tape.output, target);
    losses.push(loss);
    const { parameters } = await block.backward(tape, gradient, true);
    optimizer.step(parameters);
  }
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

function squaredError(y: Float32Array, target: Float32Array): { loss: number; gradient: Float32Array } {
  const gradient = new Float32Array(y.length);
  let sum = 0;
  for (let i = 0; i < y.length; i++) {
    const difference = y[i] - target[i];
    sum += difference * difference;
    gradient[i] = 2 * difference / y.length;
  }
  return { loss: sum / y.length, gradient };
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
