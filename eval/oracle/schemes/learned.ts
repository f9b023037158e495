/**
 * Runs of OmniQuant (`OpenGVLab/OmniQuant` `main.py`) and of ABQ-LLM (`bytedance/ABQ-LLM` `algorithm/main.py`) by their own arguments
 * (`golden/methods2/learned`).
 */
import type { RawTensor } from "../../../model/safetensors.ts";
import { type Affine, affine } from "../../../quant/methods/affine.ts";
import { type Abq, abq } from "../../../quant/methods/abq.ts";
import { type GivenLayer, type OmniQuant, omniquant } from "../../../quant/methods/omniquant.ts";
import type { Scheme } from "../../../quant/scheme.ts";

import type { GoldenReader, GoldenResult } from "./golden.ts";
import { Arguments } from "./rotation.ts";

/** Rows of `calib` from which statistics of activations are taken. */
const statistics = 32;

/** Linear layers by the names of the original's modules. */
const roles: Readonly<Record<string, string>> = {
  "self_attn.q_proj": "q",
  "self_attn.k_proj": "k",
  "self_attn.v_proj": "v",
  "self_attn.o_proj": "o",
  "self_attn.out_proj": "o",
  "mlp.gate_proj": "gate",
  "mlp.up_proj": "up",
  "mlp.down_proj": "down",
  "fc1": "up",
  "fc2": "down",
};
const places: Readonly<Record<string, string>> = {
  qkv: "attention",
  out: "output",
  fc1: "mlp",
  fc2: "down",
  qkt: "queryKey",
};

/** The name here of a parameter of the original: `q.upper`, `attention.scale`; null for what is no learned vector. */
export function learnedName(original: string): string | null {
  const clip = /^(.*)\.weight_quantizer\.(up|low)bound_factor$/.exec(original);
  if (clip !== null) return roles[clip[1]] && `${roles[clip[1]]}.${clip[2] === "up" ? "upper" : "lower"}`;
  const vector = /(?:down_proj|fc2)_compensation_(left|right)$/.exec(original);
  if (vector !== null) return `down.${vector[1]}`;
  const smooth = /^(\w+)_smooth_(scale|shift)(?:\.blocks)?$/.exec(original);
  return smooth === null ? null : places[smooth[1]] && `${places[smooth[1]]}.${smooth[2]}`;
}

/** What was learned of all layers, where it is stored; null where nothing is, or the first layer's alone. */
export function storedLayers(
  id: string,
  tensors: ReadonlyMap<string, RawTensor> | undefined,
  keep: (name: string) => boolean,
): GivenLayer[] | null {
  const layers: Record<string, number[]>[] = [];
  for (const [name, { data }] of tensors ?? []) {
    const [, layer, parameter] = name.startsWith(`${id}.layers.`)
      ? /^(\d+)\.(.*)$/.exec(name.slice(`${id}.layers.`.length)) ?? []
      : [];
    const own = parameter === undefined ? null : learnedName(parameter);
    if (own === null || !keep(own)) continue;
    (layers[Number(layer)] ??= {})[own] = Array.from(data, Number);
  }
  return layers.length > 1 ? layers : null;
}

/** Arguments that both take, and what goes with them. */
function common(
  args: Arguments,
  { id, model, method }: GoldenResult,
  tensors: ReadonlyMap<string, RawTensor> | undefined,
) {
  const isAffine = method === "AffineQuant";
  const isOpt = model === "opt", activationBits = args.number("abits", 16);
  const equivalent = args.flag("let"),
    epochs = args.number("epochs", 2),
    samples = args.number("nsamples", 8);
  const repaired = args.flag("optFix"), shifted = isAffine || isOpt && activationBits < 16;
  // Scales of the feed-forward block's middle are registered for OPT, and unused.
  const kept = (name: string) =>
    (shifted || !name.endsWith(".shift")) && !(isOpt && name.startsWith("down.s"));
  const parameters = storedLayers(id, tensors, kept);
  if (equivalent && isOpt && !isAffine && epochs > 0 && !repaired && parameters === null) {
    throw args.refused(
      "it was trained on a block that is not OPT's: expected optFix, or the stored parameters",
    );
  }
  const options = {
    bits: args.number("wbits", 4),
    groupSize: args.number("group_size", -1),
    symmetric: args.flag("symmetric"),
    signed: args.flag("disable_zero_point"),
    activationBits,
    operands: isOpt ? "token" as const : "head" as const,
    clip: args.flag("lwc"),
    equivalent,
    alpha: args.number("alpha", 0.5),
    epochs,
    samples,
    batch: args.number("batch_size", 1),
    clipRate: args.number("lwc_lr", 1e-2),
    equivalentRate: args.number("let_lr", 5e-3),
    weightDecay: args.number("wd", 0),
    ...parameters && { parameters },
  };
  const windows = equivalent ? statistics : epochs > 0 ? samples : 0;
  return { options, calibrationWindows: parameters === null ? windows : 0 };
}

/** The same scheme wherever something is rounded. */
function everywhere(own: OmniQuant | Abq | Affine): Scheme {
  return own.activationBits === 16
    ? { weights: own }
    : { weights: own, activations: own, query: own, key: own, value: own };
}

/** Reads what OmniQuant's `main.py` was called with. */
export const readOmniQuant: GoldenReader = (result, _, tensors) => {
  const args = new Arguments(result), tied = args.flag("gqaTied");
  const { options, calibrationWindows } = common(args, result, tensors);
  const grouped = result.model === "llama" || result.model === "llama-outlier";
  if (options.equivalent && grouped && !tied) {
    throw args.refused("the original cannot scale values that several heads share: expected gqaTied");
  }
  const own = omniquant({ ...options, augmented: args.flag("aug_loss") });
  args.requireAllRead();
  return { scheme: everywhere(own), calibrationWindows };
};

/** Reads what AffineQuant's `main.py` was called with: `use_matrix` is a matrix for queries and keys, `use_ln_matrix` one behind norms. */
export const readAffine: GoldenReader = (result, _, tensors) => {
  const args = new Arguments(result);
  const { options, calibrationWindows } = common(args, result, tensors);
  if (options.epochs < 2) {
    throw args.refused(
      `epochs is ${options.epochs}, with which the original divides by zero or stops: expected 2 or more`,
    );
  }
  const own = affine({
    ...options,
    mixQueries: args.flag("use_matrix"),
    mixChannels: args.flag("use_ln_matrix"),
    stability: args.number("sf", 1),
    augmented: args.flag("aug_loss"),
  });
  args.requireAllRead();
  return { scheme: everywhere(own), calibrationWindows };
};

/** Reads what ABQ-LLM's `main.py` was called with; `no...` are switches of the runner's. */
export const readAbq: GoldenReader = (result, _, tensors) => {
  const args = new Arguments(result), { options, calibrationWindows } = common(args, result, tensors);
  const own = abq({
    ...options,
    balanced: !args.flag("noBalance"),
    compensation: args.flag("noComp") ? "none" : "outer",
    cosine: !args.flag("noCos"),
    maps: !args.flag("noKL"),
  });
  args.requireAllRead();
  return { scheme: everywhere(own), calibrationWindows };
};
