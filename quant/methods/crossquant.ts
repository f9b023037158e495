/**
 * CrossQuant: each activation has a step of its own, between what its token and what its channel would choose.
 *
 * Source: Liu et al., "CrossQuant: A Post-Training Quantization Method with Smaller Quantization Kernel for Precise Large Language Model
 * Compression", 2024 (arXiv 2410.07505), eq. 5. With `t_i` and `c_j` the largest magnitudes of row and column,
 *
 *     step_ij = t_i^alpha c_j^(1 - alpha) / (2^(bits - 1) - 1),  x^ = step_ij round(x / step_ij)
 *
 * so that `alpha` 1 is per token and 0 per channel. Its point is the *quantization kernel*, the share of values that round to 0
 * ({@linkcode kernelFraction}). No code is public; the paper does not say how integers are multiplied under a step that differs in each
 * element: as weights, this method folds `c_j^(1-alpha)` into their columns before they are rounded, as an integer product would have to;
 * with `alpha` 1 they are rounded as they are.
 */
import { pow } from "../../base/elementary.ts";
import { roundHalfEven } from "../../kernels/round.ts";
import { calibratedMaxima } from "../calibration/activation_maxima.ts";
import type { Matrix, MethodWith, OperandMethod, WeightMethod } from "../method.ts";
import {
  groupSizeOption,
  integer,
  number,
  oneOf,
  type OptionTable,
  readOptions,
  type SuiteScheme,
} from "../options.ts";
import { ColumnScaledWeight } from "../weights/column_scaled.ts";
import { UniformWeight } from "../weights/uniform.ts";

/** CrossQuant as data. */
export interface CrossQuant extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "crossQuant";
  /** Bits per code, 2 to 8. */
  readonly bits: number;
  /** How much the row counts beside the column: 1 is per token, 0 per channel. */
  readonly alpha: number;
  /**
   * Where a column's largest magnitude is looked up: among the tokens that are multiplied together (`"tokens"`: one token decoded alone has
   * only itself), or among those of the calibration text, values beyond it being clamped (`"calibration"`; weights always do).
   */
  readonly columns: "tokens" | "calibration";
  /** Of weights: values per group of a row; absent means whole rows. */
  readonly groupSize?: number;
}

/** Options of {@linkcode crossQuant}. */
export type CrossQuantOptions = Pick<CrossQuant, "bits"> & Partial<Omit<CrossQuant, "method" | "bits">>;

/** What {@linkcode crossQuant} accepts. */
export const crossQuantOptions: OptionTable<CrossQuant> = {
  bits: integer(2, 8),
  alpha: number(0, 1, 0.15),
  columns: oneOf(["tokens", "calibration"], "tokens"),
  groupSize: groupSizeOption(),
};

/**
 * Steps between token and channel; `alpha` 0.15 is the paper's.
 *
 * @example
 * ```ts
 * import { crossQuant, rtn } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const scheme = { weights: rtn({ bits: 8, symmetric: true }), activations: crossQuant({ bits: 8 }) };
 * assertEquals(scheme.activations.alpha, 0.15);
 * ```
 */
export function crossQuant(options: CrossQuantOptions): CrossQuant {
  return readOptions<CrossQuant>("crossQuant", crossQuantOptions, options);
}

/** A matrix rounded with cross steps. */
export interface CrossCodes {
  /** Signed codes. */
  readonly codes: Int16Array;
  /** The step of each element. */
  readonly steps: Float64Array;
}

/** Codes and steps of a matrix `[rows, columns]`; `maxima` are those of its columns unless given. Steps are float64. */
export function crossCodes(
  { rows, columns, data }: Matrix,
  { bits, alpha }: Pick<CrossQuant, "bits" | "alpha">,
  maxima: Float32Array = columnMaxima({ rows, columns, data }),
): CrossCodes {
  const most = 2 ** (bits - 1) - 1;
  const codes = new Int16Array(data.length), steps = new Float64Array(data.length);
  const ofColumn = Float64Array.from(maxima, (one) => pow(one, 1 - alpha));
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    let largest = 0;
    for (let i = start; i < start + columns; i++) largest = Math.max(largest, Math.abs(data[i]));
    const ofRow = pow(largest, alpha);
    for (let j = 0, i = start; j < columns; j++, i++) {
      const step = steps[i] = ofRow * ofColumn[j] / most;
      // A column or a row of zeros has step 0: its values are 0 without a code.
      codes[i] = step === 0 ? 0 : Math.max(-most, Math.min(most, roundHalfEven(data[i] / step)));
    }
  }
  return { codes, steps };
}

