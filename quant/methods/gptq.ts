/**
 * GPTQ (Frantar et al., ICLR 2023): weights are rounded one input column after the other, and what rounding changes
 * in the layer's output is compensated in the columns that follow (algorithm 1, with the inverse Hessian's Cholesky
 * factor).
 */
import { blockSize, compensationSteps, onDevice, onHost, type Steps } from "../compensation/steps.ts";
import { type Drift, driftTerm } from "../compensation/drift.ts";
import { hessianOf, inOwnOrder, problemOf } from "../compensation/hessian.ts";
import type { InputStatistics, Matrix, MethodWith, WeightMethod } from "../method.ts";
import { UniformWeight } from "../weights/uniform.ts";
import { SchemeError } from "../error.ts";
import {
  flag,
  groupSizeOf,
  groupSizeOption,
  integer,
  number,
  oneOf,
  optional,
  type OptionTable,
  readOptions,
  refused,
  type SuiteScheme,
} from "../options.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { bitsOfGrid, type BlockGrid, blockGridOption, blockGridRule, gptqBlockSteps } from "./gptq/blocks.ts";
import { fitCompensated } from "./gptq/clip.ts";
import { decode, encode, fitLeastError, fitRange, requireUnshifted, unshifted } from "../grids/uniform.ts";
import type { UniformRule } from "../../kernels/codes.ts";
import type { UniformQuantizer } from "../../kernels/quantizer.ts";

/** GPTQ as data. */
export interface Gptq extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "gptq";
  /** Bits per code, 2 to 8. */
  readonly bits: number;
  /**
   * Blocks of small floats (`mx`, `nvfp4`) in place of integers in groups. Their scales are those of the format; bits follow from it, and
   * `groupSize`, `symmetric`, `codes` and `search` are not theirs. `actOrder` then takes `staticGroups`, as blocks are neighbours.
   */
  readonly grid?: BlockGrid;
  /** Input features of a row that share a scale; the whole row when absent. */
  readonly groupSize?: number;
  /** Whether the range is symmetric about 0. */
  readonly symmetric: boolean;
  /**
   * Codes of symmetric quantizers at 4 bits: -8 to 7; -7 to 7 (the reference code in June 2025); or 0 to 15 with the
   * zero at 8 (the legacy reference code). `"unshifted"`, of asymmetric ranges: as in `rtn`.
   */
  readonly codes: "signed" | "narrow" | "offsetBinary" | "unshifted";
  /** Columns by decreasing diagonal of the Hessian ("desc_act"). */
  readonly actOrder: boolean;
  /** Scales of groups from the weight as it was before any compensation. */
  readonly staticGroups: boolean;
  /** Each block of a layer is calibrated on its quantized predecessors in the layer. */
  readonly trueSequential: boolean;
  /** Share of the mean diagonal that is added to the Hessian's diagonal. */
  readonly percdamp: number;
  /**
   * Which weights give a group its scales: as compensated up to the group (the paper, section 4: "current updated
   * weights"), or as they were when the block of 128 columns began (the reference code).
   */
  readonly groupStatistics: "current" | "block-start";
  /** `"mse"` shrinks each range to the least error; `"compensated"` clips it to what the loop would count as the least loss (MARLIN). */
  readonly search: "none" | "mse" | "compensated";
}

/** Options of {@linkcode gptq}; absent ones take the defaults of the reference code. */
export type GptqOptions =
  & Partial<Omit<Gptq, keyof SuiteScheme>>
  & ({ readonly bits: number } | { readonly grid: BlockGrid });

/** What {@linkcode gptq} accepts. */
export const gptqOptions: OptionTable<Gptq> = {
  bits: integer(2, 8),
  grid: optional(blockGridOption),
  groupSize: groupSizeOption(),
  symmetric: flag(false),
  codes: oneOf(["signed", "narrow", "offsetBinary", "unshifted"], "signed"),
  actOrder: flag(false),
  staticGroups: flag(false),
  trueSequential: flag(false),
  percdamp: number(0, 10, 0.01),
  groupStatistics: oneOf(["current", "block-start"], "current"),
  search: oneOf(["none", "mse", "compensated"], "none"),
};

