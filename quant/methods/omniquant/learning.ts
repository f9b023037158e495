/** What OmniQuant learns of a model, layer by layer: where it starts, how it is trained, and the model that it gives. */
import type { Device, DeviceBuffer } from "../../../kernels/device.ts";
import {
  type LinearRole,
  linearRoles,
  rolesOfSite,
  siteOfRole,
  tensorName,
} from "../../../model/architecture.ts";
import {
  denseLinear,
  type Linear,
  type Parameter,
  vectorParameter,
} from "../../../model/decoder/parameter.ts";
import type { Intervention } from "../../../model/decoder/intervention.ts";
import { linearKey } from "../../../model/decoder/parameters.ts";
import type { Model } from "../../../model/model.ts";
import { activationMaxima } from "../../calibration/activation_maxima.ts";
import { activationMidpoints } from "../../calibration/activation_midpoints.ts";
import type { QuantizeContext } from "../../method.ts";
import {
  type BlockNodes,
  channelsOf,
  type EquivalentPlace,
  foldEquivalents,
  sharedChannels,
} from "../../gradients/equivalent.ts";
import type { Graph, Node } from "../../gradients/graph.ts";
import { type BlockParameters, readBlock } from "../../gradients/block.ts";
import {
  type BlockLoss,
  type BlockOutcome,
  reconstructBlock,
  reconstructLayers,
  type Schedule,
} from "../../gradients/reconstruction.ts";
import { clipLogits, TransformedBlock, type TransformedRules } from "../../gradients/transformed.ts";
import { codesOf, type RangeRule, type Rounding } from "../../gradients/rounding.ts";
import { columnMaxima, smoothingScales } from "../smoothquant.ts";
import { MixedColumnsWeight } from "../../weights/mixed_columns.ts";
import { RealZeroWeight } from "../../weights/real_zero.ts";

/** How parameters are learned. */
export interface OmniTraining {
  /** Tag of the method that learns. */
  readonly method: string;
  /** Bits of weights; 16 leaves them as they are. */
  readonly bits: number;
  /** Values of a row that share a scale; absent for the whole row. */
  readonly groupSize?: number;
  /** Whether ranges of weights are symmetric about 0. */
  readonly symmetric: boolean;
  /** Whether codes are signed, with no zero point. */
  readonly signed: boolean;
  /** Bits of inputs of linear layers, queries, keys and values; 16 leaves them. */
  readonly activationBits: number;
  /** Whether queries, keys and values are rounded head by head, or all heads of a token together. */
  readonly operands: "head" | "token";
  /** Whether shares of ranges are learned. */
  readonly clip: boolean;
  /** Whether scales (and shifts) of channels are learned. */
  readonly equivalent: boolean;
  /** Strength of the migration that scales start from. */
  readonly alpha: number;
  /** Passes over the windows; 0 leaves the start. */
  readonly epochs: number;
  /** Calibration windows to learn from, the first ones; null for all. */
  readonly samples: number | null;
  /** Windows of a step. */
  readonly batch: number;
  /** Learning rate of shares. */
  readonly clipRate: number;
  /** Learning rate of scales and shifts. */
  readonly equivalentRate: number;
  /** Share of each parameter that is taken off per step, times its rate. */
  readonly weightDecay: number;
  /** Whether the float layer's output on the quantized layers' hidden states is a second target. */
  readonly augmented: boolean;
}

/** What learning needs of a quantization. */
export type LearningContext = Pick<QuantizeContext, "calibration" | "progress" | "finished">;

/** Parameters of one layer by name: `q.upper`, `q.lower`, ..., `attention.scale`, `attention.shift`, `queryKey.scale`, ... */
export type LearnedLayer = Readonly<Record<string, Float32Array>>;

/** What a layer's training gave. */
export interface LearnedRun {
  /** What was learned. */
  readonly parameters: LearnedLayer;
  /** The loss before each step. */
  readonly losses: readonly number[];
  /** The norm of the gradients at each step. */
  readonly norms: readonly number[];
}

