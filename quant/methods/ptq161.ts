/**
 * PTQ1.61 (Zhao et al., ACL 2025, arXiv 2502.13179): a fifth of the input channels, those with the largest magnitudes over a text, has 4 bits in
 * all rows; all other weights are a sign. The mask is one bit for each column, so that
 *
 *     bits = 4 r + (1 - r) + 1 / out + ... = 1.61,   r = 0.2
 *
 * Section 3.2, with `mu` and `alpha` of a row over its binary columns that are not 0:
 *
 *     w^ = alpha sign(w - mu) + mu,   mu = mean(w),   alpha = mean|w|
 *
 * and in salient columns a range from the smallest to the largest value of the whole row. (`mean|w - mu|` would be the least squares' `alpha`; the
 * paper learns it, and factors of rows and columns, block by block afterwards; this is what that starts from.)
 */
import { calibratedMaxima } from "../calibration/activation_maxima.ts";
import { SchemeError } from "../error.ts";
import { roundToHalf } from "../grids/precision.ts";
import { encode, fitRange } from "../grids/uniform.ts";
import type { Matrix, MethodWith, WeightMethod } from "../method.ts";
import { integer, number, oneOf, type OptionTable, readOptions, type SuiteScheme } from "../options.ts";
import { StructuredBinaryWeight } from "../weights/structured_binary.ts";

/** PTQ1.61 as data. */
export interface Ptq161 extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "ptq161";
  /** Share of input channels that are salient; their number is rounded down. */
  readonly ratio: number;
  /** Bits of salient channels, 2 to 8. */
  readonly bits: number;
  /** Distance of binary weights from their mean: the mean magnitude (as the paper starts), or the mean distance from the mean, the best. */
  readonly distance: "magnitude" | "leastSquares";
  /**
   * Channels of equal magnitudes, and how many there are: exactly the share, first ones first; or (`"original"`) all that reach the magnitude behind the
   * share's last, one more at least, with magnitudes rounded to float16, as the original reads them unless it trains without autocast.
   */
  readonly mask: "share" | "original";
}

/** Options of {@linkcode ptq161}. */
export type Ptq161Options = Partial<Omit<Ptq161, keyof SuiteScheme>>;

/** What {@linkcode ptq161} accepts. */
export const ptq161Options: OptionTable<Ptq161> = {
  ratio: number(0, 1, 0.2),
  bits: integer(2, 8, 4),
  distance: oneOf(["magnitude", "leastSquares"], "magnitude"),
  mask: oneOf(["share", "original"], "share"),
};

/**
 * Signs, and 4 bits in salient channels.
 *
 * @example
 * ```ts
 * import { parseScheme, ptq161 } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const scheme = { weights: ptq161({ ratio: 0.2 }) };
 * assertEquals(parseScheme(JSON.parse(JSON.stringify(scheme))), scheme);
 * ```
 */
export function ptq161(options: Ptq161Options = {}): Ptq161 {
  return readOptions("ptq161", ptq161Options, options);
}

/** Which channels are salient: 1 where they are. */
export function salientChannels(
  maxima: Float32Array,
  { ratio, mask }: Pick<Ptq161, "ratio" | "mask">,
): Uint8Array {
  const count = Math.floor(ratio * maxima.length);
  const order = Array.from(maxima.keys()).sort((a, b) => maxima[b] - maxima[a] || a - b);
  if (mask === "share") {
    const chosen = new Set(order.slice(0, count));
    return Uint8Array.from(maxima, (_, channel) => chosen.has(channel) ? 1 : 0);
  }
  if (count === maxima.length) {
    throw new SchemeError(
      "option",
      `ratio is ${ratio}: expected less than 1 with mask "original", which takes one channel more`,
    );
  }
  const halves = maxima.map((one) => Math.max(roundToHalf(one), 1e-5)), threshold = halves[order[count]];
  return Uint8Array.from(halves, (one) => one >= threshold ? 1 : 0);
}

/** One weight `[out, in]` with a mask of its columns. */
export function binarize(
  weight: Matrix,
  mask: Uint8Array,
  { bits, distance }: Ptq161,
): StructuredBinaryWeight {
  const { rows, columns, data } = weight, masked = mask.reduce((sum, one) => sum + one, 0);
  const codes = new Uint8Array(rows * masked), signs = new Uint8Array(rows * (columns - masked));
  const scales = new Float32Array(rows), zeros = new Uint8Array(rows);
  const means = new Float32Array(rows), distances = new Float32Array(rows);
  for (let row = 0, code = 0, sign = 0; row < rows; row++) {
    const start = row * columns,
      quantizer = fitRange(data, start, columns, { bits, mode: "asymmetric", zeroInRange: true });
    scales[row] = quantizer.scale;
    zeros[row] = quantizer.zero;
    const binary = data.subarray(start, start + columns).filter((value, j) => mask[j] === 0 && value !== 0);
    let sum = 0, size = 0;
    for (const value of binary) sum += value;
    const mean = means[row] = binary.length === 0 ? 0 : sum / binary.length;
    for (const value of binary) size += Math.abs(distance === "magnitude" ? value : value - mean);
    // A row of equal weights has no sign beside its mean.
    const flat = binary.every((value) => value === binary[0]);
    distances[row] = flat ? 0 : size / binary.length;
    for (let j = 0; j < columns; j++) {
      if (mask[j] === 1) codes[code++] = encode(data[start + j], quantizer);
      else signs[sign++] = data[start + j] >= mean ? 1 : 0;
    }
  }
  return new StructuredBinaryWeight({
    shape: [rows, columns],
    mask,
    bits,
    codes,
    scales,
    zeros,
    signs,
    distances,
    means,
  });
}

const weights: WeightMethod<Ptq161> = {
  needs: "nothing",
  async calibrate(model, scheme, context) {
    if (scheme.ratio === 0 && scheme.mask === "share") return null;
    const maximaAt = await calibratedMaxima(model, "ptq161", context);
    return (weight, place) => binarize(weight, salientChannels(maximaAt(place), scheme), scheme);
  },
  quantize: (weight, scheme) => binarize(weight, new Uint8Array(weight.columns), scheme),
};

/** PTQ1.61, for the registry. */
export const ptq161Method: MethodWith<{ weights: WeightMethod<Ptq161> }> = {
  name: "ptq161",
  paper: {
    title:
      "PTQ1.61: Push the Real Limit of Extremely Low-Bit Post-Training Quantization Methods for Large Language Models",
    authors: "Zhao et al. 2025",
    link: "https://arxiv.org/abs/2502.13179",
  },
  options: ptq161Options,
  short: "ratio",
  cost: { calibrates: true },
  parse: (options) => ptq161(options),
  weights,
};
