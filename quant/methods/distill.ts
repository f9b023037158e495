/**
 * Layer-by-layer knowledge distillation (ZeroQuant: Yao et al., NeurIPS 2022, section 4.2). One decoder layer at a time
 * is trained so that, quantized, it gives the output that the float layer gives on the float model's own hidden states:
 *
 *     min over W:  mean((L_k(h) - L^_k(h))^2),   h = L_{k-1}(... L_1(x))
 *
 * Only one layer is in training, so no labels, no other layers and little memory are needed. Rounding has no useful
 * derivative; its gradient is taken as 1 (straight-through), and float32 masters of the weights add up what is learned.
 *
 * In a scheme this is a transform: it gives a float model whose weights are worth quantizing. Name the same quantizers
 * here and in the scheme's `weights` and `activations`.
 */
import type { Finished } from "../resumption/finished.ts";
import { linearRoles, linearShape, tensorName } from "../../model/architecture.ts";
import { linearKey } from "../../model/decoder/parameters.ts";
import type { Model } from "../../model/model.ts";
import { denseLinear, vectorParameter } from "../../model/decoder/parameter.ts";
import { distillLayer, type Training } from "./distill/layer.ts";
import { requireKnownLayer } from "../gradients/fisher.ts";
import { layerInputs } from "../calibration/layer_inputs.ts";
import type { MethodWith, ModelMethod } from "../method.ts";
import { SchemeError } from "../error.ts";
import {
  integer,
  listOf,
  number,
  oneOf,
  type Option,
  optional,
  type OptionTable,
  or,
  readOptions,
  refused,
  type SuiteScheme,
} from "../options.ts";
import { type TokenwiseZeroQuant, type ZeroQuant, zeroQuant } from "./zeroquant.ts";

/** Distillation as data. */
export interface Distill extends SuiteScheme, Training {
  /** The registry's tag. */
  readonly method: "distill";
  /** Which layers are trained, each on its own. */
  readonly layers: "last" | "all" | readonly number[];
}

/** Options of {@linkcode distill}. */
export type DistillOptions = Partial<Omit<Distill, keyof SuiteScheme | "weights">> & {
  readonly weights: ZeroQuant;
};

const expected = "zeroQuant({...})";
const zeroQuantized: Option<ZeroQuant> = {
  expected,
  read(name, value) {
    const { method, ...options } = Object(value) as ZeroQuant;
    if (method !== "zeroQuant") throw refused(name, value, expected);
    return zeroQuant(options);
  },
};

/** What {@linkcode distill} accepts. */
export const distillOptions: OptionTable<Distill> = {
  layers: or("last", or("all", listOf(integer(0, 1 << 16))), "last"),
  steps: integer(0, 1 << 24, 100),
  learningRate: number(0, 1, 5e-6),
  weightDecay: number(0, 1, 1e-5),
  batch: integer(1, 1 << 16, 4),
  attention: oneOf(["causal", "all"], "causal"),
  optimizer: optional(oneOf(["adam8bit"])),
  weights: zeroQuantized,
  activations: or(null, zeroQuantized as Option<TokenwiseZeroQuant>, null),
};

/**
 * Trains layers for their quantized form.
 *
 * @example
 * ```ts
 * import { distill, parseScheme, zeroQuant } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const weights = zeroQuant({ bits: 8, mlpBits: 4 });
 * const scheme = { transforms: [distill({ weights, steps: 200, learningRate: 5e-6 })], weights };
 * assertEquals(parseScheme(JSON.parse(JSON.stringify(scheme))), scheme);
 * ```
 */
export function distill(options: DistillOptions): Distill {
  return readOptions("distill", distillOptions, options);
}

/** A trained layer, as it is kept. */
interface TrainedLayer {
  readonly parameters: Readonly<Record<string, Float32Array>>;
  readonly losses: readonly number[];
}

