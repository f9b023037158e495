/**
 * QUIK (Ashkboos et al., EMNLP 2024): weights and activations in 4 bits, but for a few input columns of each linear layer that stay as they
 * are, in weights and in activations. Section 3:
 *
 * - outlier columns O of a linear layer are those `kept` input features whose magnitude over a calibration text is largest;
 * - weights: GPTQ with columns by ascending magnitude. Outlier columns come last and are never rounded, so they take up what the
 *   rounding of all others has cost (3.2); each row's scale is that of the other columns;
 * - activations: all but O per token, with a range of their own (3.3):
 *
 *       Y = X[:, O] W[:, O]^T + s_w (s_a (X_q W_q^T) + z_a 1 W_q^T)
 *
 * One scheme fills two parts, `weights` and `activations`; both find the same columns. The down projection in 8 bits (3.3, "sensitivity")
 * is an override with `bits: 8` and twice the threshold.
 */
import { compensationSteps, onDevice, onHost, type Steps } from "../compensation/steps.ts";
import { calibratedMaxima } from "../calibration/activation_maxima.ts";
import { hessianOf, problemOf } from "../compensation/hessian.ts";
import type { MethodWith, OperandMethod, OperandView, WeightMethod } from "../method.ts";
import type { CalibratedWeights, Matrix, QuantizeContext } from "../method.ts";
import { decode, encode, fitLeastError, fitRange } from "../grids/uniform.ts";
import { type Precision, stored } from "../grids/precision.ts";
import {
  flag,
  integer,
  number,
  oneOf,
  optional,
  type OptionTable,
  readOptions,
  refused,
} from "../options.ts";
import type { SuiteScheme } from "../options.ts";
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import type { UniformRule } from "../../kernels/codes.ts";
import type { Model } from "../../model/model.ts";
import { KeptColumnsWeight } from "../weights/kept_columns.ts";
import { SchemeError } from "../error.ts";

/** QUIK as data. */
export interface Quik extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "quik";
  /** Bits per code, 2 to 8. */
  readonly bits: number;
  /** Input columns of a linear layer that stay as they are; fewer than it has. */
  readonly kept: number;
  /** Whether a layer with m times as many inputs as the model is wide keeps m times as many, m rounded down ("fp_relative"). */
  readonly relative: boolean;
  /** Linear layers none of whose inputs exceeds this magnitude keep nothing. */
  readonly threshold: number;
  /** Whether ranges are symmetric about 0; when absent as in the paper: those of weights are, those of tokens are not. */
  readonly symmetric?: boolean;
  /** `"mse"` shrinks each weight row's range to the least error ("w_clip"). Weights only. */
  readonly search: "none" | "mse";
  /** Share of the mean diagonal that is added to the Hessian's diagonal. Weights only. */
  readonly percdamp: number;
  /**
   * Calibration windows, from the first on, that weights are compensated on; all when absent. (The paper finds columns on 512 samples and
   * compensates on 128.) Weights only.
   */
  readonly compensationWindows?: number;
  /** What kept weights are stored in; the reference code computes with the model's own. Weights only. */
  readonly precision: Precision;
}

/** Options of {@linkcode quik}; absent ones take the values of the paper. */
export type QuikOptions = Partial<Omit<Quik, keyof SuiteScheme>>;

/** What {@linkcode quik} accepts. */
export const quikOptions: OptionTable<Quik> = {
  bits: integer(2, 8, 4),
  kept: integer(0, 1 << 20, 256),
  relative: flag(false),
  threshold: number(0, 1e9, 0),
  symmetric: optional(oneOf([true, false])),
  search: oneOf(["none", "mse"], "none"),
  percdamp: number(0, 10, 0.01),
  compensationWindows: optional(integer(1, 1 << 20)),
  precision: oneOf(["float16", "float32"], "float16"),
};

/**
 * QUIK's columns and codes, for `weights` and for `activations`.
 *
 * @example
 * ```ts
 * import { quik, type Scheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * // The README's LLaMA-2: W4A4 with 256 kept columns, the down projection in 8 bits.
 * const down = quik({ bits: 8 });
 * const scheme: Scheme = {
 *   weights: quik({ search: "mse" }),
 *   activations: quik(),
 *   overrides: [{ linears: ["down"], weights: { ...down, search: "mse" }, activations: down }],
 * };
 * assertEquals(scheme.weights, { ...quik(), search: "mse" });
 * ```
 */
