/**
 * QRazor (Lee, Choi, Chang 2025, arXiv:2501.13331): quantize to wide integers first (8 bits for weights, keys and
 * values, 16 for activations), where hardly anything is lost; then keep only the `bits` most significant bits of each
 * group of them. There is no calibration: every scale is the absolute maximum of what is at hand.
 */
import type { UniformQuantizer } from "../../kernels/quantizer.ts";
import { compensationSteps, onDevice, onHost, type Steps } from "../compensation/steps.ts";
import { hessianOf, problemOf } from "../compensation/hessian.ts";
import type { Matrix, MethodWith, OperandMethod, WeightMethod } from "../method.ts";
import { encodeBase, fitBase, razor, type RazorVariant } from "../grids/razor.ts";
import { razorOperand } from "./qrazor/operand.ts";
import { razorLeastError } from "./qrazor/search.ts";
import { RazoredWeight } from "../weights/razored.ts";
import { SchemeError } from "../error.ts";
import {
  flag,
  integer,
  number,
  oneOf,
  optional,
  type OptionTable,
  readOptions,
  section,
  type SuiteScheme,
} from "../options.ts";

/** QRazor as data. */
export interface QRazor extends SuiteScheme {
  /** The registry's tag. */
  readonly method: "qrazor";
  /** Bits that are kept of each value, its sign included. */
  readonly bits: number;
  /** Bits of the base quantizer; the published runs take 8 for weights, keys and values, 16 for activations. */
  readonly baseBits: number;
  /**
   * Values that share a shift: consecutive inputs of an output row of a weight, consecutive features of a token. A last
   * group may be shorter. Groups of operands that are longer than a vector go on in the next token of the same head.
   */
  readonly groupSize: number;
  /** Which of the two published versions rounds. */
  readonly variant: RazorVariant;
  /** Base codes around 0, or (an ablation of the reference code) from the smallest to the largest value. */
  readonly symmetric: boolean;
  /** Values that share a base scale; absent: a row (output channel) of weights, and a whole operand tensor. */
  readonly granularity?: "row" | "tensor";
  /** `"mse"` shrinks each weight range to the least error after razoring (the published round-to-nearest runs). */
  readonly search: "none" | "mse";
  /** Weights are razored column by column and what is lost is compensated, as GPTQ does. */
  readonly compensation?: Compensation;
}

/** How GPTQ compensates; groups are then consecutive output rows of one input column. */
export interface Compensation {
  /** Columns by decreasing diagonal of the Hessian. */
  readonly actOrder: boolean;
  /** Each block of a layer is calibrated on its quantized predecessors in the layer. */
  readonly trueSequential: boolean;
  /** Share of the mean diagonal that is added to the Hessian's diagonal. */
  readonly percdamp: number;
}

/** Options of {@linkcode qrazor}. */
export type QRazorOptions = Partial<Omit<QRazor, keyof SuiteScheme | "compensation">> & {
  readonly bits: number;
  readonly compensation?: Partial<Compensation>;
};

/** What {@linkcode qrazor} accepts. */
export const qrazorOptions: OptionTable<QRazor> = {
  bits: integer(2, 16),
  baseBits: integer(4, 16, 8),
  groupSize: integer(1, 1 << 20, 16),
  variant: oneOf(["june", "head"], "june"),
  symmetric: flag(true),
  search: oneOf(["none", "mse"], "none"),
  granularity: optional(oneOf(["row", "tensor"])),
  compensation: optional(section<Compensation>({
    actOrder: flag(false),
    trueSequential: flag(false),
    percdamp: number(0, 10, 0.01),
  })),
};

/**
 * Significant data razoring to `bits` bits.
 *
 * @example
 * ```ts
 * import { qrazor } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const kv = qrazor({ bits: 4, baseBits: 8, groupSize: 16 });
 * const scheme = { weights: kv, activations: qrazor({ bits: 4, baseBits: 16, groupSize: 16 }), key: kv, value: kv };
 * assertEquals(scheme.weights.variant, "june");
 * ```
 */
export function qrazor(options: QRazorOptions): QRazor {
  const scheme = readOptions("qrazor", qrazorOptions, options);
  // Below 4 bits the June code can round up to a code that does not fit in its bits.
  integer(scheme.variant === "june" ? 4 : 2, scheme.baseBits).read("bits", scheme.bits);
  return scheme;
}

