/**
 * Binary-coded quantization, the weight format of LUT-GEMM (Park et al., ICLR 2024, arXiv:2206.09557, section 3.1):
 * each group of weights is a sum of `bits` planes of signs with one scale each, `w = sum_i alpha_i B_i`.
 *
 * Greedy fitting takes the signs of what is left and its mean magnitude, plane by plane. Alternating fitting (Xu et al.,
 * ICLR 2018, arXiv:1802.00150) then repeats: solve for the scales with the signs fixed, take the nearest of the
 * `2^bits` levels with the scales fixed. Every plane is +1 or -1, so no level is 0 unless scales cancel.
 */
import { fitBinary } from "../../kernels/host/binary_fit.ts";
import type { BinaryFit, BinaryRule } from "../../kernels/codes.ts";
import type { LinearRole } from "../../model/architecture.ts";
import { BcqWeight } from "../weights/binary.ts";
import type { Matrix, MethodWith, WeightMethod } from "../method.ts";
import { quantizeRows, rtn } from "./rtn.ts";
import { SchemeError } from "../error.ts";
import {
  groupSizeOf,
  groupSizeOption,
  integer,
  listOf,
  oneOf,
  type OptionTable,
  readOptions,
  refused,
  type SuiteScheme,
} from "../options.ts";

const allRoles: readonly LinearRole[] = ["q", "k", "v", "o", "gate", "up", "down"];

/** Binary-coded quantization as data. */
export interface Bcq extends SuiteScheme {
  /** The registry's tag. */
  readonly method: "bcq";
  /** Planes of signs: 1 to 8. */
  readonly bits: number;
  /** Input features of a row that share their scales; the whole row when absent. */
  readonly groupSize?: number;
  /** Rounds of alternating fitting; 0 is greedy. The published tables take 30. */
  readonly rounds: number;
  /** `"alternating"`, or `"nearest"`: round to nearest written as planes with an offset, which loses nothing to it. */
  readonly fit: "alternating" | "nearest";
  /** Linear layers that are quantized; the reference code finds only q, k and v in OPT models. */
  readonly roles: readonly LinearRole[];
}

/** Options of {@linkcode bcq}. */
export type BcqOptions = Partial<Omit<Bcq, keyof SuiteScheme>> & { readonly bits: number };

/** What {@linkcode bcq} accepts. */
export const bcqOptions: OptionTable<Bcq> = {
  bits: integer(1, 8),
  groupSize: groupSizeOption(),
  rounds: integer(0, 1000, 30),
  fit: oneOf(["alternating", "nearest"], "alternating"),
  roles: listOf(oneOf(allRoles), allRoles),
};

/**
 * Binary-coded weights.
 *
 * @example
 * ```ts
 * import { bcq } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(bcq({ bits: 3, groupSize: 128 }).rounds, 30);
 * ```
 */
export function bcq(options: BcqOptions): Bcq {
  const scheme = readOptions("bcq", bcqOptions, options);
  if (scheme.fit === "nearest" && scheme.bits < 2) {
    throw refused("bits", scheme.bits, 'an integer from 2 to 8 with fit "nearest"');
  }
  return scheme;
}

/** Planes and scales of a weight `[out, in]`, fitted on the host. */
export function binaryCode(weight: Matrix, scheme: Bcq): BcqWeight {
  const rule = ruleOf(weight, scheme);
  if (scheme.fit === "nearest") return nearest(weight, rule);
  return coded(weight, rule, fitBinary(weight.data, rule));
}

function ruleOf({ columns }: Matrix, scheme: Bcq): BinaryRule {
  const { bits, rounds } = scheme, groupSize = groupSizeOf(scheme, columns);
  if (columns % groupSize !== 0) {
    throw new SchemeError("shape", `groupSize ${groupSize} does not divide ${columns} input features`);
  }
  return { bits, groupSize, rounds };
}

function nearest(weight: Matrix, { bits, groupSize }: BinaryRule): BcqWeight {
  return BcqWeight.fromUniform(quantizeRows(weight, rtn({ bits, granularity: "group", groupSize })));
}

function coded({ rows, columns }: Matrix, { bits, groupSize }: BinaryRule, fit: BinaryFit): BcqWeight {
  return new BcqWeight({ shape: [rows, columns], bits, groupSize, ...fit });
}

const weights: WeightMethod<Bcq> = {
  needs: "nothing",
  skips: ({ roles }, { role }) => !roles.some((one) => one === role),
  async quantize(weight, scheme, _place, _input, device) {
    const rule = ruleOf(weight, scheme);
    if (scheme.fit === "nearest") return nearest(weight, rule);
    return coded(weight, rule, await device.fitBinary(weight.data, rule));
  },
};

/** Binary-coded quantization, for the registry. */
export const bcqMethod: MethodWith<{ weights: WeightMethod<Bcq> }> = {
  name: "bcq",
  paper: {
    title:
      "LUT-GEMM: Quantized Matrix Multiplication based on LUTs for Efficient Inference in Large-Scale Generative Language Models",
    authors: "Park et al. 2024",
    link: "https://arxiv.org/abs/2206.09557",
  },
  options: bcqOptions,
  cost: { passes: ({ bits }: Bcq) => bits },
  parse: (options) => bcq(options as unknown as BcqOptions),
  weights,
};
