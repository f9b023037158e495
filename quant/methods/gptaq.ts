/**
 * GPTAQ (Li et al., ICML 2025): GPTQ with asymmetric calibration. GPTQ keeps what a layer makes of its inputs; but behind quantized layers
 * these are not the float model's inputs any more. Here the quantized layer is to give, on the inputs X that it gets, the outputs that the
 * float layer gives on its own X_float (section 3):
 *
 *     min || (W + dW) X - W X_float ||^2
 *
 * Each column adds `w P` to those behind it, besides GPTQ's compensation (algorithm 1; `compensation/drift.ts` has P).
 *
 * It is a method of its own and no option of `gptq`: it needs other statistics (the float model runs beside the quantized one, layer by
 * layer, twice the time of a walk), it looks at inputs as `activations` round them, mixtures of experts cannot have it, and it is another
 * paper's. The loop over columns, its groups and its searches are GPTQ's.
 *
 * The reference code (Intelligent-Computing-Lab-Yale/GPTAQ, `fake_quant`) fixes alpha at 1/4 and damps the Hessian that linear layers share
 * once for each of them: `damping: "accumulated"`.
 */
import { pow } from "../../base/elementary.ts";
import { hessianOf } from "../compensation/hessian.ts";
import { onDevice } from "../compensation/steps.ts";
import type { InputStatistics, MethodWith, WeightMethod, WeightPlace } from "../method.ts";
import { SchemeError } from "../error.ts";
import {
  flag,
  groupSizeOption,
  integer,
  number,
  oneOf,
  type OptionTable,
  readOptions,
  type SuiteScheme,
} from "../options.ts";
import { gptqSteps } from "./gptq.ts";

/** GPTAQ as data. */
export interface Gptaq extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "gptaq";
  /** Bits per code, 2 to 8. */
  readonly bits: number;
  /** Input features of a row that share a scale; the whole row when absent. */
  readonly groupSize?: number;
  /** Whether the range is symmetric about 0. */
  readonly symmetric: boolean;
  /** Share of the drift of inputs that is made good; 0 is GPTQ. */
  readonly alpha: number;
  /** Columns by decreasing diagonal of the Hessian. */
  readonly actOrder: boolean;
  /** Scales of groups from the weight as it was before any compensation. */
  readonly staticGroups: boolean;
  /** Share of the mean diagonal that is added to the Hessian's diagonal. */
  readonly percdamp: number;
  /**
   * Whether each linear layer damps the Hessian of its input once, or k, v, q and up, gate one after the other the same one: the reference
   * code without `actOrder`.
   */
  readonly damping: "once" | "accumulated";
  /** Which weights give a group its scales, as in GPTQ. */
  readonly groupStatistics: "current" | "block-start";
  /** `"mse"` shrinks each range to the least error. */
  readonly search: "none" | "mse";
  /** Columns that are taken at once; results depend on it, as beyond a block rounded columns count. */
  readonly blockSize: number;
  /** Whether inputs are rounded as `activations` say while statistics are taken; those of the float model never are. */
  readonly roundedInputs: boolean;
}

/** Options of {@linkcode gptaq}; absent ones take the defaults of the reference code, but for `damping` and `groupStatistics`. */
export type GptaqOptions = Partial<Omit<Gptaq, keyof SuiteScheme>> & { readonly bits: number };

/** What {@linkcode gptaq} accepts. */
export const gptaqOptions: OptionTable<Gptaq> = {
  bits: integer(2, 8),
  groupSize: groupSizeOption(),
  symmetric: flag(false),
  alpha: number(0, 1, 0.25),
  actOrder: flag(false),
  staticGroups: flag(false),
  percdamp: number(0, 10, 0.01),
  damping: oneOf(["once", "accumulated"], "once"),
  groupStatistics: oneOf(["current", "block-start"], "current"),
  search: oneOf(["none", "mse"], "none"),
  blockSize: integer(1, 1 << 12, 128),
  roundedInputs: flag(true),
};

/**
 * GPTAQ with 2 to 8 bits.
 *
 * @example
 * ```ts
 * import { gptaq, rtn, type Scheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * // W4A4 as the paper's scripts have it, weights compensated for inputs of 4 bits.
 * const scheme: Scheme = {
 *   weights: gptaq({ bits: 4, search: "mse" }),
 *   activations: rtn({ bits: 4, granularity: "token", clip: 0.9 }),
 * };
 * assertEquals(scheme.weights?.method, "gptaq");
 * ```
 */
export function gptaq(options: GptaqOptions): Gptaq {
  return readOptions("gptaq", gptaqOptions, options);
}

/** The order in which the reference code takes linear layers of one input. */
const turns: Readonly<Partial<Record<WeightPlace["role"], number>>> = { v: 2, q: 3, gate: 2 };

/** Share of the mean diagonal that the Hessian of a linear layer is damped by. */
export function dampingOf({ percdamp, damping }: Gptaq, role: WeightPlace["role"]): number {
  const turn = damping === "accumulated" ? turns[role] ?? 1 : 1;
  // Each damping raises the mean by its share, and the next is a share of that.
  return pow(1 + percdamp, turn) - 1;
}

const weights: WeightMethod<Gptaq> = {
  needs: "gram",
  sequential: () => true,
  drift: () => true,
  roundedInputs: (scheme) => scheme.roundedInputs,
  async quantize(weight, scheme, place, input: InputStatistics | null, device) {
    if (input?.drift === undefined) {
      throw new SchemeError(
        "calibration",
        `gptaq: no statistics of the float model's inputs for ${place.name}: expected a linear layer of a decoder layer`,
      );
    }
    const { windows } = input, matrix = input.drift.map((value) => 2 * value / windows);
    const loop = { ...scheme, codes: "signed", percdamp: dampingOf(scheme, place.role) } as const;
    try {
      const target = { matrix, alpha: scheme.alpha, block: scheme.blockSize };
      return (await onDevice(device, gptqSteps(weight, hessianOf(input), loop, target))).weight;
    } catch (error) {
      if (!(error instanceof SchemeError)) throw error;
      throw new SchemeError(error.code, `${place.name}: ${error.message}`, { cause: error });
    }
  },
};

/** GPTAQ, for the registry. */
export const gptaqMethod: MethodWith<{ weights: WeightMethod<Gptaq> }> = {
  name: "gptaq",
  paper: {
    title: "GPTAQ: Efficient Finetuning-Free Quantization for Asymmetric Calibration",
    authors: "Li et al. 2025",
    link: "https://arxiv.org/abs/2504.02692",
  },
  options: gptaqOptions,
  parse: (options) => gptaq(options as unknown as GptaqOptions),
  weights,
};
