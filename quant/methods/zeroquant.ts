/**
 * ZeroQuant (Yao et al., NeurIPS 2022): group-wise weights, token-wise activations (section 4.1), both symmetric.
 * Attention and feed-forward weights may have different bits ("W4/8": feed-forward in 4, attention in 8). With absmax
 * taken over a group of weights, or over the features of one token:
 *
 *     s = 2 absmax / 2^b,    x^ = s clamp(round(x / s), -2^(b-1), 2^(b-1) - 1)
 *
 * The step is DeepSpeed's: it would reach the positive extreme with the code 2^(b-1), which does not exist, so an extreme
 * that is positive is clipped by one step and a negative one is exact.
 */
import { roundHalfEven } from "../../kernels/round.ts";
import { siteOfRole } from "../../model/architecture.ts";
import type { Matrix, MethodWith, OperandMethod, WeightMethod, WeightPlace } from "../method.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { ReshapedWeight } from "../weights/reshaped.ts";
import { UniformWeight } from "../weights/uniform.ts";
import { SchemeError } from "../error.ts";
import {
  integer,
  optional,
  type OptionTable,
  readOptions,
  requireKnown,
  type SuiteScheme,
} from "../options.ts";

/** ZeroQuant as data. */
export interface ZeroQuant extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "zeroQuant";
  /** Of weights, or of activations. */
  readonly bits: number;
  /** Of feed-forward weights, where they differ from attention's. */
  readonly mlpBits?: number;
  /**
   * Groups of each weight: equal runs of its flattened values `[out, in]`, which may cross rows. Absent means one
   * group per output row.
   */
  readonly groups?: number;
}

/** Options that say nothing about weights: the scheme of activations, with one scale per token. */
export type TokenwiseZeroQuant = ZeroQuant & { readonly mlpBits?: undefined; readonly groups?: undefined };

/** Options of {@linkcode zeroQuant}: `bits` and `mlpBits` from 2 to 8; `mlpBits` and `groups` only for weights. */
export type ZeroQuantOptions = Omit<ZeroQuant, keyof SuiteScheme>;

/** What {@linkcode zeroQuant} accepts. */
export const zeroQuantOptions: OptionTable<ZeroQuant> = {
  bits: integer(2, 8),
  mlpBits: optional(integer(2, 8)),
  groups: optional(integer(1, 2 ** 32)),
};

/**
 * Symmetric group-wise weights, or symmetric token-wise activations.
 *
 * @example
 * ```ts
 * import { parseScheme, zeroQuant } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const scheme = { weights: zeroQuant({ bits: 8, mlpBits: 4, groups: 256 }), activations: zeroQuant({ bits: 8 }) };
 * assertEquals(parseScheme(JSON.parse(JSON.stringify(scheme))), scheme);
 * ```
 */
export function zeroQuant(options: { readonly bits: number }): TokenwiseZeroQuant;
/** ZeroQuant of weights. */
export function zeroQuant(options: ZeroQuantOptions): ZeroQuant;
export function zeroQuant(options: ZeroQuantOptions): ZeroQuant {
  return readOptions("zeroQuant", zeroQuantOptions, options);
}

/** Codes and scales of symmetric groups. */
export interface SymmetricGroups {
  /** Consecutive values that share a scale. */
  readonly groupSize: number;
  /** From `-2^(bits-1)` to `2^(bits-1) - 1`. */
  readonly codes: Int8Array;
  /** One per group; 0 for a group of zeros, where the reference divides 0 by 0. */
  readonly scales: Float32Array;
}