/**
 * GPTQ with 2 to 8 bits, or onto blocks of small floats: `gptq({ grid: nvfp4() })`. (Round to nearest onto these is `nvfp4` itself.)
 *
 * @example
 * ```ts
 * import { gptq } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(gptq({ bits: 4, groupSize: 128, actOrder: true }).percdamp, 0.01);
 * ```
 */
export function gptq(options: GptqOptions): Gptq {
  const { grid } = options;
  if (options.search === "compensated" && options.actOrder && options.staticGroups) {
    // What columns that lie apart leave to compensate is no block of the factor.
    throw refused("staticGroups", true, 'false with actOrder and search "compensated"');
  }
  if (grid === undefined) {
    const scheme = readOptions<Gptq>("gptq", gptqOptions, options);
    requireUnshifted(scheme);
    return scheme;
  }
  const bits = bitsOfGrid(blockGridOption.read("grid", grid) ?? grid);
  const ofIntegers = ["groupSize", "symmetric", "codes", "search"] as const;
  const defaults = readOptions<Gptq>("gptq", gptqOptions, { bits });
  for (const name of ofIntegers) {
    const value = options[name];
    if (value !== undefined && value !== defaults[name]) throw refused(name, value, "none beside grid");
  }
  if (options.bits !== undefined && options.bits !== bits) {
    throw refused("bits", options.bits, `${bits}, as grid has`);
  }
  if (options.actOrder && !options.staticGroups) {
    throw refused("staticGroups", options.staticGroups, "true with actOrder and grid");
  }
  return readOptions("gptq", gptqOptions, { ...options, bits });
}

/** Result of quantizing one weight. */
export interface GptqResult {
  /** The codes with their scales and zero points. */
  readonly weight: UniformWeight;
  /** Half the Hessian-weighted squared error that was not compensated. */
  readonly loss: number;
}

/** What of GPTQ's settings the loop over columns reads. */
export type GptqLoop = Omit<Gptq, "method" | "trueSequential" | "grid">;

/** Another target than the weight's own outputs, and how many columns are taken at once (GPTAQ). */
export interface DriftingTarget extends Drift {
  /** Columns of a block. */
  readonly block: number;
}

/** Quantizes one weight `[out, in]` given `H` `[in, in]`, on the host. */
export function quantizeWithHessian(weight: Matrix, hessian: Float64Array, scheme: Gptq): GptqResult {
  return onHost(gptqSteps(weight, hessian, scheme));
}