export function quik(options: QuikOptions = {}): Quik {
  return readOptions("quik", quikOptions, options);
}

/** How many columns a linear layer keeps, of inputs with these largest magnitudes, in a model of this width; `where` is for messages. */
export function keptCount(maxima: Float32Array, hiddenSize: number, scheme: Quik, where = ""): number {
  const { kept, relative, threshold } = scheme, { length } = maxima;
  const count = relative ? Math.floor(length / hiddenSize) * kept : kept;
  if (count === 0 || maxima.every((value) => value <= threshold)) return 0;
  if (count < length) return count;
  throw new SchemeError(
    "shape",
    `kept ${count} leaves none of ${length} input features${where}: expected fewer`,
  );
}

/** Columns by ascending magnitude; equals keep their order. */
const ascending = (maxima: Float32Array) =>
  Int32Array.from(maxima.keys()).sort((a, b) => maxima[a] - maxima[b] || a - b);

/** Result of quantizing one weight. */
export interface QuikResult {
  /** Codes and kept columns. */
  readonly weight: KeptColumnsWeight;
  /** Half the Hessian-weighted squared error that was not compensated. */
  readonly loss: number;
}

/** Quantizes one weight `[out, in]` given `H` `[in, in]`, on the host; the last `kept` columns of `order` stay. */
export function quikWithHessian(
  weight: Matrix,
  hessian: Float64Array,
  scheme: Quik,
  order: Int32Array | null,
  kept: number,
): QuikResult {
  return onHost(quikSteps(weight, hessian, scheme, order, kept));
}

/** The same, to be taken on a device; columns go in their own order where `order` is null, and all are rounded. */
function* quikSteps(
  { rows, columns, data }: Matrix,
  hessian: Float64Array,
  scheme: Quik,
  order: Int32Array | null,
  kept: number,
): Steps<QuikResult> {
  const { bits, symmetric = true, search, precision } = scheme;
  using problem = problemOf({ rows, columns, data }, hessian, order ?? false, scheme.percdamp);
  const { permutation } = problem, count = columns - kept;
  const own = permutation.slice(0, count).sort(), last = permutation.slice(count).sort();
  const place = new Int32Array(columns);
  for (const list of [own, last]) for (const [k, column] of list.entries()) place[column] = k;
  const rule: UniformRule = { bits, mode: symmetric ? "symmetric" : "asymmetric", zeroInRange: true };
  const fit = search === "mse" ? fitLeastError : fitRange, offset = symmetric ? 2 ** (bits - 1) : 0;
  const quantizers = Array.from({ length: rows }, (_, row) => {
    return fit(Float32Array.from(own, (column) => data[row * columns + column]), 0, count, rule);
  });
  const codes = new Uint8Array(rows * count), values = new Float32Array(rows * kept);
  const loss = yield* compensationSteps(problem, (column, j) => {
    const k = place[permutation[j]];
    for (let row = 0; row < rows; row++) {
      if (j < count) {
        const code = encode(column[row], quantizers[row]);
        codes[row * count + k] = code + offset;
        column[row] = decode(code, quantizers[row]);
      } else {
        column[row] = values[row * kept + k] = stored(column[row], precision);
      }
    }
  });
  const scales = Float32Array.from(quantizers, ({ scale }) => scale);
  const zeros = symmetric ? offset : Uint8Array.from(quantizers, ({ zero }) => zero);
  const parts = {
    shape: [rows, columns],
    bits,
    columns: last,
    codes,
    scales,
    zeros,
    values,
    precision,
  } as const;
  return { weight: new KeptColumnsWeight(parts), loss };
}