/** The quantization kernel: the share of a matrix's values whose code is 0. */
export function kernelFraction(matrix: Matrix, scheme: Pick<CrossQuant, "bits" | "alpha">): number {
  return crossCodes(matrix, scheme).codes.reduce((sum, code) => sum + (code === 0 ? 1 : 0), 0) /
    matrix.data.length;
}

function columnMaxima({ columns, data }: Matrix): Float32Array {
  const maxima = new Float32Array(columns);
  for (const [i, value] of data.entries()) {
    maxima[i % columns] = Math.max(maxima[i % columns], Math.abs(value));
  }
  return maxima;
}

const operand: OperandMethod<CrossQuant> = {
  async apply(device, x, { rows, columns }, scheme) {
    const data = await device.read(x, 0, rows * columns);
    device.write(x, rounded({ rows, columns, data }, scheme));
  },
  async calibrate(model, scheme, context) {
    if (scheme.columns === "tokens") return null;
    const maximaAt = await calibratedMaxima(model, "crossQuant", context);
    return async (x, { rows, columns }, place) => {
      const data = await model.device.read(x, 0, rows * columns);
      model.device.write(x, rounded({ rows, columns, data }, scheme, maximaAt(place)));
    };
  },
};

function rounded(matrix: Matrix, scheme: CrossQuant, maxima?: Float32Array): Float32Array {
  const { codes, steps } = crossCodes(matrix, scheme, maxima);
  return Float32Array.from(codes, (code, i) => code * steps[i]);
}

/** Symmetric codes of a weight in groups of its rows; steps are float64 until they are stored. */
function symmetricRows(
  { rows, columns, data }: Matrix,
  { bits, groupSize = columns }: CrossQuant,
): UniformWeight {
  const offset = 2 ** (bits - 1), most = offset - 1;
  const codes = new Uint8Array(data.length), scales = new Float32Array(data.length / groupSize);
  for (let start = 0; start < data.length; start += groupSize) {
    const group = data.subarray(start, start + groupSize);
    const step = group.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / most;
    scales[start / groupSize] = step;
    for (const [i, value] of group.entries()) {
      codes[start + i] = offset + (step === 0 ? 0 : roundHalfEven(value / step));
    }
  }
  return new UniformWeight({ shape: [rows, columns], bits, groupSize, codes, scales, zeros: offset });
}

const weights: WeightMethod<CrossQuant> = {
  needs: "nothing",
  quantize: (weight, scheme) => symmetricRows(weight, scheme),
  async calibrate(model, scheme, context) {
    // Alpha 1 leaves nothing to fold: these are plain symmetric weights.
    if (scheme.alpha === 1) return null;
    const maximaAt = await calibratedMaxima(model, "crossQuant", context);
    return ({ rows, columns, data }, place) => {
      // Factors are rounded to float32, as they would be stored; a channel without values keeps its weights.
      const factors = maximaAt(place).map((one) => one === 0 ? 1 : pow(one, 1 - scheme.alpha));
      const folded = data.map((value, i) => value * factors[i % columns]);
      return new ColumnScaledWeight(symmetricRows({ rows, columns, data: folded }, scheme), factors);
    };
  },
};

/** CrossQuant, for the registry. */
export const crossQuantMethod: MethodWith<
  { weights: WeightMethod<CrossQuant>; operand: OperandMethod<CrossQuant> }
> = {
  name: "crossQuant",
  paper: {
    title:
      "CrossQuant: A Post-Training Quantization Method with Smaller Quantization Kernel for Precise Large Language Model Compression",
    authors: "Liu et al. 2024",
    link: "https://arxiv.org/abs/2410.07505",
  },
  options: crossQuantOptions,
  parse: (options) => crossQuant(options as unknown as CrossQuantOptions),
  weights,
  operand,
};