/** The base quantizers of a weight: one, or one per row. */
function fitRows({ rows, columns, data }: Matrix, scheme: QRazor): UniformQuantizer[] {
  const fit = scheme.search === "mse" ? razorLeastError : fitBase;
  if (scheme.granularity === "tensor") return [fit(data, 0, data.length, scheme)];
  return Array.from({ length: rows }, (_, row) => fit(data, row * columns, columns, scheme));
}

/** Razors a weight `[out, in]`; with a Hessian `[in, in]`, compensating as GPTQ does. */
export function razorWeight(weight: Matrix, scheme: QRazor, hessian?: Float64Array): RazoredWeight {
  return onHost(razorSteps(weight, scheme, hessian));
}

function* razorSteps(weight: Matrix, scheme: QRazor, hessian?: Float64Array): Steps<RazoredWeight> {
  const { rows, columns, data } = weight;
  const { groupSize, compensation } = scheme;
  if (scheme.bits > 8) {
    throw new SchemeError("option", `bits is ${scheme.bits}: expected an integer from 2 to 8 for weights`);
  }
  const bases = fitRows(weight, scheme);
  const base = (row: number) => bases[bases.length > 1 ? row : 0];
  const parts = {
    shape: [rows, columns] as const,
    rule: scheme,
    groupSize,
    scales: Float32Array.from(bases, ({ scale }) => scale),
  };
  const codes = new Int32Array(rows * columns);
  if (hessian === undefined || compensation === undefined) {
    const groups = Math.ceil(columns / groupSize);
    const shifts = new Uint8Array(rows * groups);
    for (let row = 0; row < rows; row++) {
      const start = row * columns;
      encodeBase(data, start, columns, base(row), codes, start);
      for (let group = 0, j = 0; j < columns; group++, j += groupSize) {
        shifts[row * groups + group] = razor(codes, start + j, Math.min(groupSize, columns - j), 1, scheme);
      }
    }
    return new RazoredWeight({ ...parts, axis: "row", codes, shifts });
  }
  const groups = Math.ceil(rows / groupSize);
  const shifts = new Uint8Array(columns * groups);
  using problem = problemOf(weight, hessian, compensation.actOrder, compensation.percdamp);
  yield* compensationSteps(problem, (values, j) => {
    const column = problem.permutation[j];
    const column0 = new Int32Array(rows);
    for (let row = 0; row < rows; row++) encodeBase(values, row, 1, base(row), column0, row);
    for (let group = 0, row = 0; row < rows; group++, row += groupSize) {
      shifts[column * groups + group] = razor(column0, row, Math.min(groupSize, rows - row), 1, scheme);
    }
    for (let row = 0; row < rows; row++) {
      codes[row * columns + column] = column0[row];
      values[row] = Math.fround(base(row).scale * column0[row]);
    }
  });
  return new RazoredWeight({ ...parts, axis: "column", codes, shifts });
}

const weights: WeightMethod<QRazor> = {
  needs: ({ compensation }) => compensation === undefined ? "nothing" : "gram",
  sequential: ({ compensation }) => compensation?.trueSequential ?? false,
  quantize: (weight, scheme, _place, input, device) =>
    onDevice(device, razorSteps(weight, scheme, input === null ? undefined : hessianOf(input))),
};

const operand: OperandMethod<QRazor> = {
  async apply(device, x, view, scheme) {
    const values = await device.read(x, 0, view.rows * view.columns);
    razorOperand(values, view, scheme);
    device.write(x, values);
  },
};

/** QRazor, for the registry. */
export const qrazorMethod: MethodWith<{ weights: WeightMethod<QRazor>; operand: OperandMethod<QRazor> }> = {
  name: "qrazor",
  paper: {
    title: "QRazor: Reliable and Effortless 4-bit LLM Quantization by Significant Data Razoring",
    authors: "Lee et al. 2025",
    link: "https://arxiv.org/abs/2501.13331",
  },
  options: qrazorOptions,
  parse: (options) => qrazor(options as unknown as QRazorOptions),
  shortGroups: true,
  weights,
  operand,
};
