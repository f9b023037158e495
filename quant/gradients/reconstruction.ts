/**
 * Whatever is learned so that one decoder block gives what its float form gives: the trainer of layer-by-layer distillation, of learned
 * clipping and of equivalent transformations. One block is in training at a time, so memory is that of a block, of the hidden states of
 * the windows before and after it, and of the optimizer's two means.
 *
 * Source: the loop of OmniQuant (Shao et al., ICLR 2024, section 3.1): the loss is the mean squared difference to the float block's output
 * on the float model's hidden states, while the block in training reads what the quantized blocks before it give.
 */
import { cos } from "../../base/elementary.ts";
import { PythonRandom } from "../../base/random.ts";
import type { Device } from "../../kernels/device.ts";
import type { Architecture } from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import { layerInputs } from "../calibration/layer_inputs.ts";
import { SchemeError } from "../error.ts";
import type { Finished } from "../resumption/finished.ts";
import { Adam8bit, type Adam8bitState } from "./adam8bit.ts";
import { AdamW, type AdamWOptions, type AdamWState } from "./adamw.ts";
import { type BlockOptions, type BlockParameters, DifferentiableBlock } from "./block.ts";
import { readBlock } from "./block.ts";
import { requireKnownLayer } from "./fisher.ts";

/** A block as it is computed with by now. */
export interface ComputedBlock {
  /** What the block runs with. */
  readonly parameters: BlockParameters;
  /** Gradients of what is learned, given those of what the block runs with. */
  back(gradients: ReadonlyMap<string, Float32Array>): ReadonlyMap<string, Float32Array>;
}

/** Something of a block that is learned. */
export interface BlockFit {
  /** What is learned, by name; changed in place. */
  readonly parameters: ReadonlyMap<string, Float32Array>;
  /** How the block is computed. */
  readonly options: BlockOptions;
  /** The learning rate of a parameter at the start. */
  rateOf(name: string): number;
  /** The block, in an epoch counted from 0. */
  compute(epoch: number): ComputedBlock;
}

/** How a block is trained. */
export interface Schedule {
  /** Steps of the optimizer. */
  readonly steps: number;
  /** Windows of a step. */
  readonly batch: number;
  /** Whether rates stay, or fall along half a cosine to `least` of themselves at the last step. */
  readonly shape: "flat" | "cosine";
  /** Share of the rates that is left at the end of a cosine. */
  readonly least?: number;
  /** Share of each parameter that is taken off per step, times its rate. */
  readonly weightDecay: number;
  /** Largest norm of all gradients together; null for any. */
  readonly gradientNorm: number | null;
  /** Which of two AdamWs, or the one whose means take 8 bits; and its constant beside the root. */
  readonly adam: { readonly form: "transformers" | "torch" | "8bit"; readonly eps: number };
  /** Shuffles the windows of each epoch; null takes them in order. */
  readonly seed: number | null;
}

/** What a block is trained on: windows of one length. */
export interface BlockData {
  /** Hidden states before the block `[tokens, hidden]`, of each window. */
  readonly inputs: readonly Float32Array[];
  /** What the block should give for some of the windows, one after the other; several targets count alike. */
  targets(chosen: readonly number[]): Promise<readonly Float32Array[]> | readonly Float32Array[];
  /** The float block's attention probabilities on the float model's hidden states, the mean of all heads, where a loss asks for them. */
  readonly maps?: readonly Float32Array[];
}

/** What a loss is of. */
export interface BlockOutcome {
  /** What the block gave, of all windows of the step one after the other. */
  readonly output: Float32Array;
  /** What it should have given. */
  readonly targets: readonly Float32Array[];
  /** Attention probabilities of each window, and those of the float block; empty unless they are asked for. */
  readonly maps: readonly { readonly found: Float32Array; readonly target: Float32Array }[];
  /** Width of the output. */
  readonly columns: number;
}

/** The loss of a block's output, with its gradient. */
export interface BlockLoss {
  /** The value. */
  readonly loss: number;
  /** With respect to the output. */
  readonly gradient: Float32Array;
  /** With respect to attention probabilities of each window, if it depends on them. */
  readonly maps?: readonly Float32Array[];
}

/** What training gave, beside the parameters. */
export interface LossCurve {
  /** The loss before each step. */
  readonly losses: readonly number[];
  /** The norm of all gradients together at each step, before it is clipped. */
  readonly norms: readonly number[];
}