/** Quantizes runs of `groupSize` values, in float32 as the reference does. */
export function symmetricGroups(data: Float32Array, groupSize: number, bits: number): SymmetricGroups {
  const half = 2 ** (bits - 1);
  const codes = new Int8Array(data.length), scales = new Float32Array(data.length / groupSize);
  for (let group = 0, start = 0; start < data.length; group++, start += groupSize) {
    let most = 0;
    // NaN and infinity make the scale NaN or infinite, and so the group NaN, as the devices' quantizers do.
    for (let i = start; i < start + groupSize; i++) most = Math.max(most, Math.abs(data[i]));
    const scale = scales[group] = Math.fround(most / half);
    if (scale === 0) continue;
    for (let i = start; i < start + groupSize; i++) {
      const code = roundHalfEven(Math.fround(data[i] / scale));
      codes[i] = Math.min(Math.max(code, -half), half - 1);
    }
  }
  return { groupSize, codes, scales };
}

/** `x^` of {@linkcode symmetricGroups}. */
export function dequantizeGroups({ codes, scales, groupSize }: SymmetricGroups): Float32Array {
  const values = new Float32Array(codes.length);
  for (let i = 0; i < codes.length; i++) values[i] = codes[i] * scales[Math.floor(i / groupSize)];
  return values;
}

/** The groups of a weight `[out, in]` of the given role. */
export function quantizeZeroQuant(
  weight: Matrix,
  scheme: ZeroQuant,
  role: WeightPlace["role"],
): SymmetricGroups {
  const { data, rows } = weight;
  const groups = scheme.groups ?? rows;
  if (data.length % groups !== 0) {
    throw new SchemeError("shape", `groups ${groups} does not divide ${data.length} weights of ${role}`);
  }
  return symmetricGroups(data, data.length / groups, bitsOfRole(scheme, role));
}

/** Bits of a role's weights. */
export function bitsOfRole({ bits, mlpBits = bits }: ZeroQuant, role: WeightPlace["role"]): number {
  if (role === "head" || role === "embedding") return bits;
  const site = siteOfRole(role);
  return site === "mlp" || site === "down" ? mlpBits : bits;
}

/** The quantized and dequantized weight `[out, in]`: what training through the quantizer computes with. */
export function fakeQuantizeWeight(
  weight: Matrix,
  scheme: ZeroQuant,
  role: WeightPlace["role"],
): Float32Array {
  return dequantizeGroups(quantizeZeroQuant(weight, scheme, role));
}

const weights: WeightMethod<ZeroQuant> = {
  needs: "nothing",
  quantize(weight, scheme, { role }): StoredWeight {
    const { codes, scales, groupSize } = quantizeZeroQuant(weight, scheme, role);
    const bits = bitsOfRole(scheme, role);
    const zeros = 2 ** (bits - 1);
    const stored = Uint8Array.from(codes, (code) => code + zeros);
    const parts = { bits, groupSize, codes: stored, scales, zeros };
    const shape = [weight.rows, weight.columns] as const;
    if (weight.columns % groupSize === 0 || scales.length === 1) {
      return new UniformWeight({ ...parts, shape });
    }
    // Groups that cross rows are the rows of a matrix of their own, for which there is no kernel.
    const packed = new UniformWeight({ ...parts, shape: [scales.length, groupSize] });
    return new ReshapedWeight(shape, packed);
  },
};

const operand: OperandMethod<TokenwiseZeroQuant> = {
  async apply(device, x, { rows, columns, heads }, scheme) {
    const values = await device.read(x, 0, rows * columns);
    device.write(x, dequantizeGroups(symmetricGroups(values, columns / heads, scheme.bits)));
  },
};

/** ZeroQuant, for the registry. */
export const zeroQuantMethod: MethodWith<
  { weights: WeightMethod<ZeroQuant>; operand: OperandMethod<TokenwiseZeroQuant> }
> = {
  name: "zeroQuant",
  paper: {
    title: "ZeroQuant: Efficient and Affordable Post-Training Quantization for Large-Scale Transformers",
    authors: "Yao et al. 2022",
    link: "https://arxiv.org/abs/2206.01861",
  },
  options: zeroQuantOptions,
  parse: (options, part) => {
    if (part === "operand") requireKnown("zeroQuant of activations", options, ["method", "bits"]);
    return zeroQuant(options as unknown as ZeroQuantOptions);
  },
  weights,
  operand,
};
