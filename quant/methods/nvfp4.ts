/**
 * NVFP4: blocks of 16 numbers of E2M1 with a scale of E4M3, and one float32 scale for the tensor (NVIDIA, "Pretraining large language models
 * with NVFP4", 2025, section 2). With `A` the absmax of the tensor and `a` that of a block:
 *
 *     p = A / (448 * 6),    s = E4M3(a / 6 / p),    x^ = s p E2M1(x / (s p))
 *
 * Libraries agree but for the order of float32 operations, and for the smallest scales: see {@linkcode Nvfp4}. "Four over six" (Cook et al.,
 * 2025) scales the absmax of some blocks to 4 instead of 6: 5 is no number of E2M1, so what lies under the absmax may fare better. It takes
 * `p = A / (256 * 6)`, so that 1.5 times the largest scale is still one of E4M3.
 */
import { absMax, type BlockQuantizer, type BlockRule, roundOnDevice } from "../grids/blocks.ts";
import { decodeFloat, floatEncoder, floatFormats, floatValues } from "../grids/float.ts";
import type { MethodWith, OperandMethod, WeightMethod } from "../method.ts";
import { integer, oneOf, type OptionTable, readOptions, refused, type SuiteScheme } from "../options.ts";
import { calibratedMaxima } from "../calibration/activation_maxima.ts";
import { tableWeight } from "../weights/table.ts";
import { vectorsOf } from "./fp8.ts";

/** NVFP4 as data. */
export interface Nvfp4 extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "nvfp4";
  /**
   * Whose float32 operations. `compressedTensors` (and vLLM): a scale that rounds to 0 becomes 0.125. `torchao`: scales are at least
   * 2^-6. `fourOverSix`: a scale may be 0.
   */
  readonly arithmetic: "compressedTensors" | "torchao" | "fourOverSix";
  /**
   * What the absmax of a block is scaled to: 6, always 4, or the better of both by squared error, by absolute error, or by the largest error of
   * the block; 6 where they are equal. All but `"six"` are four over six's.
   */
  readonly target: "six" | "four" | "mse" | "mae" | "absMax";
  /**
   * The tensor's scale: from the values at hand, 1 (`"none"`), or, for inputs of linear layers, from the absmax over the calibration
   * windows (`"calibrated"`).
   */
  readonly tensorScale: "dynamic" | "none" | "calibrated";
  /** Values that share a scale, along a row; the format has 16. */
  readonly blockSize: number;
}

/** What {@linkcode nvfp4} accepts. */
export const nvfp4Options: OptionTable<Nvfp4> = {
  arithmetic: oneOf(["compressedTensors", "torchao", "fourOverSix"], "compressedTensors"),
  target: oneOf(["six", "four", "mse", "mae", "absMax"], "six"),
  tensorScale: oneOf(["dynamic", "none", "calibrated"], "dynamic"),
  blockSize: integer(1, 1 << 20, 16),
};

/**
 * Blocks of 16 four-bit floats with two levels of scales.
 *
 * @example
 * ```ts
 * import { nvfp4, type Scheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const scheme: Scheme = { weights: nvfp4({ target: "mse" }), activations: nvfp4() };
 * assertEquals(scheme.weights, {
 *   method: "nvfp4", arithmetic: "fourOverSix", target: "mse", tensorScale: "dynamic", blockSize: 16,
 * });
 * ```
 */
export function nvfp4(options: Partial<Omit<Nvfp4, keyof SuiteScheme>> = {}): Nvfp4 {
  const chosen = options.target !== undefined && options.target !== "six";
  const arithmetic = options.arithmetic ?? (chosen ? "fourOverSix" : undefined);
  const scheme = readOptions<Nvfp4>("nvfp4", nvfp4Options, { ...options, arithmetic });
  if (chosen && scheme.arithmetic !== "fourOverSix") {
    throw refused("arithmetic", scheme.arithmetic, `"fourOverSix" with target "${scheme.target}"`);
  }
  return scheme;
}

const { e4m3, e2m1 } = floatFormats;
const toScale = floatEncoder(e4m3), toElement = floatEncoder(e2m1), elements = floatValues(e2m1);
const f32 = Math.fround;