/** The mean squared difference to each target, summed over them. */
export function meanSquares({ output, targets }: Pick<BlockOutcome, "output" | "targets">): BlockLoss {
  const gradient = new Float32Array(output.length);
  let loss = 0;
  for (const target of targets) {
    let sum = 0;
    for (let i = 0; i < output.length; i++) {
      const difference = output[i] - target[i];
      sum += difference * difference;
      gradient[i] += 2 * difference / output.length;
    }
    loss += sum / output.length;
  }
  return { loss, gradient };
}

/** Values of several arrays, one after the other. */
export function concatenate(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0];
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

interface Progress {
  readonly parameters: Readonly<Record<string, Float32Array>>;
  readonly adam: AdamWState | Adam8bitState;
  readonly losses: readonly number[];
  readonly norms: readonly number[];
}

/**
 * Trains one block; `fit.parameters` hold what was learned afterwards.
 *
 * @param finished where the state after each epoch is kept, if anywhere: a training that was ended goes on from there, to the same bits
 */
export async function reconstructBlock(
  device: Device,
  architecture: Architecture,
  fit: BlockFit,
  data: BlockData,
  schedule: Schedule,
  { lossOf = meanSquares, finished = null }: {
    readonly lossOf?: (outcome: BlockOutcome) => BlockLoss;
    readonly finished?: Finished | null;
  } = {},
): Promise<LossCurve> {
  const { steps, batch, shape, least = 0, weightDecay, gradientNorm, adam, seed } = schedule;
  const { inputs } = data, tokens = inputs[0].length / architecture.hiddenSize;
  const batches = Math.max(1, Math.floor(inputs.length / batch));
  const order = windowOrder(inputs.length, seed);
  const options = { learningRate: 0, weightDecay, betas: [0.9, 0.999], eps: adam.eps } as const;
  const optimizer = optimizerOf(fit.parameters, options, adam.form);
  const losses: number[] = [], norms: number[] = [];
  const before = await finished?.read("epochs") as Progress | undefined;
  if (before !== undefined) {
    for (const [name, values] of Object.entries(before.parameters)) fit.parameters.get(name)?.set(values);
    optimizer.restore(before.adam as AdamWState & Adam8bitState);
    losses.push(...before.losses);
    norms.push(...before.norms);
  }
  for (let step = losses.length; step < steps; step++) {
    const epoch = Math.floor(step / batches), first = step % batches * batch;
    const chosen = order(epoch).slice(first, first + batch);
    const computed = fit.compute(epoch);
    const block = new DifferentiableBlock(device, architecture, computed.parameters, fit.options);
    const tape = await block.forward(concatenate(chosen.map((i) => inputs[i])), tokens);
    const { maps: wanted } = data, { output } = tape;
    const maps = wanted === undefined
      ? []
      : block.maps(tape).map((found, i) => ({ found, target: wanted[chosen[i]] }));
    const { loss, gradient, maps: dMaps } = lossOf({
      output,
      targets: await data.targets(chosen),
      maps,
      columns: architecture.hiddenSize,
    });
    if (!Number.isFinite(loss)) {
      throw new SchemeError(
        "values",
        `the loss is ${loss} at step ${step}: expected a smaller learning rate`,
      );
    }
    losses.push(loss);
    const gradients = computed.back((await block.backward(tape, gradient, true, dMaps)).parameters);
    norms.push(clipNorm(gradients, gradientNorm));
    const share = shape === "flat"
      ? 1
      : least + (1 - least) * 0.5 * (1 + cos(Math.PI * step / Math.max(1, steps - 1)));
    optimizer.step(gradients, (name) => fit.rateOf(name) * share);
    if ((step + 1) % batches === 0) {
      const parameters = Object.fromEntries(fit.parameters);
      await finished?.write("epochs", { parameters, adam: optimizer.state(), losses, norms });
    }
  }
  return { losses, norms };
}

function optimizerOf(
  parameters: ReadonlyMap<string, Float32Array>,
  options: Omit<AdamWOptions, "form">,
  form: Schedule["adam"]["form"],
): AdamW | Adam8bit {
  return form === "8bit" ? new Adam8bit(parameters, options) : new AdamW(parameters, { ...options, form });
}