/** What makes a method of learned clipping and learned transformations: the loop, the folding into a model and the storage are shared. */
export interface BlockVariant {
  /** For messages. */
  readonly name: string;
  /** What weights are rounded to; null leaves them. */
  readonly rule: RangeRule | null;
  /** Where learning starts, layer by layer. Without a context values of the right sizes are enough. */
  start(context: LearningContext | null): Promise<LayerStart>;
  /** Folds what is learned into a layer's weights, biases and norms. */
  fold(
    graph: Graph,
    block: BlockParameters,
    nodes: BlockNodes,
    learned: ReadonlyMap<string, Node>,
    epoch: number,
  ): void;
  /** What is done to weights once they are rounded; it leaves `<site>.undo`, a matrix that the site's readers were multiplied with. */
  finish?(graph: Graph, nodes: BlockNodes): void;
  /** Learning rate of a parameter. */
  rateOf(name: string): number;
  /** The loss, where it is not the mean of squares. */
  readonly lossOf?: (outcome: BlockOutcome) => BlockLoss;
  /** Whether the loss asks for attention probabilities. */
  readonly maps?: boolean;
}

/** Parameters of a layer where learning starts. */
export type LayerStart = (layer: number, block: BlockParameters) => Map<string, Float32Array>;

/** OmniQuant itself. */
export function omniVariant(model: Model, scheme: OmniTraining): BlockVariant {
  const { bits, symmetric, signed, clipRate, equivalentRate } = scheme;
  return {
    name: "omniquant",
    rule: bits < 16 ? { bits, symmetric, signed } : null,
    start: (context) => startOf(model, scheme, context, ["attention", "output", "mlp"]),
    fold: (graph, block, nodes, learned) => foldEquivalents(graph, model.architecture, block, nodes, learned),
    rateOf: (name) => /\.(upper|lower)$/.test(name) ? clipRate : equivalentRate,
  };
}

/**
 * Where learning starts: logits of 4, SmoothQuant's scales from one reader of each input, shifts in the middle of ranges. Without a context
 * scales and shifts are of the right sizes only.
 */
export async function startOf(
  model: Model,
  scheme: OmniTraining,
  context: LearningContext | null,
  sites: readonly ScaledSite[],
): Promise<LayerStart> {
  const { architecture } = model;
  const logits = () =>
    scheme.clip && scheme.bits < 16
      ? clipLogits(architecture, scheme.groupSize)
      : new Map<string, Float32Array>();
  if (!scheme.equivalent) return logits;
  const windows = context?.calibration(scheme.method) ?? [];
  const maxima = await activationMaxima(model, windows, sites, context?.finished);
  const shifted = scheme.activationBits < 16 && architecture.norm.kind === "layer";
  const middles = await activationMidpoints(model, shifted ? windows : [], sites);
  const shared = sharedChannels(architecture);
  return (layer, block) => {
    const learned = new Map<string, Float32Array>();
    learned.set("queryKey.scale", new Float32Array(channelsOf(architecture, "queryKey")).fill(1));
    for (const site of sites) {
      const weight = block.get(firstReaders[site]) ?? new Float32Array();
      const columns = site === "output" ? shared.length : channelsOf(architecture, site);
      const seen = maxima.get(`${layer}.${site}`) ?? new Float32Array(columns);
      const middle = middles.get(`${layer}.${site}`) ?? new Float32Array(columns);
      const own = (of: Float32Array) => site === "output" ? perValueChannel(of, shared) : of;
      learned.set(`${site}.scale`, own(smoothingScales(seen, columnMaxima([weight], columns), scheme.alpha)));
      if (shifted) learned.set(`${site}.shift`, own(middle));
    }
    return new Map([...learned, ...logits()]);
  };
}

