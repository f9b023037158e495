/** Weights of one bit beside some columns of more (PTQ1.61): a mask of columns that all rows share. */
import type { PackedIntegers } from "../../kernels/codes.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { SchemeError } from "../error.ts";
import { packBits, unpackBits } from "../grids/bits.ts";
import { SparseMatrix } from "./sparse.ts";

/** Parts of a {@linkcode StructuredBinaryWeight}. */
export interface StructuredBinaryParts {
  /** Rows and columns of the weight. */
  readonly shape: readonly [out: number, inputs: number];
  /** `[in]`: 1 where a column has codes of `bits`. */
  readonly mask: Uint8Array;
  /** Bits of these codes: 1 to 8. */
  readonly bits: number;
  /** `[out, masked]` */
  readonly codes: Uint8Array;
  /** `[out]`, of these codes. */
  readonly scales: Float32Array;
  /** `[out]`: the codes of 0. */
  readonly zeros: Uint8Array;
  /** `[out, in - masked]`: 1 of what lies above the mean. */
  readonly signs: Uint8Array;
  /** `[out]`: how far a binary weight lies from the mean. */
  readonly distances: Float32Array;
  /** `[out]` */
  readonly means: Float32Array;
}

/** `scale (code - zero)` in the columns of the mask, `mean + distance` or `mean - distance` in all others. */
export class StructuredBinaryWeight implements StoredWeight {
  readonly shape: readonly [number, number];
  /** Bits of the masked columns' codes. */
  readonly bits: number;
  /** `[out]` */
  readonly scales: Float32Array;
  /** `[out]` */
  readonly distances: Float32Array;
  /** `[out]` */
  readonly means: Float32Array;
  /** How many columns the mask has. */
  readonly masked: number;
  private readonly packedMask: Uint8Array;
  private readonly packedCodes: Uint8Array;
  private readonly packedZeros: Uint8Array;
  private readonly packedSigns: Uint8Array;

  /**
   * Packs codes, signs and the mask; the other parts are taken as they are. A weight without masked columns has no scales.
   *
   * @throws {SchemeError} `shape` where parts do not fit each other
   */
  constructor(parts: StructuredBinaryParts) {
    const { shape: [rows, columns], mask, bits, codes, scales, zeros, signs, distances, means } = parts;
    const masked = mask.reduce((sum, one) => sum + one, 0);
    const lengths = {
      mask: [mask.length, columns],
      codes: [codes.length, rows * masked],
      signs: [signs.length, rows * (columns - masked)],
      means: [means.length, rows],
      distances: [distances.length, rows],
    } as const;
    for (const [name, [length, expected]] of Object.entries(lengths)) {
      if (length === expected) continue;
      throw new SchemeError("shape", `${name} has ${length} values: expected ${expected}`);
    }
    this.shape = parts.shape;
    this.bits = bits;
    this.masked = masked;
    this.scales = masked === 0 ? new Float32Array() : scales;
    this.distances = distances;
    this.means = means;
    this.packedMask = packBits(mask, 1);
    this.packedCodes = packBits(codes, bits);
    this.packedZeros = masked === 0 ? new Uint8Array() : packBits(zeros, bits);
    this.packedSigns = packBits(signs, 1);
  }

  get byteLength(): number {
    const parts = [this.packedMask, this.packedCodes, this.packedZeros, this.packedSigns];
    return [...parts, this.scales, this.distances, this.means].reduce((sum, one) => sum + one.byteLength, 0);
  }

  /** `[in]`: 1 where a column has codes of {@linkcode bits}. */
  mask(): Uint8Array {
    return unpackBits(this.packedMask, 1, this.shape[1]);
  }

  /** The weight as kernels take it: one bit around a real zero point, masked columns as values that stand apart. */
  pack(): PackedIntegers {
    const [outFeatures, inFeatures] = this.shape, mask = this.mask(), values = this.dequantize();
    const signs = unpackBits(this.packedSigns, 1, outFeatures * (inFeatures - this.masked));
    const codes = new Uint8Array(outFeatures * inFeatures), apart = codes.slice();
    for (let i = 0, next = 0; i < codes.length; i++) {
      if (mask[i % inFeatures] === 1) apart[i] = 1;
      else codes[i] = signs[next++];
    }
    const { distances, means } = this, flat = distances.map((one) => one === 0 ? 1 : 0);
    return {
      outFeatures,
      inFeatures,
      bits: 1,
      groupSize: inFeatures,
      // A row without a distance is its mean: codes that are all alike.
      codes: packBits(codes.map((one, i) => flat[Math.floor(i / inFeatures)] === 1 ? 0 : one), 1),
      scales: distances.map((one, row) => flat[row] === 1 ? Math.abs(means[row]) || 1 : 2 * one),
      zeros: distances.map((one, row) =>
        flat[row] === 1 ? -Math.sign(means[row]) : 0.5 - means[row] / (2 * one)
      ),
      ...this.masked > 0 && { outliers: new SparseMatrix(outFeatures, inFeatures, apart, values, "float32") },
    };
  }

  dequantize(): Float32Array {
    const [rows, columns] = this.shape, { bits, masked, scales, distances, means } = this, mask = this.mask();
    const codes = unpackBits(this.packedCodes, bits, rows * masked);
    const zeros = masked === 0 ? new Uint8Array() : unpackBits(this.packedZeros, bits, rows);
    const signs = unpackBits(this.packedSigns, 1, rows * (columns - masked));
    const values = new Float32Array(rows * columns);
    for (let row = 0, i = 0, code = 0, sign = 0; row < rows; row++) {
      for (let j = 0; j < columns; j++, i++) {
        values[i] = mask[j] === 1
          ? scales[row] * (codes[code++] - zeros[row])
          : means[row] + (signs[sign++] === 1 ? distances[row] : -distances[row]);
      }
    }
    return values;
  }
}
