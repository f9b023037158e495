/**
 * Runs of QuaRot (`spcl/QuaRot` `fake_quant/main.py`) and SpinQuant (`facebookresearch/SpinQuant` `ptq.py` and `optimize_rotation.py`) by
 * their own arguments (`golden/methods2/rotation-w4a8`).
 */
import { show } from "../../../base/show.ts";
import { gptq } from "../../../quant/methods/gptq.ts";
import { quarot } from "../../../quant/methods/quarot.ts";
import { rtn } from "../../../quant/methods/rtn.ts";
import { spinquant } from "../../../quant/methods/spinquant.ts";
import type { Override, Scheme } from "../../../quant/scheme.ts";
import type { RawTensor } from "../../../model/safetensors.ts";
import { OracleError } from "../error.ts";
import type { GoldenReader, GoldenResult } from "./golden.ts";

/** An argument of the original code: `number` and `flag` give its default where it is absent. */
export class Arguments {
  readonly #read = new Set<string>();

  constructor(private readonly result: GoldenResult) {}

  number(name: string, fallback: number): number {
    return this.#value(name, fallback);
  }

  flag(name: string, fallback = false): boolean {
    return this.#value(name, fallback);
  }

  text(name: string, fallback: string): string {
    return this.#value(name, fallback);
  }

  #value<T extends number | boolean | string>(name: string, fallback: T): T {
    this.#read.add(name);
    const value = this.result.config[name] ?? fallback;
    if (typeof value === typeof fallback) return value as T;
    throw this.refused(`${name} is ${show(value)}: expected a ${typeof fallback}`);
  }

  /** Whether a part of the id says so, where the run was wired by hand and has no argument for it. */
  names(part: string): boolean {
    return this.result.id.split("-").includes(part);
  }

  /** Marks arguments as read that are no number, flag or text. */
  ignore(...names: string[]): void {
    for (const name of names) this.#read.add(name);
  }

  /** Throws if there is an argument that nobody has read. */
  requireAllRead(): void {
    const other = Object.keys(this.result.config).find((name) => !this.#read.has(name));
    if (other !== undefined) throw this.refused(`its argument ${other} is not known`);
  }

  refused(reason: string): OracleError {
    return new OracleError("id", `${this.result.id}: ${reason}`);
  }
}

/** Reads what `main.py` was called with. */
export const quarotRun: GoldenReader = (result) => {
  const args = new Arguments(result), { model, id } = result;
  const rotate = args.flag("rotate"), wbits = args.number("w_bits", 16), abits = args.number("a_bits", 16);
  const online = args.flag("onlineHadamard", true), biases = args.flag("vBiasRotated", true);
  if (rotate && model === "opt" && !(online && biases)) {
    throw args.refused(
      "a rotation without the online part, or without that of the value bias, is another function of the model",
    );
  }
  const scheme: Scheme = {
    ...rotations(args, rotate, /-ascoded$/.test(id)),
    ...quantizedWeights(args, wbits),
    ...quantizedCache(args, model),
    ...quantizedInputs(args, abits),
  };
  const overrides = [...downOverrides(args, wbits), ...siteOverrides(args)];
  args.requireAllRead();
  const compensates = scheme.weights?.method === "gptq";
  return {
    scheme: { ...scheme, ...overrides.length > 0 && { overrides } },
    calibrationWindows: compensates ? args.number("nsamples", 128) : 0,
  };
};

/** The rotations that the arguments ask for. */
export function rotations(args: Arguments, rotate: boolean, centered: boolean): Scheme {
  const keys = args.number("k_bits", 16) < 16, mode = args.text("rotate_mode", "hadamard");
  const seed = args.number("seed", 0);
  if (!rotate) return keys ? { transforms: [quarot({ hidden: "none", values: false, down: false })] } : {};
  const hidden = mode === "random" ? "orthogonal" : "hadamard";
  return { transforms: [quarot({ hidden, seed, keys, centered })] };
}

