/**
 * SliM-LLM (Huang et al., ICML 2025, arXiv 2405.14917): groups of columns have N - 1, N or N + 1 bits, N on average.
 *
 * Salience-determined bit allocation (section 3.2): `d_ij = w_ij^2 / [H^-1]_jj^2`; the `p` groups with the least salience have a bit less, as many
 * with the most a bit more, where `p` is what brings the softmax of the layer's output nearest:
 *
 *     p* = argmin_p D_KL(W X || W^_p X)
 *
 * Salience-weighted quantizer calibration (section 3.3): the range of each group and row is multiplied by what costs
 * `sum_j |w - w^|^2.4` least, salient entries `lambda` times. The loop over columns is GPTQ's, with these quantizers.
 */
import { linearRoles } from "../../model/architecture.ts";
import { linearKey } from "../../model/decoder/parameters.ts";
import { compensationSteps, onDevice, type Steps } from "../compensation/steps.ts";
import { hessianOf, type Problem, problemOf } from "../compensation/hessian.ts";
import { inverseOfUpper } from "../linear_algebra/cholesky.ts";
import { SchemeError } from "../error.ts";
import type { CalibratedWeights, InputStatistics, Matrix, MethodWith, WeightMethod } from "../method.ts";
import { integer, number, oneOf, type OptionTable, or, readOptions, type SuiteScheme } from "../options.ts";
import { type MixedBitsGroup, MixedBitsWeight } from "../weights/mixed_bits.ts";
import { allocate, groupSalience, searchPairs } from "./slimllm/allocation.ts";
import {
  calibrateRange,
  codeOf,
  fitSign,
  type RowQuantizer,
  salientEntries,
  valueOf,
} from "./slimllm/group.ts";

/** SliM-LLM as data. */
export interface SlimLlm extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "slimLlm";
  /** Bits of a weight on average, 2 to 7. */
  readonly bits: number;
  /** Columns of a group. */
  readonly groupSize: number;
  /** How many groups have a bit less, and how many a bit more: searched, or given; 0 of uniform bits. */
  readonly pairs: "search" | number;
  /** What an error of a salient entry counts (lambda). */
  readonly salienceWeight: number;
  /** Standard deviations from a group's mean salience beyond which an entry is salient. */
  readonly sigma: number;
  /** Share of the mean diagonal that is added to the Hessian's diagonal. */
  readonly percdamp: number;
  /**
   * `"original"`: what the authors' code does instead. Salience divides by the diagonal of `H^-1`'s Cholesky factor; a search adds 0.01 to the Hessian
   * for good, compares with an output that has the bias while the rounded one has none, and takes the divergence the other way round; outside of given
   * pairs of 0, zero points stand in the middle until the first group of a matrix that has N bits or more.
   */
  readonly arithmetic: "paper" | "original";
}

/** Options of {@linkcode slimLlm}. */
export type SlimLlmOptions = Partial<Omit<SlimLlm, keyof SuiteScheme>> & { readonly bits: number };

/** What {@linkcode slimLlm} accepts. */
export const slimLlmOptions: OptionTable<SlimLlm> = {
  bits: integer(2, 7),
  groupSize: integer(2, 1 << 16, 128),
  pairs: or("search", integer(0, 1 << 16), "search"),
  salienceWeight: number(0, 1e6, 1),
  sigma: number(0, 100, 3),
  percdamp: number(0, 10, 0.01),
  arithmetic: oneOf(["paper", "original"], "paper"),
};

/**
 * Bits by salience.
 *
 * @example
 * ```ts
 * import { parseScheme, slimLlm } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const scheme = { weights: slimLlm({ bits: 2, groupSize: 32 }) };
 * assertEquals(parseScheme(JSON.parse(JSON.stringify(scheme))), scheme);
 * ```
 */
export function slimLlm(options: SlimLlmOptions): SlimLlm {
  return readOptions("slimLlm", slimLlmOptions, options);
}

/** What was added to the Hessian of a search by the original code, whatever its size. */
const searchDamping = 0.01;

/** A weight with bits by group, given its Hessian; `pairs` is how many groups have a bit less, and as many a bit more. */
export function* slimSteps(
  weight: Matrix,
  hessian: Float64Array,
  scheme: SlimLlm,
  pairs: number,
): Steps<MixedBitsWeight> {
  const { rows, columns } = weight, { bits, groupSize, sigma, salienceWeight, arithmetic } = scheme;
  using problem = problemOf(weight, hessian, false, scheme.percdamp);
  const { work } = problem, pivots = pivotsOf(problem, arithmetic);
  const transposed: Matrix = { rows, columns, data: new Float32Array(rows * columns) };
  for (let i = 0; i < work.length; i++) transposed.data[i % rows * columns + Math.floor(i / rows)] = work[i];
  const precisions = allocate(groupSalience(transposed, pivots, groupSize), bits, pairs);
  const given = arithmetic === "paper" || pairs === 0 && scheme.pairs !== "search";
  const quantizers: RowQuantizer[] = new Array(rows), groups: MixedBitsGroup[] = [];
  let fixed = !given;
  yield* compensationSteps(problem, (values, j) => {
    const inGroup = j % groupSize;
    if (inGroup === 0) {
      const own = precisions[j / groupSize];
      if (own >= bits) fixed = false;
      const matrix = rowsOf(work, j, groupSize, rows);
      const salient = own > 1 && salienceWeight !== 1
        ? salientEntries(salienceOf(matrix, pivots, j), sigma)
        : null;
      for (let row = 0, at = 0; row < rows; row++, at += groupSize) {
        const part = matrix.data.subarray(at, at + groupSize);
        quantizers[row] = own === 1
          ? fitSign(part)
          : calibrateRange(part, own, fixed, salient?.subarray(at, at + groupSize) ?? null, salienceWeight);
      }
      groups.push({
        bits: own,
        codes: new Uint8Array(rows * groupSize),
        scales: Float32Array.from(quantizers, ({ scale }) => scale),
        zeros: Float32Array.from(quantizers, ({ zero }) => zero),
      });
    }
    const { codes } = groups[groups.length - 1];
    for (let row = 0; row < rows; row++) {
      const code = codes[row * groupSize + inGroup] = codeOf(values[row], quantizers[row]);
      values[row] = valueOf(code, quantizers[row]);
    }
  }, { block: groupSize });
  return new MixedBitsWeight(rows, groupSize, groups);
}

