/**
 * LLM.int8() (Dettmers et al., NeurIPS 2022): 8-bit matrix products for models with outlier features. A few input
 * columns hold magnitudes far above the rest. The columns O in which any token of the call reaches the threshold are
 * multiplied in high precision, all others as int8 with one scale per token and one per output feature (eq. 8):
 *
 *     Y = X[:, O] W[:, O]^T + S (X_int8 W_int8^T),    S_ti = max|X_t| max|W_i| / 127^2
 *
 * As in bitsandbytes, which made the published numbers: inputs are rounded to float16 before they are quantized, the
 * range of a token skips magnitudes above the threshold rather than whole columns, and outlier columns multiply
 * dequantized int8 weights. `outliers: "original"` multiplies the weights as they were, as the paper has it, at the
 * price of keeping them.
 */
import type { Device, DeviceBuffer, DeviceInt8Weight } from "../../kernels/device.ts";
import { linearRoles } from "../../model/architecture.ts";
import { linearKey } from "../../model/decoder/parameters.ts";
import { type Linear, Parameter } from "../../model/decoder/parameter.ts";
import { dequantizeSums, halfPrecision, int8Vectors, Int8Weight } from "../weights/int8.ts";
import type { MethodWith, ModelMethod } from "../method.ts";
import { outlierColumns, selectColumns } from "../calibration/outlier_columns.ts";
import { SchemeError } from "../error.ts";
import { number, oneOf, type OptionTable, readOptions, type SuiteScheme } from "../options.ts";

/** LLM.int8() as data. */
export interface LlmInt8 extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "llmInt8";
  /** Magnitude that makes a column an outlier; 0 keeps all columns in int8. */
  readonly threshold: number;
  /** Weights of outlier columns: `"dequantized"` from int8, or the `"original"` ones. */
  readonly outliers: "dequantized" | "original";
}

/** Options of {@linkcode llmInt8}: `threshold` 6 by default, `outliers` `"dequantized"`. */
export type LlmInt8Options = Partial<Omit<LlmInt8, keyof SuiteScheme>>;

/** What {@linkcode llmInt8} accepts. */
export const llmInt8Options: OptionTable<LlmInt8> = {
  threshold: number(0, Infinity, 6),
  outliers: oneOf(["dequantized", "original"], "dequantized"),
};

/**
 * Int8 products with outlier columns apart. An infinite threshold is stored as 0, which JSON can hold and bitsandbytes
 * takes for the same.
 *
 * @example
 * ```ts
 * import { llmInt8, loadModel, quantize, weightStorage } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama-outlier");
 * using quantized = await quantize(model, { linears: llmInt8({ threshold: 6 }) });
 * assertEquals(Math.floor(weightStorage(quantized).bitsPerWeight), 8);
 * ```
 */
export function llmInt8(options: LlmInt8Options = {}): LlmInt8 {
  const scheme = readOptions("llmInt8", llmInt8Options, options);
  return Number.isFinite(scheme.threshold) ? scheme : { ...scheme, threshold: 0 };
}

/** A linear layer that multiplies in int8, outlier columns apart. */
export class Int8Linear implements Linear {
  readonly #codes: DeviceInt8Weight;
  readonly #bias: Float32Array | null;

  constructor(
    private readonly device: Device,
    private readonly weight: Int8Weight,
    private readonly scheme: LlmInt8,
    /** The weight `[out, in]` as it was; required by `outliers: "original"`. */
    private readonly original: Float32Array | null = null,
    bias: Float32Array | null = null,
  ) {
    this.#codes = device.int8Weight(weight.codes, ...weight.shape);
    this.#bias = bias;
  }

  get byteLength(): number {
    return this.#codes.byteLength;
  }

  async run(x: DeviceBuffer, y: DeviceBuffer, rows: number): Promise<void> {
    const [out, columns] = this.weight.shape;
    const { device, scheme: { threshold } } = this;
    const input = await device.read(x, 0, rows * columns);
    const half = halfPrecision(input);
    const outliers = outlierColumns(half, columns, threshold);
    const { codes, maxima } = int8Vectors(half, columns, threshold);
    for (const column of outliers) for (let i = column; i < codes.length; i += columns) codes[i] = 0;
    const sums = await this.#codes.product(codes, rows);
    device.write(y, dequantizeSums(sums, maxima, this.weight.maxima, this.#bias));
    if (outliers.length === 0) return;
    using weight = device.weight(this.#outlierWeights(outliers), out, outliers.length);
    using part = device.upload(selectColumns(input, columns, outliers));
    using product = device.allocate(rows * out);
    device.linear(part, weight, null, product, rows);
    device.add(y, product);
  }

  #outlierWeights(outliers: readonly number[]): Float32Array {
    if (this.original === null) return this.weight.columns(outliers);
    return selectColumns(this.original, this.weight.shape[1], outliers);
  }

  [Symbol.dispose](): void {
    this.#codes[Symbol.dispose]();
  }
}

/** Quantizes a weight `[out, in]`, rounded to float16 first. */
export function int8Weight(
  name: string,
  shape: readonly [out: number, inputs: number],
  values: Float32Array,
  { outliers }: LlmInt8,
): Int8Weight {
  const vectors = int8Vectors(halfPrecision(values), shape[1]);
  if (!vectors.maxima.every(Number.isFinite)) {
    throw new SchemeError("values", `${name} has values beyond float16: expected magnitudes below 65520`);
  }
  return new Int8Weight(shape, vectors, outliers === "original" ? 2 * values.length : 0);
}

const linears: ModelMethod<LlmInt8> = {
  stateSpace: true,
  async apply(model, scheme, context) {
    const { architecture, device } = model;
    const replaced = new Map<string, Parameter<Linear>>();
    for (let layer = 0; layer < architecture.layers; layer++) {
      for (const role of linearRoles(architecture)) {
        const { name, shape: [out, inputs], values } = model.linear(layer, role);
        const weight = int8Weight(name, [out, inputs], await values(), scheme);
        const bias = model.bias(layer, role);
        const build = async () => {
          const original = scheme.outliers === "original" ? await values() : null;
          return new Int8Linear(device, weight, scheme, original, await bias?.() ?? null);
        };
        const dequantized = () => Promise.resolve(weight.dequantize());
        replaced.set(
          linearKey(layer, role),
          new Parameter<Linear>(name, weight.shape, dequantized, build, weight),
        );
        context.progress(`llmInt8 ${name}`);
      }
    }
    return model.with({ linears: replaced, change: scheme });
  },
};

/** LLM.int8(), for the registry. */
export const llmInt8Method: MethodWith<{ linears: ModelMethod<LlmInt8> }> = {
  name: "llmInt8",
  paper: {
    title: "LLM.int8(): 8-bit Matrix Multiplication for Transformers at Scale",
    authors: "Dettmers et al. 2022",
    link: "https://arxiv.org/abs/2208.07339",
  },
  options: llmInt8Options,
  parse: (options) => llmInt8(options),
  linears,
};