function quantizedWeights(args: Arguments, bits: number, spin = false): Pick<Scheme, "weights"> {
  const search = args.flag("w_clip", spin) ? "mse" : "none", symmetric = !args.flag("w_asym");
  // SpinQuant's evaluation forgets the zero point.
  const codes = spin && !symmetric ? "unshifted" : "signed";
  const groupSize = args.number("w_groupsize", -1), actOrder = args.flag("act_order");
  const rounds = args.flag("w_rtn", args.names("rtn"));
  if (bits === 16) return {};
  if (rounds) return { weights: rtn({ bits, symmetric, codes, search, ...groupSize > 0 && { groupSize } }) };
  const groupStatistics = "block-start";
  return {
    weights: gptq({
      bits,
      symmetric,
      codes,
      search,
      groupSize,
      actOrder,
      groupStatistics,
      trueSequential: true,
    }),
  };
}

/** Roundings of the inputs of linear layers. */
export function quantizedInputs(
  args: Arguments,
  bits: number,
  asymmetric = false,
): Pick<Scheme, "activations"> {
  const groupSize = args.number("a_groupsize", -1), symmetric = !args.flag("a_asym", asymmetric);
  const clip = clipOf(args, "a_clip_ratio");
  if (bits === 16) return {};
  if (groupSize < 0) return { activations: rtn({ bits, granularity: "token", symmetric, ...clip }) };
  // The range of a group need not hold 0, that of a token must.
  return { activations: rtn({ bits, groupSize, symmetric, zeroInRange: false, ...clip }) };
}

/** Values of all keys of a token in the fixture models, and of its hidden state. */
const cacheWidth: Readonly<Record<string, number>> = { llama: 128, "llama-outlier": 128, opt: 256 };
const hiddenSize = 256;

/**
 * Roundings of keys and values. Where no groups are asked for, a token's values have one range, and so have keys: in SpinQuant's code those of a
 * token, in QuaRot's as many as a hidden state has, which with fewer key than query heads are those of several tokens.
 */
function quantizedCache(
  args: Arguments,
  model: string,
  spin = false,
): Pick<Scheme, "key" | "value"> {
  const parts: { key?: ReturnType<typeof rtn>; value?: ReturnType<typeof rtn> } = {};
  for (const [letter, part] of [["k", "key"], ["v", "value"]] as const) {
    const bits = args.number(`${letter}_bits`, 16), groupSize = args.number(`${letter}_groupsize`, -1);
    const symmetric = !args.flag(`${letter}_asym`, spin), clip = clipOf(args, `${letter}_clip_ratio`);
    if (bits === 16) continue;
    // SpinQuant's values are rounded by heads whatever the arguments say.
    if (groupSize < 0 && !(spin && part === "value")) {
      const size = part === "key" && !spin ? hiddenSize : cacheWidth[model];
      if (size === undefined) throw args.refused(`how wide are keys of ${model}? expected a fixture model`);
      parts[part] = rtn({ bits, granularity: "span", groupSize: size, symmetric, ...clip });
      continue;
    }
    if (groupSize > 0 && groupSize !== headDim) {
      throw args.refused(`${letter}_groupsize is ${groupSize}: expected -1 or ${headDim}, as its code does`);
    }
    parts[part] = rtn({ bits, granularity: "token", symmetric, zeroInRange: part === "key", ...clip });
  }
  return parts;
}

/** `int8_down_proj`: weights and input of the down projection in 8 bits. */
function downOverrides(args: Arguments, wbits: number): Override[] {
  if (!args.flag("int8_down_proj")) return [];
  const { weights } = wbits < 16 ? quantizedWeights(args, 8) : {}, { activations } = quantizedInputs(args, 8);
  return [{ linears: ["down"], ...weights && { weights }, ...activations && { activations } }];
}

/** Rows of OPT that round some inputs only. */
function siteOverrides(args: Arguments): Override[] {
  const sites = args.text("sites", "all");
  if (sites === "all") return [];
  if (sites !== "fc2" && sites !== "notfc2") {
    throw args.refused(`sites is ${show(sites)}: expected fc2 or notfc2`);
  }
  const linears = sites === "notfc2" ? ["down"] as const : ["q", "k", "v", "o", "up"] as const;
  return [{ linears, activations: "float" }];
}