/** `1 / U_jj`, or `1 / [H^-1]_jj`. */
function pivotsOf({ factor, columns }: Problem, arithmetic: SlimLlm["arithmetic"]): Float64Array {
  const diagonal = Float64Array.from({ length: columns }, (_, j) => factor[j * columns + j]);
  if (arithmetic === "original") return diagonal;
  using inverse = inverseOfUpper(factor, columns);
  const { data } = inverse;
  return diagonal.map((_, j) => {
    // H^-1 = U^T U, U the inverse of the factor.
    let sum = 0;
    for (let i = 0; i <= j; i++) sum += data[i * columns + j] ** 2;
    return 1 / sum;
  });
}

function rowsOf(work: Float64Array, first: number, columns: number, rows: number): Matrix {
  const data = new Float32Array(rows * columns);
  for (let j = 0; j < columns; j++) {
    for (let row = 0; row < rows; row++) data[row * columns + j] = work[(first + j) * rows + row];
  }
  return { rows, columns, data };
}

function salienceOf({ columns, data }: Matrix, pivots: Float64Array, first: number): Float32Array {
  return data.map((value, i) => (value * pivots[first + i % columns]) ** 2);
}

/** How many groups have a bit less, what the search found, and the Hessian as it is after it. */
export async function pairsOf(
  weight: Matrix,
  hessian: Float64Array,
  scheme: SlimLlm,
  search: {
    device: Parameters<typeof searchPairs>[0];
    inputs: readonly Float32Array[];
    bias: Float32Array | null;
  },
): Promise<{ pairs: number; errors: number[]; hessian: Float64Array }> {
  const { columns } = weight, { bits, groupSize, arithmetic, pairs } = scheme, groups = columns / groupSize;
  if (pairs !== "search") {
    if (2 * pairs <= groups) return { pairs, errors: [], hessian };
    throw new SchemeError(
      "shape",
      `pairs is ${pairs}: expected at most ${Math.floor(groups / 2)} of ${groups} groups`,
    );
  }
  const original = arithmetic === "original", damped = original ? hessian.slice() : hessian;
  for (let i = 0; original && i < damped.length; i += columns + 1) {
    damped[i] = (damped[i] || 1) + searchDamping;
  }
  using problem = problemOf(weight, damped, false, original ? 0 : scheme.percdamp);
  const salience = groupSalience(weight, pivotsOf(problem, arithmetic), groupSize);
  const { device, inputs, bias } = search, how = { biased: !original, reversed: original };
  const errors = await searchPairs(device, weight, { salience, bits, inputs, bias, ...how });
  const best = errors.indexOf(Math.min(...errors));
  return { pairs: best + 1, errors, hessian: damped };
}

const calibrated = (scheme: SlimLlm, biases: ReadonlyMap<string, Float32Array>): CalibratedWeights =>
  async function (weight, place, input: InputStatistics | null, device) {
    const { layer, role, name } = place;
    if (input === null || layer === null || scheme.pairs === "search" && input.inputs === undefined) {
      throw new SchemeError(
        "calibration",
        `slimLlm: no inputs of ${name}: expected a linear layer of a decoder layer`,
      );
    }
    if (weight.columns % scheme.groupSize !== 0) {
      throw new SchemeError(
        "shape",
        `groupSize ${scheme.groupSize} does not divide ${weight.columns} input features of ${name}`,
      );
    }
    const bias = role === "head" || role === "embedding" ? null : biases.get(linearKey(layer, role)) ?? null;
    const search = { device, inputs: input.inputs ?? [], bias };
    const found = await pairsOf(weight, hessianOf(input), scheme, search);
    return await onDevice(device, slimSteps(weight, found.hessian, scheme, found.pairs));
  };

const weights: WeightMethod<SlimLlm> = {
  needs: "gram",
  inputs: ({ pairs }) => pairs === "search",
  async calibrate(model, scheme) {
    const biases = new Map<string, Float32Array>();
    for (let layer = 0; layer < model.architecture.layers; layer++) {
      for (const role of linearRoles(model.architecture)) {
        const bias = await model.bias(layer, role)?.();
        if (bias !== undefined) biases.set(linearKey(layer, role), bias);
      }
    }
    return calibrated(scheme, biases);
  },
  quantize: (weight, scheme, place, input, device) =>
    calibrated(scheme, new Map())(weight, place, input, device),
};

/** SliM-LLM, for the registry. */
export const slimLlmMethod: MethodWith<{ weights: WeightMethod<SlimLlm> }> = {
  name: "slimLlm",
  paper: {
    title: "SliM-LLM: Salience-Driven Mixed-Precision Quantization for Large Language Models",
    authors: "Huang et al. 2025",
    link: "https://arxiv.org/abs/2405.14917",
  },
  options: slimLlmOptions,
  parse: (options) => slimLlm(options as unknown as SlimLlmOptions),
  weights,
};