/** What a place's inputs reached over the calibration text, and the columns that it keeps. */
async function keptAt(model: Model, scheme: Quik, context: QuantizeContext) {
  const maximaAt = await calibratedMaxima(model, "quik", context), { hiddenSize } = model.architecture;
  const found = new Map<string, { order: Int32Array; kept: number }>();
  return (place: Parameters<typeof maximaAt>[0]) => {
    const where = ` of ${place.site} in layer ${place.layer}`, known = found.get(where);
    if (known !== undefined) return known;
    const maxima = maximaAt(place), kept = keptCount(maxima, hiddenSize, scheme, where);
    const one = { order: ascending(maxima), kept };
    found.set(where, one);
    return one;
  };
}

const compensated = (scheme: Quik, columnsAt: Awaited<ReturnType<typeof keptAt>> | null): CalibratedWeights =>
  async function (weight, place, input, device) {
    if (input === null) throw new SchemeError("calibration", `quik: no input statistics for ${place.name}`);
    const { order, kept } = columnsAt?.(place) ?? { order: null, kept: 0 };
    const steps = quikSteps(weight, hessianOf(input), scheme, kept > 0 ? order : null, kept);
    return (await onDevice(device, steps)).weight;
  };

const weights: WeightMethod<Quik> = {
  needs: "gram",
  sequential: () => true,
  windows: ({ compensationWindows }) => compensationWindows,
  calibrate: async (model, scheme, context) =>
    compensated(scheme, scheme.kept === 0 ? null : await keptAt(model, scheme, context)),
  quantize: (weight, scheme, place, input, device) => compensated(scheme, null)(weight, place, input, device),
};

/** Rounds each token without the columns that are kept: as zeros they change no range. */
function roundTokens(
  device: Device,
  x: DeviceBuffer,
  { rows, columns, heads }: OperandView,
  { bits, symmetric = false }: Quik,
  columnsKept: Int32Array,
): void {
  const rule: UniformRule = { bits, mode: symmetric ? "symmetric" : "asymmetric", zeroInRange: true };
  const layout = { rows: rows * heads, columns: columns / heads, axis: "row" } as const;
  if (columnsKept.length === 0) return device.fakeQuantize(x, x, rule, layout);
  // By rows, as a whole: what one element takes, a long text takes millions of times.
  const repeated = (row: Float32Array) => {
    const all = new Float32Array(rows * columns);
    for (let start = 0; start < all.length; start += columns) all.set(row, start);
    return all;
  };
  const mask = new Float32Array(columns);
  for (const column of columnsKept) mask[column] = 1;
  using kept = device.upload(repeated(mask)), others = device.upload(repeated(mask.map((one) => 1 - one)));
  device.multiply(kept, x);
  device.multiply(x, others);
  device.fakeQuantize(x, x, rule, layout);
  device.add(x, kept);
}

const operand: OperandMethod<Quik> = {
  apply(device, x, view, scheme) {
    if (scheme.kept === 0) return roundTokens(device, x, view, scheme, new Int32Array());
    throw new SchemeError(
      "calibration",
      "quik finds the columns that it keeps on a calibration text: pass one",
    );
  },
  calibrates: ({ kept }) => kept > 0,
  async calibrate(model, scheme, context) {
    if (scheme.kept === 0) return null;
    const columnsAt = await keptAt(model, scheme, context);
    return (x, view, place) => {
      const { order, kept } = columnsAt(place);
      roundTokens(model.device, x, view, scheme, order.slice(order.length - kept));
    };
  },
};

/** What only weights are asked for. */
const ofWeights = ["search", "percdamp", "compensationWindows", "precision"] as const;

/** QUIK, for the registry. */
export const quikMethod: MethodWith<{ weights: WeightMethod<Quik>; operand: OperandMethod<Quik> }> = {
  name: "quik",
  paper: {
    title: "QUIK: Towards End-to-End 4-Bit Inference on Generative Large Language Models",
    authors: "Ashkboos et al. 2024",
    link: "https://arxiv.org/abs/2310.09259",
  },
  options: quikOptions,
  cost: { calibrates: true },
  parse(options, part) {
    const scheme = quik(options as QuikOptions), defaults = quik();
    const other = part === "operand" ? ofWeights.find((name) => scheme[name] !== defaults[name]) : undefined;
    if (other !== undefined) {
      throw refused(
        other,
        scheme[other],
        `none, or its default, of ${part === "operand" ? "activations" : part}`,
      );
    }
    return scheme;
  },
  weights,
  operand,
};