/** The windows of an epoch, in order. */
function windowOrder(count: number, seed: number | null): (epoch: number) => readonly number[] {
  const plain = Array.from({ length: count }, (_, i) => i);
  if (seed === null) return () => plain;
  return (epoch) => {
    const random = new PythonRandom(seed + epoch), order = plain.slice();
    for (let i = count - 1; i > 0; i--) {
      const j = random.randint(0, i);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  };
}

/** The norm of all gradients together, which are scaled down to `most` where it is larger. */
function clipNorm(gradients: ReadonlyMap<string, Float32Array>, most: number | null): number {
  let squares = 0;
  for (const one of gradients.values()) for (const value of one) squares += value * value;
  const norm = Math.sqrt(squares);
  if (most === null || norm <= most) return norm;
  const factor = most / (norm + 1e-6);
  for (const one of gradients.values()) for (let i = 0; i < one.length; i++) one[i] *= factor;
  return norm;
}

/** A layer that is done: what it runs with from now on. */
export interface SettledBlock {
  /** Weights, biases and norms. */
  readonly parameters: BlockParameters;
  /** What is rounded while it runs. */
  readonly options: BlockOptions;
}

/** What is learned of all layers, one after the other. */
export interface LayerwiseFit<L> {
  /** Whether targets on the quantized model's hidden states count beside those on the float model's. */
  readonly augmented: boolean;
  /** Whether the float block's attention probabilities are kept for the loss. */
  readonly maps?: boolean;
  /** Learns one layer; what it gives is kept. */
  learn(layer: number, block: BlockParameters, data: BlockData, finished: Finished | null): Promise<L>;
  /** The layer with what was learned. */
  settle(layer: number, block: BlockParameters, learned: L): SettledBlock;
}

/**
 * Learns all layers of a model from the first to the last. Each reads what the settled ones before it give; its targets are the float
 * layer's outputs on the float model's hidden states.
 *
 * @param finished where what was learned of each layer is kept, if anywhere
 * @throws {SchemeError} `calibration` where windows differ in length; `shape` where the derivative of a layer is not known
 */
export async function reconstructLayers<L>(
  model: Model,
  windows: readonly Int32Array[],
  fit: LayerwiseFit<L>,
  finished: Finished | null = null,
): Promise<L[]> {
  const { device, architecture, rotations } = model, learned: L[] = [];
  if (windows.length === 0 || windows.some((ids) => ids.length !== windows[0].length)) {
    throw new SchemeError(
      "calibration",
      `${windows.length} calibration windows of ${
        [...new Set(windows.map((ids) => ids.length))].join(", ")
      } ` +
        "tokens: expected at least one, all of one length",
    );
  }
  const tokens = windows[0].length, probe = await layerInputs(model, [windows[0]]);
  const float: Float32Array[] = [], rounded: Float32Array[] = [];
  for (const ids of windows) {
    using embedded = await model.embed(ids);
    float.push(await device.read(embedded));
  }
  rounded.push(...float);
  for (let layer = 0; layer < architecture.layers; layer++) {
    await requireKnownLayer(model, layer, probe);
    const block = await readBlock(model, layer);
    const plain = new DifferentiableBlock(device, architecture, block, { rotations });
    const second: Float32Array[] = [], maps: Float32Array[] = [];
    for (const [i, x] of float.entries()) {
      const tape = await plain.forward(x, tokens);
      float[i] = tape.output;
      if (fit.maps) maps.push(...plain.maps(tape));
      if (fit.augmented) second.push((await plain.forward(rounded[i], tokens)).output);
    }
    const targets = (chosen: readonly number[]) =>
      [float, ...fit.augmented ? [second] : []].map((of) => concatenate(chosen.map((i) => of[i])));
    const own = finished?.of(`layer${layer}`) ?? null;
    const learn = () => fit.learn(layer, block, { inputs: rounded, targets, ...fit.maps && { maps } }, own);
    learned.push(await (own === null ? learn() : own.step("learned", learn)));
    await own?.drop("epochs");
    const { parameters, options } = fit.settle(layer, block, learned[layer]);
    const settled = new DifferentiableBlock(device, architecture, parameters, { ...options, rotations });
    for (const [i, x] of rounded.entries()) rounded[i] = (await settled.forward(x, tokens)).output;
  }
  return learned;
}