/** The same, to be taken on a device. `given` takes the place of what is fitted to each row, where rows are no groups. */
export function* gptqSteps(
  weight: Matrix,
  hessian: Float64Array,
  scheme: GptqLoop,
  target?: DriftingTarget,
  given?: UniformQuantizer[],
): Steps<GptqResult> {
  const { rows, columns } = weight;
  const groupSize = groupSizeOf(scheme, columns);
  if (columns % groupSize !== 0) {
    throw new SchemeError("shape", `groupSize ${groupSize} does not divide ${columns} input features`);
  }
  using problem = problemOf(weight, hessian, scheme.actOrder, scheme.percdamp);
  using term = target && driftTerm(problem, hessian, target);
  const { permutation, work } = problem, size = target?.block ?? blockSize;
  const signed = scheme.symmetric && scheme.codes !== "offsetBinary";
  const mode = !scheme.symmetric ? "asymmetric" : signed ? "symmetric" : "offsetBinary";
  const rule: UniformRule = { bits: scheme.bits, mode, zeroInRange: true };
  const forgets = scheme.codes === "unshifted", bits = scheme.bits + (forgets ? 1 : 0);
  const offset = signed || forgets ? 2 ** (bits - 1) : 0;
  const groups = columns / groupSize;
  // Static groups are groups of the weight's own columns, others of the columns in the order they are taken.
  const ownOrder = scheme.staticGroups || groups === 1 || !scheme.actOrder;
  const grids: UniformQuantizer[][] = Array.from({ length: groups }, () => []);
  const compensated = scheme.search === "compensated";
  const fit = (values: Float64Array, group: number) => {
    const fitted = compensated
      ? fitCompensated(values, problem, group * groupSize, rule)
      : fitColumns(values, rows, rule, scheme.search);
    const narrow = signed && scheme.codes === "narrow";
    grids[group] = narrow
      ? fitted.map((one) => ({ ...one, lowest: -one.highest }))
      : forgets
      ? fitted.map((one) => unshifted(one, scheme.bits))
      : fitted;
  };
  if (given !== undefined) grids[0] = given;
  else if (scheme.staticGroups || groups === 1) {
    // As the reference code: a whole row's range is found before columns that are never used are set to 0, those of groups after.
    const whole = groups === 1 && !scheme.staticGroups;
    const original = compensated ? work : whole ? columnsOf(weight) : inOwnOrder(problem);
    for (let g = 0; g < groups; g++) {
      fit(original.subarray(g * groupSize * rows, (g + 1) * groupSize * rows), g);
    }
  }
  let blockStart = work;
  const codes = new Uint8Array(rows * columns);
  const loss = yield* compensationSteps(problem, (values, j) => {
    const column = permutation[j];
    const group = Math.floor((ownOrder ? column : j) / groupSize);
    if (!scheme.staticGroups && groups > 1 && j % groupSize === 0) {
      const source = scheme.groupStatistics === "current" ? work : blockStart;
      fit(source.subarray(j * rows, (j + groupSize) * rows), group);
    }
    for (let row = 0; row < rows; row++) {
      const quantizer = grids[group][row];
      const code = encode(values[row], quantizer);
      codes[row * columns + (ownOrder ? column : j)] = code + offset;
      values[row] = decode(code, quantizer);
    }
  }, {
    block: ownOrder && groups === 1 ? size : Math.max(size, groupSize),
    onBlock: () => {
      if (scheme.groupStatistics === "block-start" && groupSize < size) blockStart = work.slice();
    },
    ...term && { drift: term.data },
  });
  const scales = new Float32Array(rows * groups), zeros = new Uint8Array(rows * groups);
  for (const [g, byRow] of grids.entries()) {
    for (const [row, { scale, zero }] of byRow.entries()) {
      scales[row * groups + g] = scale;
      zeros[row * groups + g] = zero + offset;
    }
  }
  const shape = [rows, columns] as const;
  const order = ownOrder ? {} : { permutation };
  const parts = { shape, bits, groupSize, codes, scales, ...order }, fixed = forgets || mode !== "asymmetric";
  return { weight: new UniformWeight({ ...parts, zeros: fixed ? zeros[0] : zeros }), loss };
}

/** A weight as columns `[in, out]`. */
function columnsOf({ rows, columns, data }: Matrix): Float64Array {
  const result = new Float64Array(data.length);
  for (let row = 0, i = 0; row < rows; row++) {
    for (let j = 0; j < columns; j++, i++) result[j * rows + row] = data[i];
  }
  return result;
}

/** One quantizer per row from columns `[count, rows]`. */
function fitColumns(
  values: Float64Array,
  rows: number,
  rule: UniformRule,
  search: Gptq["search"],
): UniformQuantizer[] {
  const single = Float32Array.from(values);
  const fit = search === "mse" ? fitLeastError : fitRange;
  return Array.from({ length: rows }, (_, row) => fit(single, row, values.length / rows, rule, rows));
}

const weights: WeightMethod<Gptq> = {
  needs: "gram",
  sequential: (scheme) => scheme.trueSequential,
  async quantize(weight, scheme, place, input: InputStatistics | null, device) {
    if (input === null) throw new SchemeError("calibration", `gptq: no input statistics for ${place.name}`);
    try {
      const hessian = hessianOf(input);
      const steps: Steps<{ weight: StoredWeight }> = scheme.grid === undefined
        ? gptqSteps(weight, hessian, scheme)
        : gptqBlockSteps(weight, hessian, scheme, blockGridRule(scheme.grid, weight));
      return (await onDevice(device, steps)).weight;
    } catch (error) {
      if (!(error instanceof SchemeError)) throw error;
      throw new SchemeError(error.code, `${place.name}: ${error.message}`, { cause: error });
    }
  },
};

/** GPTQ, for the registry. */
export const gptqMethod: MethodWith<{ weights: WeightMethod<Gptq> }> = {
  name: "gptq",
  paper: {
    title: "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers",
    authors: "Frantar et al. 2023",
    link: "https://arxiv.org/abs/2210.17323",
  },
  options: gptqOptions,
  parse: (options) => gptq(options as unknown as GptqOptions),
  weights,
};