/** Inputs whose channels are scaled. */
export type ScaledSite = Exclude<EquivalentPlace, "queryKey">;

/** The one reader of each input whose columns say where its scales start. */
const firstReaders: Readonly<Record<ScaledSite, LinearRole>> = {
  attention: "q",
  output: "o",
  mlp: "up",
  down: "down",
};

/** Of channels that query heads share, the first head's. */
function perValueChannel(values: Float32Array, shared: Int32Array): Float32Array {
  const own = new Float32Array(Math.max(...shared) + 1);
  for (let i = shared.length - 1; i >= 0; i--) own[shared[i]] = values[i];
  return own;
}

/** A layer with its learned parameters. */
export function blockOf(
  { architecture }: Model,
  { groupSize, activationBits, operands }: OmniTraining,
  block: BlockParameters,
  parameters: ReadonlyMap<string, Float32Array>,
  variant: BlockVariant,
): TransformedBlock {
  const rules: TransformedRules = {
    weights: variant.rule,
    groupSize,
    activationBits,
    operands,
    fold: (graph, nodes, learned, epoch) => variant.fold(graph, block, nodes, learned, epoch),
    ...variant.finish && { finish: variant.finish },
    rateOf: variant.rateOf,
  };
  return new TransformedBlock(architecture, block, parameters, rules);
}

/** Learns all layers, each behind those before it as they are rounded by then. */
export async function learnBlocks(
  model: Model,
  scheme: OmniTraining,
  context: LearningContext,
  variant: BlockVariant,
): Promise<LearnedRun[]> {
  const { device, architecture } = model, { epochs, batch, samples, weightDecay, augmented } = scheme;
  const { name, lossOf, maps } = variant, start = await variant.start(context);
  if (epochs === 0) {
    const runs: LearnedRun[] = [];
    for (let layer = 0; layer < architecture.layers; layer++) {
      const parameters = Object.fromEntries(start(layer, await readBlock(model, layer)));
      runs.push({ parameters, losses: [], norms: [] });
    }
    return runs;
  }
  const all = context.calibration(name), windows = all.slice(0, samples ?? all.length);
  const schedule: Schedule = {
    steps: epochs * Math.floor(windows.length / batch),
    batch,
    shape: "flat",
    weightDecay,
    gradientNorm: null,
    adam: { form: "torch", eps: 1e-8 },
    seed: null,
  };
  return await reconstructLayers<LearnedRun>(model, windows, {
    augmented,
    ...maps && { maps },
    async learn(layer, block, data, finished) {
      const parameters = start(layer, block), fit = blockOf(model, scheme, block, parameters, variant);
      const options = { finished, ...lossOf && { lossOf } };
      const { losses, norms } = await reconstructBlock(device, architecture, fit, data, schedule, options);
      context.progress(`${name} layer ${layer}: ${losses[0]} to ${losses.at(-1)}`);
      return { parameters: Object.fromEntries(parameters), losses, norms };
    },
    settle(_, block, { parameters }) {
      const fit = blockOf(model, scheme, block, new Map(Object.entries(parameters)), variant);
      return { parameters: fit.compute(epochs - 1).parameters, options: fit.options };
    },
  }, context.finished);
}

/**
 * Learns all layers by OmniQuant, each behind those before it as they are rounded by then.
 *
 * @example
 * ```ts
 * import { corpus, loadModel, omniquant } from "quantbook";
 * import { learnOmni } from "quantbook/quant";
 * import { assertEquals } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * const windows = await corpus("calibration", { windows: 1, length: 16, seed: 0 });
 * const context = { calibration: () => windows, progress() {}, finished: null };
 * const [first] = await learnOmni(model, omniquant({ bits: 3, epochs: 2 }), context);
 * assertEquals([first.losses.length, first.parameters["q.upper"].length], [2, 256]);
 * ```
 */
