/**
 * OBQ (Frantar and Alistarh, "Optimal Brain Compression", NeurIPS 2022, section 5): weights of a row are rounded one after the other, always
 * the one whose rounding costs least by now, and the others make up for it:
 *
 *     j = argmin (w_j - q(w_j))^2 / [H^-1]_jj
 *
 * A weight that was pushed out of the grid, further than half a step from its point, is rounded before all others ("outliers"). GPTQ is this with one
 * order for all rows, which then share their inverse Hessians.
 */
import { hessianOf } from "../compensation/hessian.ts";
import { RowSurgeon, surgeryOf } from "../compensation/surgeon.ts";
import { SchemeError } from "../error.ts";
import { decode, encode, fitLeastError, fitRange } from "../grids/uniform.ts";
import type { UniformRule } from "../../kernels/codes.ts";
import type { Matrix, MethodWith, WeightMethod } from "../method.ts";
import { flag, integer, number, oneOf, type OptionTable, readOptions, type SuiteScheme } from "../options.ts";
import { UniformWeight } from "../weights/uniform.ts";

/** OBQ as data. */
export interface Obq extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "obq";
  /** Bits per code, 2 to 8. */
  readonly bits: number;
  /** Whether the range of a row is symmetric about 0. */
  readonly symmetric: boolean;
  /** `"mse"` shrinks each range to the least error. */
  readonly search: "none" | "mse";
  /** Share of the mean diagonal that is added to the Hessian's. */
  readonly percdamp: number;
  /** Whether weights that were pushed out of the grid go first. */
  readonly outliersFirst: boolean;
  /** `"natural"` takes all rows' columns from the first to the last, as GPTQ does. */
  readonly order: "greedy" | "natural";
}

/** Options of {@linkcode obq}. */
export type ObqOptions = Partial<Omit<Obq, keyof SuiteScheme>> & { readonly bits: number };

/** What {@linkcode obq} accepts; defaults are those of the original's command line. */
export const obqOptions: OptionTable<Obq> = {
  bits: integer(2, 8),
  symmetric: flag(true),
  search: oneOf(["none", "mse"], "mse"),
  percdamp: number(0, 10, 0),
  outliersFirst: flag(true),
  order: oneOf(["greedy", "natural"], "greedy"),
};

/**
 * Rounding in the order of least cost. It takes a time that grows with the cube of a row's length, for each row.
 *
 * @example
 * ```ts
 * import { obq, parseScheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const scheme = { weights: obq({ bits: 3 }) };
 * assertEquals(parseScheme(JSON.parse(JSON.stringify(scheme))), scheme);
 * ```
 */
export function obq(options: ObqOptions): Obq {
  return readOptions("obq", obqOptions, options);
}

/** One weight `[out, in]` given `H` `[in, in]`; half the Hessian-weighted squared error, and the order in which the first row went. */
export function obqWithHessian(
  weight: Matrix,
  hessian: Float64Array,
  scheme: Obq,
): { weight: UniformWeight; loss: number; order: number[] } {
  const { rows, columns } = weight, { bits, symmetric } = scheme;
  const surgery = surgeryOf(weight, hessian, scheme.percdamp),
    fit = scheme.search === "mse" ? fitLeastError : fitRange;
  const rule: UniformRule = { bits, mode: symmetric ? "offsetBinary" : "asymmetric", zeroInRange: true };
  const codes = new Uint8Array(rows * columns), scales = new Float32Array(rows), zeros = new Uint8Array(rows);
  const order: number[] = [];
  let loss = 0;
  for (let row = 0; row < rows; row++) {
    const quantizer = fit(surgery.weight, row * columns, columns, rule), limit = 0.25 * quantizer.scale ** 2;
    scales[row] = quantizer.scale;
    zeros[row] = quantizer.zero;
    const surgeon = new RowSurgeon(surgery, row), { weights } = surgeon;
    codes.fill(quantizer.zero, row * columns, (row + 1) * columns);
    while (surgeon.open.length > 0) {
      let chosen = surgeon.open[0], least = Infinity, outlier = -1, most = limit;
      for (const j of scheme.order === "natural" ? [] : surgeon.open) {
        const error = (weights[j] - decode(encode(weights[j], quantizer), quantizer)) ** 2,
          score = error / surgeon.pivot(j);
        if (score < least) [chosen, least] = [j, score];
        if (error > most) [outlier, most] = [j, error];
      }
      const j = scheme.outliersFirst && outlier >= 0 && weights[chosen] !== 0 ? outlier : chosen;
      const code = codes[row * columns + j] = encode(weights[j], quantizer);
      loss += surgeon.fix(j, decode(code, quantizer));
      if (row === 0) order.push(j);
    }
  }
  const shape = [rows, columns] as const;
  return {
    weight: new UniformWeight({ shape, bits, groupSize: columns, codes, scales, zeros }),
    loss,
    order,
  };
}

const weights: WeightMethod<Obq> = {
  needs: "gram",
  quantize(weight, scheme, place, input) {
    if (input === null) throw new SchemeError("calibration", `obq: no input statistics for ${place.name}`);
    return obqWithHessian(weight, hessianOf(input), scheme).weight;
  },
};

/** OBQ, for the registry. */
export const obqMethod: MethodWith<{ weights: WeightMethod<Obq> }> = {
  name: "obq",
  paper: {
    title: "Optimal Brain Compression: A Framework for Accurate Post-Training Quantization and Pruning",
    authors: "Frantar and Alistarh 2022",
    link: "https://arxiv.org/abs/2208.11580",
  },
  options: obqOptions,
  parse: (options) => obq(options as unknown as ObqOptions),
  weights,
};
