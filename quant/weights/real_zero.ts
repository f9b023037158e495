/** Weights whose zero points are real numbers (HQQ). */
import type { PackedIntegers } from "../../kernels/codes.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { SchemeError } from "../error.ts";
import { packBits, unpackBits } from "../grids/bits.ts";

/** Parts of a {@linkcode RealZeroWeight}. */
export interface RealZeroParts {
  /** Rows and columns of the weight. */
  readonly shape: readonly [out: number, inputs: number];
  /** Bits of a code: 1 to 8. */
  readonly bits: number;
  /** Weights that share a scale and a zero point; their number divides that of all weights. */
  readonly groupSize: number;
  /**
   * 1: a group is a run of the weights in row-major order. 0: with `G` groups, group `g` holds the weights `g`, `g + G`, `g + 2 G`, ... of
   * that order.
   */
  readonly axis: 0 | 1;
  /** Codes `[out, in]` from 0 to `2^bits - 1`. */
  readonly codes: Uint8Array;
  /** One per group. */
  readonly scales: Float32Array;
  /** Where 0 lies on the scale of codes, one per group. */
  readonly zeros: Float32Array;
  /** How scales and zero points are stored (default `"float32"`); they hold the rounded values already. */
  readonly precision?: "float16" | "float32";
}

/** `w = (code - zero) * scale` with a real zero point per group. */
export class RealZeroWeight implements StoredWeight {
  /** Rows and columns of the weight. */
  readonly shape: readonly [number, number];
  /** One per group. */
  readonly scales: Float32Array;
  /** One per group. */
  readonly zeros: Float32Array;
  private readonly packedCodes: Uint8Array;
  /** How the codes are to be read. */
  private readonly rule: Omit<RealZeroParts, "codes" | "scales" | "zeros">;

  /** Takes the parts as they are, without a copy. */
  constructor(parts: RealZeroParts) {
    const { shape: [rows, columns], bits, groupSize, axis, codes, scales, zeros } = parts;
    const groups = rows * columns / groupSize;
    if (codes.length !== rows * columns || scales.length !== groups || zeros.length !== groups) {
      throw new SchemeError(
        "shape",
        `${codes.length} codes, ${scales.length} scales and ${zeros.length} zeros: expected ${
          rows * columns
        }, ` +
          `and ${groups} for groups of ${groupSize}`,
      );
    }
    this.shape = parts.shape;
    this.scales = scales;
    this.zeros = zeros;
    this.rule = {
      shape: parts.shape,
      bits,
      groupSize,
      axis,
      ...parts.precision && { precision: parts.precision },
    };
    this.packedCodes = packBits(codes, bits);
  }

  /** What a device multiplies with, where groups lie in rows and divide them. */
  get pack(): (() => PackedIntegers) | undefined {
    const {
      shape: [outFeatures, inFeatures],
      scales,
      zeros,
      packedCodes: codes,
      rule: { bits, groupSize, axis },
    } = this;
    if (axis !== 1 || inFeatures % groupSize !== 0) return undefined;
    return () => ({ outFeatures, inFeatures, bits, groupSize, codes, scales, zeros });
  }

  get byteLength(): number {
    const each = this.rule.precision === "float16" ? 2 : 4;
    return this.packedCodes.byteLength + each * (this.scales.length + this.zeros.length);
  }

  /** Codes `[out, in]`. */
  codes(): Uint8Array {
    return unpackBits(this.packedCodes, this.rule.bits, this.shape[0] * this.shape[1]);
  }

  dequantize(): Float32Array {
    const { groupSize, axis } = this.rule, { scales, zeros } = this, groups = scales.length;
    return Float32Array.from(this.codes(), (code, i) => {
      const group = axis === 1 ? Math.floor(i / groupSize) : i % groups;
      return Math.fround(code - zeros[group]) * scales[group];
    });
  }
}