/** Trains layers of a model; returns the new float model and the loss curve of each layer. */
export async function distillModel(
  model: Model,
  scheme: Distill,
  windows: readonly Int32Array[],
  progress: (message: string) => void = () => {},
  finished: Finished | null = null,
): Promise<{ model: Model; losses: ReadonlyMap<number, readonly number[]> }> {
  const { device, architecture } = model;
  const chosen = scheme.layers === "all"
    ? Array.from({ length: architecture.layers }, (_, i) => i)
    : scheme.layers === "last"
    ? [architecture.layers - 1]
    : scheme.layers;
  checkWindows(scheme, windows, chosen, architecture.layers);
  const inputs = await layerInputs(model, windows, finished);
  const linears = new Map<string, ReturnType<typeof denseLinear>>();
  const vectors = new Map<string, ReturnType<typeof vectorParameter>>();
  const biases = new Map<string, Float32Array>();
  const losses = new Map<number, readonly number[]>();
  for (const layer of chosen) {
    const train = async (): Promise<TrainedLayer> => {
      await requireKnownLayer(model, layer, inputs);
      const { parameters, losses } = await distillLayer(model, layer, inputs[layer], scheme);
      return { parameters: Object.fromEntries(parameters), losses };
    };
    const trained = await (finished === null ? train() : finished.step(`layer${layer}`, train));
    const of = (name: string) => trained.parameters[name] ?? new Float32Array();
    for (const role of linearRoles(architecture)) {
      const { name } = model.linear(layer, role);
      const bias = trained.parameters[`${role}.bias`] as Float32Array | undefined;
      if (bias !== undefined) biases.set(linearKey(layer, role), bias);
      linears.set(
        linearKey(layer, role),
        denseLinear(
          device,
          name,
          linearShape(architecture, role),
          () => Promise.resolve(of(role)),
          bias === undefined ? null : () => Promise.resolve(bias),
        ),
      );
    }
    for (const norm of ["attentionNorm", "mlpNorm"] as const) {
      const { weight, bias } = architecture[norm];
      for (const [template, name] of [[weight, norm], [bias, `${norm}.bias`]] as const) {
        if (template === undefined) continue;
        const tensor = tensorName(template, layer);
        const values = of(name);
        vectors.set(tensor, vectorParameter(device, tensor, () => Promise.resolve(values), [values.length]));
      }
    }
    losses.set(layer, trained.losses);
    progress(`distill layer ${layer}: ${trained.losses[0]} to ${trained.losses.at(-1)}`);
  }
  return { model: model.with({ linears, vectors, biases, change: scheme }), losses };
}

function checkWindows(
  scheme: Distill,
  windows: readonly Int32Array[],
  layers: readonly number[],
  count: number,
): void {
  const bad = layers.find((layer) => layer >= count);
  if (bad !== undefined) {
    throw new SchemeError("shape", `layers has ${bad}: expected 0 to ${count - 1}`);
  }
  if (windows.length < scheme.batch || windows.some((ids) => ids.length !== windows[0].length)) {
    throw new SchemeError(
      "calibration",
      `distill has ${windows.length} calibration windows: expected at least ${scheme.batch} (batch), all of one length`,
    );
  }
}

const transform: ModelMethod<Distill> = {
  async apply(model, scheme, context) {
    const windows = context.calibration("distill");
    return (await distillModel(model, scheme, windows, context.progress, context.finished)).model;
  },
};

/** Distillation, for the registry. */
export const distillMethod: MethodWith<{ transform: ModelMethod<Distill> }> = {
  name: "distill",
  paper: {
    title:
      "ZeroQuant: Efficient and Affordable Post-Training Quantization for Large-Scale Transformers, section 4.2",
    authors: "Yao et al. 2022",
    link: "https://arxiv.org/abs/2206.01861",
  },
  options: distillOptions,
  cost: { calibrates: true },
  parse: (options) => distill(options as unknown as DistillOptions),
  transform,
};
