/** Weights with zeros, in floating point: the values that stay, and where they stand. */
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { packBits, unpackBits } from "../grids/bits.ts";
import type { Pattern } from "../grids/pattern.ts";

/**
 * Values in float32 of which a checkpoint keeps float16, as of dense weights: 2 bytes each count. Beside them, of an N:M pattern the place of
 * each value in its group (2 bits in 2:4: 9 bits per weight in all), else one bit per weight.
 */
export class SparseWeight implements StoredWeight {
  readonly shape: readonly [out: number, inputs: number];
  /** Null where zeros may stand anywhere, or groups do not divide the columns. */
  readonly pattern: Pattern;
  /** Values that stay, row by row. In a group with fewer than N of them zeros stand at the first free places. */
  readonly values: Float32Array;
  /** Place of each value in its group, in as few bits as hold it; of no pattern the bits of all weights, 1 where one stays. */
  readonly positions: Uint8Array;

  /** Takes what is not zero out of `data` `[out, in]`. */
  constructor([rows, columns]: readonly [out: number, inputs: number], data: Float32Array, pattern: Pattern) {
    this.shape = [rows, columns];
    this.pattern = pattern !== null && columns % pattern.group === 0 ? pattern : null;
    if (this.pattern === null) {
      this.values = data.filter((value) => value !== 0);
      this.positions = packBits(Uint8Array.from(data, (value) => Number(value !== 0)), 1);
      return;
    }
    const { group } = this.pattern, places = groupPlaces(data, this.pattern);
    this.values = Float32Array.from(places, (at) => data[at]);
    this.positions = packBits(Uint8Array.from(places, (at) => at % group), bitsFor(group));
  }

  get byteLength(): number {
    return 2 * this.values.length + this.positions.byteLength;
  }

  dequantize(): Float32Array {
    const [rows, columns] = this.shape, { pattern, values, positions } = this;
    const dense = new Float32Array(rows * columns);
    if (pattern === null) {
      let next = 0;
      for (let i = 0; i < dense.length; i++) if (positions[i >> 3] >> (i & 7) & 1) dense[i] = values[next++];
      return dense;
    }
    const places = unpackBits(positions, bitsFor(pattern.group), values.length);
    for (let i = 0; i < values.length; i++) {
      dense[Math.floor(i / pattern.keep) * pattern.group + places[i]] = values[i];
    }
    return dense;
  }
}

function bitsFor(group: number): number {
  return Math.max(1, 32 - Math.clz32(group - 1));
}

/** Places in `data` of the `keep` values of each group, in order. */
function groupPlaces(data: Float32Array, { keep, group }: NonNullable<Pattern>): Uint32Array {
  const places = new Uint32Array(data.length / group * keep);
  for (let first = 0, next = 0; first < data.length; first += group) {
    const chosen: number[] = [];
    for (let i = first; i < first + group; i++) if (data[i] !== 0) chosen.push(i);
    for (let i = first; chosen.length < keep; i++) if (data[i] === 0) chosen.push(i);
    places.set(chosen.slice(0, keep).sort((a, b) => a - b), next);
    next += keep;
  }
  return places;
}
