/** QuaRot's published runs: `spcl/QuaRot` `fake_quant/main.py` by its own arguments (`golden/methods2/rotation-w4a8`). */
import { show } from "../../../base/show.ts";
import { gptq } from "../../../quant/methods/gptq.ts";
import { quarot } from "../../../quant/methods/quarot.ts";
import { rtn } from "../../../quant/methods/rtn.ts";
import type { Override, Scheme } from "../../../quant/scheme.ts";
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

function rotations(args: Arguments, rotate: boolean, centered: boolean): Scheme {
  const keys = args.number("k_bits", 16) < 16, mode = args.text("rotate_mode", "hadamard");
  const seed = args.number("seed", 0);
  if (!rotate) return keys ? { transforms: [quarot({ hidden: "none", values: false, down: false })] } : {};
  const hidden = mode === "random" ? "orthogonal" : "hadamard";
  return { transforms: [quarot({ hidden, seed, keys, centered })] };
}

function quantizedWeights(args: Arguments, bits: number): Pick<Scheme, "weights"> {
  const search = args.flag("w_clip") ? "mse" : "none", symmetric = !args.flag("w_asym");
  const groupSize = args.number("w_groupsize", -1), actOrder = args.flag("act_order");
  const rounds = args.flag("w_rtn");
  if (bits === 16) return {};
  if (rounds) return { weights: rtn({ bits, symmetric, search, ...groupSize > 0 && { groupSize } }) };
  const groupStatistics = "block-start";
  return {
    weights: gptq({ bits, symmetric, search, groupSize, actOrder, groupStatistics, trueSequential: true }),
  };
}

function quantizedInputs(args: Arguments, bits: number): Pick<Scheme, "activations"> {
  const groupSize = args.number("a_groupsize", -1), symmetric = !args.flag("a_asym");
  const clip = clipOf(args, "a_clip_ratio");
  if (bits === 16) return {};
  if (groupSize < 0) return { activations: rtn({ bits, granularity: "token", symmetric, ...clip }) };
  // The range of a group need not hold 0, that of a token must.
  return { activations: rtn({ bits, groupSize, symmetric, zeroInRange: false, ...clip }) };
}

function quantizedCache(args: Arguments, model: string): Pick<Scheme, "key" | "value"> {
  const parts: { key?: ReturnType<typeof rtn>; value?: ReturnType<typeof rtn> } = {};
  for (const [letter, part] of [["k", "key"], ["v", "value"]] as const) {
    const bits = args.number(`${letter}_bits`, 16), groupSize = args.number(`${letter}_groupsize`, -1);
    const symmetric = !args.flag(`${letter}_asym`), clip = clipOf(args, `${letter}_clip_ratio`);
    if (bits === 16) continue;
    if (groupSize < 0) {
      throw args.refused(
        `${part}s of all heads of a token share a range, and on ${model} with fewer key than query heads those of two tokens: ` +
          "expected groups of a head",
      );
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
