/**
 * Binary-coded weights as they are stored: one bit per weight and plane, one scale per group and plane. The bits of
 * eight consecutive inputs are one byte, the index that a look-up table GEMV needs. Such a GEMV takes some inputs for
 * all rows, then the next ones; so bytes are stored in tiles of inputs, and are read from first to last.
 */
import { levelOf } from "../../kernels/host/binary_fit.ts";
import type { BinaryCodes } from "../../kernels/codes.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import type { UniformWeight } from "./uniform.ts";
import { SchemeError } from "../error.ts";

/** Bytes of a plane of one row in a tile; the last tile is as wide as the rest of the inputs. */
export const tileBytes = 16;

/** Parts of a {@linkcode BcqWeight}. */
export interface BcqParts {
  /** Of the weight. */
  readonly shape: readonly [out: number, inputs: number];
  /** Planes. */
  readonly bits: number;
  /** Consecutive inputs of a row that share their scales; divides the inputs. */
  readonly groupSize: number;
  /** `[out, in]`: bit `i` is set where plane `i` is +1. */
  readonly patterns: Uint8Array;
  /** `[out, in / groupSize, bits]` */
  readonly alphas: Float32Array;
  /** `[out, in / groupSize]`, added to each weight of a group. */
  readonly offsets?: Float32Array;
}

/** `w = sum_i alpha_i B_i + offset` with `B_i` +1 or -1. */
export class BcqWeight implements StoredWeight {
  readonly shape: readonly [number, number];
  /** Planes. */
  readonly bits: number;
  /** Consecutive inputs of a row that share their scales. */
  readonly groupSize: number;
  /** `[out, in / groupSize, bits]` */
  readonly alphas: Float32Array;
  /** `[out, in / groupSize]`, or null where there are none. */
  readonly offsets: Float32Array | null;
  /** Bytes of a plane of one row; input `8 j + t` is bit `t` of byte `j`. */
  readonly bytesPerRow: number;
  /** `[tiles, out, bits, tileBytes]`: bit 1 is +1, bit 0 is -1. */
  readonly planes: Uint8Array;

  /** Packs patterns into planes. */
  constructor({ shape, bits, groupSize, patterns, alphas, offsets }: BcqParts) {
    const [rows, columns] = shape;
    if (columns % groupSize !== 0) {
      throw new SchemeError("shape", `groupSize ${groupSize} does not divide ${columns} input features`);
    }
    [this.shape, this.bits, this.groupSize, this.alphas] = [shape, bits, groupSize, alphas];
    this.offsets = offsets ?? null;
    this.bytesPerRow = Math.ceil(columns / 8);
    this.planes = new Uint8Array(rows * bits * this.bytesPerRow);
    for (let row = 0, i = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, i++) {
        for (let plane = 0; plane < bits; plane++) {
          const bit = patterns[i] >> plane & 1;
          this.planes[this.place(row, plane, column >> 3)] |= bit << (column & 7);
        }
      }
    }
  }

  /** Where a byte of a row's plane is stored. */
  private place(row: number, plane: number, byte: number): number {
    const tile = byte - byte % tileBytes, width = Math.min(tileBytes, this.bytesPerRow - tile);
    return (tile * this.shape[0] + row * width) * this.bits + plane * width + byte - tile;
  }

  /**
   * Uniform codes as planes (LUT-GEMM, section 3.1): plane `i` is bit `i` of the code, `alpha_i = scale * 2^(i-1)`, and
   * the offset makes up for the zero point. `scale * (code - zero)` exactly, up to the rounding of the offset.
   */
  static fromUniform(weight: UniformWeight): BcqWeight {
    const { bits, scales } = weight;
    if (weight.permutation !== null) {
      throw new SchemeError("shape", "columns are permuted: expected a weight in its own column order");
    }
    const zeros = weight.zeros();
    const alphas = Float32Array.from(
      { length: scales.length * bits },
      (_, i) => scales[Math.floor(i / bits)] * 2 ** (i % bits - 1),
    );
    const offsets = scales.map((scale, group) => scale * ((2 ** bits - 1) / 2 - zeros[group]));
    const { shape, groupSize } = weight;
    return new BcqWeight({ shape, bits, groupSize, patterns: weight.codes(), alphas, offsets });
  }

  get byteLength(): number {
    return this.planes.byteLength + this.alphas.byteLength + (this.offsets?.byteLength ?? 0);
  }

  /** `[out, in]`: bit `i` is set where plane `i` is +1. */
  patterns(): Uint8Array {
    const [rows, columns] = this.shape;
    const patterns = new Uint8Array(rows * columns);
    for (let row = 0, i = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, i++) {
        for (let plane = 0; plane < this.bits; plane++) {
          const byte = this.planes[this.place(row, plane, column >> 3)];
          patterns[i] |= (byte >> (column & 7) & 1) << plane;
        }
      }
    }
    return patterns;
  }

  /** The weight as kernels take it. */
  pack(): BinaryCodes {
    const { shape: [outFeatures, inFeatures], bits, groupSize, alphas, offsets } = this;
    const codes = { outFeatures, inFeatures, bits, groupSize, patterns: this.patterns(), alphas };
    return offsets === null ? codes : { ...codes, offsets };
  }

  dequantize(): Float32Array {
    const { bits, groupSize, alphas, offsets } = this;
    const patterns = this.patterns();
    const values = new Float32Array(patterns.length), levels = new Float32Array(2 ** bits);
    for (let first = 0, group = 0; first < values.length; first += groupSize, group++) {
      for (let pattern = 0; pattern < 2 ** bits; pattern++) {
        levels[pattern] = levelOf(pattern, alphas, bits, group * bits);
      }
      const offset = offsets === null ? 0 : offsets[group];
      for (let i = first; i < first + groupSize; i++) values[i] = levels[patterns[i]] + offset;
    }
    return values;
  }
}