function clipOf(args: Arguments, name: string): { readonly clip?: number } {
  const clip = args.number(name, 1);
  return clip === 1 ? {} : { clip };
}

/** Dimensions of a head in the fixture models that SpinQuant's code ran on, and their layers. */
const headDim = 64, layers = 4;

/** Reads what `ptq.py` was called with (its scripts ask for clipped weights, asymmetric activations and caches), or a training run. */
export const spinquantRun: GoldenReader = (result, tensor) => {
  const args = new Arguments(result), { model, config } = result;
  const wbits = args.number("w_bits", 16),
    abits = args.number("a_bits", 16),
    keys = args.number("k_bits", 16) < 16;
  if (config.steps !== undefined) return trainingRun(args, config);
  const rotate = args.flag("rotate", true), learnt = rotate && args.text("rotation", "learned") === "learned";
  if (!rotate && config.rotation !== null) {
    throw args.refused(`rotation is ${show(config.rotation)} without rotate: expected null`);
  }
  const given = learnt
    ? {
      hidden: numbers(args, tensor("spin.R1.learned").data),
      values: Array.from({ length: layers }, (_, i) => numbers(args, tensor(`spin.R2.${i}.learned`).data)),
    }
    : undefined;
  const transforms = rotate
    ? [spinquant({ steps: 0, keys, ...given && { rotations: given } })]
    : keys
    ? [quarot({ hidden: "none", values: false, down: false })]
    : [];
  const scheme: Scheme = {
    ...transforms.length > 0 && { transforms },
    ...quantizedWeights(args, wbits, true),
    ...quantizedCache(args, model, true),
    ...quantizedInputs(args, abits, true),
  };
  // The output projection's input is rounded in groups of a head, whatever the arguments say.
  const activations = rtn({ bits: Math.min(abits, 8), groupSize: headDim, zeroInRange: false });
  const overrides: Override[] = abits < 16 ? [{ linears: ["o"], activations }] : [];
  if (!rotate) args.ignore("rotation");
  args.requireAllRead();
  return {
    scheme: { ...scheme, ...overrides.length > 0 && { overrides } },
    calibrationWindows: scheme.weights?.method === "gptq" ? args.number("nsamples", 128) : 0,
  };
};

function trainingRun(args: Arguments, config: GoldenResult["config"]): ReturnType<GoldenReader> {
  const steps = args.number("steps", 100),
    batch = args.number("batch", 8),
    fixed = config.windows !== undefined;
  const schedule = args.text("schedule", "cosine"), cacheBits = args.number("k_bits", 16);
  if (schedule !== "cosine") throw args.refused(`schedule is ${show(schedule)}: expected cosine`);
  if (args.number("weights", 16) !== 16) {
    throw args.refused("weights are rounded while learning: expected 16 bits");
  }
  if (args.number("v_bits", 16) !== cacheBits) {
    throw args.refused("k_bits and v_bits differ: expected the same");
  }
  for (const name of ["k_groupsize", "v_groupsize"]) {
    if (args.number(name, headDim) !== headDim) {
      throw args.refused(`${name} is not ${headDim}: expected groups of a head`);
    }
  }
  const gradientNorm = config.maxGradNorm === null ? null : args.number("maxGradNorm", 1);
  args.ignore("maxGradNorm", "windows");
  const learningRate = args.number("lr", 1.5), activationBits = args.number("a_bits", 16);
  args.requireAllRead();
  const training = spinquant({ steps, batch, learningRate, activationBits, cacheBits, gradientNorm });
  return { scheme: { transforms: [training] }, calibrationWindows: fixed ? 1 : steps * batch };
}

function numbers(args: Arguments, data: RawTensor["data"]): number[] {
  if (data instanceof Float32Array) return Array.from(data);
  throw args.refused("its rotations are no float32");
}