export function learnOmni(
  model: Model,
  scheme: OmniTraining,
  context: LearningContext,
): Promise<LearnedRun[]> {
  return learnBlocks(model, scheme, context, omniVariant(model, scheme));
}

/** The model with learned parameters folded in and its weights rounded. */
export async function modelOf(
  model: Model,
  scheme: OmniTraining,
  layers: readonly LearnedLayer[],
  change: unknown,
  variant: BlockVariant,
): Promise<Model> {
  const { device, architecture } = model;
  const linears = new Map<string, Parameter<Linear>>(), biases = new Map<string, Float32Array>();
  const vectors = new Map<string, Parameter<DeviceBuffer>>(), offsets = new Map<string, Float32Array>();
  for (const [layer, learned] of layers.entries()) {
    const own = new Map(Object.entries(learned)), block = await readBlock(model, layer);
    const fit = blockOf(model, scheme, block, own, variant);
    const { parameters } = fit.compute(Math.max(0, scheme.epochs - 1));
    const of = (name: string) => parameters.get(name) ?? new Float32Array();
    for (const role of linearRoles(architecture)) {
      const { name, shape: [out, inputs] } = model.linear(layer, role), bias = parameters.get(`${role}.bias`);
      if (bias !== undefined) biases.set(linearKey(layer, role), bias);
      const values = of(role), rounding = fit.rounded.get(role);
      const plain = rounding && variant.rule &&
        storedOf(rounding, [out, inputs], variant.rule, scheme.groupSize);
      const undo = parameters.get(`${siteOfRole(role)}.undo`), readers = rolesOfSite[siteOfRole(role)];
      const count = readers.filter((one) => architecture.linears[one] !== undefined).length;
      const stored = plain && undo ? new MixedColumnsWeight(plain, undo, count) : plain;
      const added = bias === undefined ? null : () => Promise.resolve(bias);
      linears.set(
        linearKey(layer, role),
        denseLinear(device, name, [out, inputs], () => Promise.resolve(values), added, stored ?? undefined),
      );
    }
    for (const norm of ["attentionNorm", "mlpNorm"] as const) {
      const { weight, bias } = architecture[norm], offset = parameters.get(`${norm}.bias`);
      if (bias === undefined && offset !== undefined) offsets.set(`${layer}.${siteOfNorm[norm]}`, offset);
      for (const [template, name] of [[weight, norm], [bias, `${norm}.bias`]] as const) {
        if (template === undefined) continue;
        const tensor = tensorName(template, layer), values = of(name);
        vectors.set(tensor, vectorParameter(device, tensor, () => Promise.resolve(values), [values.length]));
      }
    }
  }
  const interventions = offsets.size === 0 ? [] : [shifting(device, offsets)];
  return model.with({ linears, biases, vectors, interventions, change });
}

const siteOfNorm = { attentionNorm: "attention", mlpNorm: "mlp" } as const;

/** What stands in for the bias of a norm that has none: an offset of each channel, before anything is rounded. */
function shifting(device: Device, offsets: ReadonlyMap<string, Float32Array>): Intervention {
  return {
    input(x, { layer, site }) {
      const offset = offsets.get(`${layer}.${site}`);
      if (offset === undefined) return;
      using buffer = device.upload(offset);
      device.add(x, buffer);
    },
  };
}

/** Codes from 0 on, with the zero points that go with them. */
function storedOf(
  { codes, scales, zeros }: Rounding,
  shape: readonly [number, number],
  rule: RangeRule,
  groupSize: number = shape[1],
): RealZeroWeight {
  const { lowest, highest } = codesOf(rule);
  return new RealZeroWeight({
    shape,
    // A balanced grid has one code more than its bits can name.
    bits: 32 - Math.clz32(highest - lowest),
    axis: 1,
    groupSize,
    codes: Uint8Array.from(codes, (code) => code - lowest),
    scales,
    zeros: zeros.map((zero) => zero - lowest),
  });
}