/** Blocks along the rows of a matrix whose absmax is `most`. */
export function nvfp4Rule({ arithmetic, target, tensorScale, blockSize }: Nvfp4, most: number): BlockRule {
  const two = tensorScale !== "none" && most > 0;
  const reach = (target === "four" ? 4 : 6) * (target === "six" || target === "four" ? 448 : 256);
  // What a scale is multiplied by on its way to E4M3, and what its code is multiplied by on its way back.
  // (compressed-tensors divides a number by a tensor, which torch does as the product with its reciprocal.)
  const quotient = arithmetic === "compressedTensors" ? f32(reach * f32(1 / most)) : f32(reach / most);
  const up = two ? quotient : 1, down = two ? f32(most / reach) : 1;
  const unit = target === "four" ? 4 : 6;
  const decode = (byte: number) => {
    const scale = decodeFloat(byte, e4m3);
    return arithmetic === "compressedTensors" ? f32(scale / up) : f32(scale * down);
  };
  const quantizer = (scaleCode: number): BlockQuantizer => {
    const scale = decode(scaleCode);
    if (scale === 0) return { scale, scaleCode, encode: () => 0 };
    if (arithmetic === "compressedTensors") {
      return {
        scale,
        scaleCode,
        encode: (x) => toElement(f32(x / scale)),
      };
    }
    const code = decodeFloat(scaleCode, e4m3);
    const inverse = arithmetic === "torchao" ? f32(f32(1 / down) / code) : f32(1 / f32(code * f32(1 / up)));
    return { scale, scaleCode, encode: (x) => toElement(f32(x * inverse)) };
  };
  return {
    bits: 4,
    values: elements,
    block: [1, blockSize],
    ...tensorScale !== "none" && { globalScale: up },
    scaleValues: Float32Array.from({ length: 256 }, (_, byte) => decode(byte)),
    fit(values) {
      const share = f32(absMax(values) / unit);
      if (arithmetic === "torchao") return quantizer(toScale(Math.max(f32(share / down), 2 ** -6)));
      const scaled = f32(share * up);
      // 0.125: 32 is its code.
      if (arithmetic === "compressedTensors") return quantizer(toScale(scaled) || 32);
      const six = quantizer(toScale(scaled));
      if (target === "six" || target === "four") return six;
      const four = quantizer(toScale(f32(1.5 * scaled)));
      // The original's values, which are multiplied by absmax and divided by the reach one after the other.
      const valuesOf = ({ scaleCode = 0 }: BlockQuantizer) => {
        const scale = decodeFloat(scaleCode, e4m3);
        return elements.map((element) => two ? f32(f32(element * scale) * most) / reach : element * scale);
      };
      const error = (one: BlockQuantizer) => errorOf(values, one, valuesOf(one), target);
      return error(four) < error(six) ? four : six;
    },
  };
}

function errorOf(
  block: Float32Array,
  { encode }: BlockQuantizer,
  values: Float32Array,
  target: "mse" | "mae" | "absMax",
): number {
  let total = 0;
  for (const x of block) {
    const error = Math.abs(f32(values[encode(x)] - x));
    total = target === "absMax"
      ? Math.max(total, error)
      : f32(total + (target === "mse" ? error ** 2 : error));
  }
  return total;
}

const weights: WeightMethod<Nvfp4> = {
  needs: "nothing",
  quantize: (weight, scheme) => tableWeight(weight, nvfp4Rule(scheme, absMax(weight.data))),
};

const operand: OperandMethod<Nvfp4> = {
  apply: (device, x, view, scheme) =>
    roundOnDevice(device, x, vectorsOf(view), (data) => nvfp4Rule(scheme, absMax(data))),
  calibrates: ({ tensorScale }) => tensorScale === "calibrated",
  async calibrate(model, scheme, context) {
    if (scheme.tensorScale !== "calibrated") return null;
    const maximaAt = await calibratedMaxima(model, "nvfp4", context);
    return (x, view, place) => {
      const most = absMax(maximaAt(place));
      return roundOnDevice(model.device, x, vectorsOf(view), () => nvfp4Rule(scheme, most));
    };
  },
};

/** NVFP4, for the registry. */
export const nvfp4Method: MethodWith<{ weights: WeightMethod<Nvfp4>; operand: OperandMethod<Nvfp4> }> = {
  name: "nvfp4",
  paper: {
    title: "Pretraining Large Language Models with NVFP4",
    authors: "NVIDIA 2025",
    link: "https://arxiv.org/abs/2509.25149",
  },
  options: nvfp4Options,
  shortGroups: true,
  parse(options, part) {
    const scheme = nvfp4(options);
    if (part === "weights" && scheme.tensorScale === "calibrated") {
      throw refused("tensorScale", scheme.tensorScale, '"dynamic" or "none" of weights');
    }
    return scheme;
  },
  weights,
  operand,
};
