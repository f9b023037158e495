/**
 * Rows of keys or values as KVQuant stores them: codes into a codebook over a normalized range, outliers apart in full
 * precision ("dense and sparse"), and whole rows that are exempt.
 */
import { type Codebook, nearest } from "../../grids/codebook.ts";
import type { Precision } from "../../grids/precision.ts";
import { packBits, unpackBits } from "../../grids/bits.ts";

/** Linear interpolation between the sorted values around the given share of them: `percentile` and `quantile` of NumPy and PyTorch. */
export function quantile(sorted: Float32Array, share: number): number {
  const place = share * (sorted.length - 1), below = Math.floor(place);
  const low = sorted[below], high = sorted[Math.min(below + 1, sorted.length - 1)];
  return Math.fround(low + (high - low) * (place - below));
}

/** How the channels of one row are normalized: `x = (y - center) / range`; NaN in `center` marks nothing. */
export interface RowScale {
  /** `(upper + lower) / 2` of each channel, or of all. */
  readonly center: Float32Array;
  /** `(upper - lower) / 2` of each channel, or of all. */
  readonly range: Float32Array;
}

/** A quantized row. */
export interface QuantizedRow {
  /** Packed, `bits` each. */
  readonly codes: Uint8Array;
  /** Channels of the outliers, ascending, and their values. */
  readonly channels: Uint16Array | Uint32Array;
  readonly outliers: Float16Array | Float32Array;
  /** The row's own scale (values), or none where all rows share one (keys). */
  readonly scale: Float16Array | Float32Array | null;
}

/** A row in full precision. */
export interface ExemptRow {
  readonly exempt: Float16Array | Float32Array;
}

/** Static thresholds of the channels: a value beyond them is an outlier. */
export interface Thresholds {
  /** One per channel. */
  readonly lower: Float32Array;
  /** One per channel. */
  readonly upper: Float32Array;
}

function array(values: ArrayLike<number>, storage: Precision): Float16Array | Float32Array {
  return storage === "float16" ? Float16Array.from(values) : Float32Array.from(values);
}

/** A row that is kept as it is. */
export function exemptRow(row: Float32Array, storage: Precision): ExemptRow {
  return { exempt: array(row, storage) };
}

/** Center and range of each channel between its thresholds. */
export function scaleOf({ lower, upper }: Thresholds): RowScale {
  const center = new Float32Array(lower.length), range = new Float32Array(lower.length);
  for (let j = 0; j < lower.length; j++) {
    center[j] = Math.fround(upper[j] + lower[j]) / 2;
    range[j] = Math.fround(upper[j] - lower[j]) / 2;
  }
  return { center, range };
}

/** Quantizes rows of `channels` values with one codebook. */
export class RowQuantizer {
  constructor(
    readonly bits: number,
    readonly codebook: Codebook,
    readonly storage: Precision,
  ) {}

  /**
   * A row of keys: static thresholds per channel. Outliers lie strictly beyond them; without sparsity such values are
   * clipped.
   */
  key(row: Float32Array, { lower, upper }: Thresholds, scale: RowScale, sparsity: number): QuantizedRow {
    const outliers: number[] = [];
    for (let j = 0; j < row.length && sparsity > 0; j++) {
      if (row[j] < lower[j] || row[j] > upper[j]) outliers.push(j);
    }
    return this.#encode(row, scale, outliers, null);
  }

  /**
   * A row of values: its own thresholds, the quantiles that leave a share of `sparsity` outside (both inclusive, as in
   * the reference); the rest, with the median in the place of outliers, gives the range.
   */
  value(row: Float32Array, sparsity: number): QuantizedRow {
    const sorted = row.toSorted(), outliers: number[] = [];
    let least = sorted[0], most = sorted[row.length - 1];
    if (sparsity > 0) {
      const lower = quantile(sorted, sparsity / 2), upper = quantile(sorted, 1 - sparsity / 2);
      least = most = sorted[(row.length - 1) >> 1];
      for (let j = 0; j < row.length; j++) {
        if (row[j] <= lower || row[j] >= upper) outliers.push(j);
        else {
          least = Math.min(least, row[j]);
          most = Math.max(most, row[j]);
        }
      }
    }
    const center = Math.fround(most + least) / 2, range = Math.fround(most - least) / 2;
    const own = array([center, range], this.storage);
    const scale = { center: Float32Array.of(own[0]), range: Float32Array.of(own[1]) };
    return this.#encode(row, scale, outliers, own);
  }

  #encode(
    row: Float32Array,
    { center, range }: RowScale,
    outliers: readonly number[],
    scale: QuantizedRow["scale"],
  ): QuantizedRow {
    const codes = new Uint8Array(row.length);
    const { centroids } = this.codebook;
    const shared = center.length === 1;
    for (let j = 0; j < row.length; j++) {
      const c = center[shared ? 0 : j], r = range[shared ? 0 : j];
      // Without a range every code stands for the center.
      codes[j] = r > 0 ? nearest(centroids, Math.fround(Math.fround(row[j] - c) / r)) : 0;
    }
    return {
      codes: packBits(codes, this.bits),
      channels: row.length <= 1 << 16 ? Uint16Array.from(outliers) : Uint32Array.from(outliers),
      outliers: array(outliers.map((j) => row[j]), this.storage),
      scale,
    };
  }

  /** Decodes a row into `into`. */
  decode(row: QuantizedRow, shared: RowScale | null, into: Float32Array): void {
    const { outputs } = this.codebook;
    const codes = unpackBits(row.codes, this.bits, into.length);
    const center = row.scale?.[0], range = row.scale?.[1];
    for (let j = 0; j < into.length; j++) {
      const r = range ?? shared?.range[j] ?? 0, c = center ?? shared?.center[j] ?? 0;
      into[j] = Math.fround(outputs[codes[j]] * r) + c;
    }
    for (let i = 0; i < row.channels.length; i++) into[row.channels[i]] = row.outliers[i];
  }
}

/** Bytes of a row. */
export function rowBytes(row: QuantizedRow | ExemptRow): number {
  if ("exempt" in row) return row.exempt.byteLength;
  const { codes, channels, outliers, scale } = row;
  // A row also says how many outliers it has: two bytes.
  const sparse = channels.length === 0 ? 0 : 2 + channels.byteLength + outliers.byteLength;
  return codes.byteLength + sparse + (scale?.byteLength ?? 0);
}
