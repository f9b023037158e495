/**
 * The keys or values of one layer and one sequence as KIVI holds them: the oldest tokens in packed groups, the newest
 * in full precision. Groups run along tokens for each channel (keys) or along channels for each token (values).
 */
import { type Precision, roundToHalf, type Values, valuesOf } from "../../grids/precision.ts";
import { PackedGroups } from "./groups.ts";

/** What a {@linkcode KiviStore} holds. */
export interface StoreShape {
  readonly bits: number;
  /** Whether the values of a group are those of one channel or of one token. */
  readonly axis: "channel" | "token";
  readonly groupSize: number;
  readonly precision: Precision;
  /** Values per token, `kvHeads * headDim`. */
  readonly width: number;
  /** Most tokens in all. */
  readonly capacity: number;
  /** Most tokens in full precision at once. */
  readonly recent: number;
}

/** Tokens `[0, quantized)` packed, `[quantized, length)` in full precision. */
export class KiviStore {
  readonly groups: PackedGroups;
  readonly #recent: Values;
  #quantized = 0;
  #length = 0;

  constructor(readonly shape: StoreShape) {
    const { bits, groupSize, precision, width, capacity, recent } = shape;
    const tokens = Math.ceil(capacity / groupSize) * groupSize;
    this.groups = new PackedGroups(bits, groupSize, tokens * width / groupSize, precision);
    this.#recent = valuesOf(precision, recent * width);
  }

  /** Tokens held. */
  get length(): number {
    return this.#length;
  }

  /** Tokens held as codes. */
  get quantized(): number {
    return this.#quantized;
  }

  /** Bytes of the tokens held: codes, scales and minima, and the tokens in full precision. */
  get byteLength(): number {
    const groups = this.#quantized * this.shape.width / this.shape.groupSize;
    return groups * this.groups.bytesPerGroup + this.recent().byteLength;
  }

  /** The tokens in full precision, `[length - quantized, width]`. */
  recent(): Values {
    return this.#recent.subarray(0, (this.#length - this.#quantized) * this.shape.width);
  }

  /** Takes the first tokens `[tokens, width]` of a sequence and packs all but the last `keep`. */
  fill(rows: Float32Array, keep: number): void {
    const { width, precision } = this.shape;
    const values = precision === "float16" ? rows.map(roundToHalf) : rows;
    this.#length = rows.length / width;
    this.#pack(values, this.#length - keep);
    this.#recent.set(values.subarray((this.#length - keep) * width));
  }

  /** Takes one token in full precision. */
  append(row: Float32Array): void {
    this.#recent.set(row, (this.#length - this.#quantized) * this.shape.width);
    this.#length++;
  }

  /** Packs the oldest `tokens` of those in full precision. */
  evict(tokens: number): void {
    this.#pack(this.#recent, tokens);
    this.#recent.copyWithin(0, tokens * this.shape.width);
  }

  #pack(values: ArrayLike<number>, tokens: number): void {
    for (let g = 0; g < tokens * this.shape.width / this.shape.groupSize; g++) {
      const { start, stride } = this.#place(g);
      this.groups.write(this.#quantized * this.shape.width / this.shape.groupSize + g, values, start, stride);
    }
    this.#quantized += tokens;
  }

  /** Where the values of a group stand in `[tokens, width]`. */
  #place(group: number): { start: number; stride: number } {
    const { axis, groupSize, width } = this.shape;
    if (axis === "token") return { start: group * groupSize, stride: 1 };
    return { start: Math.floor(group / width) * groupSize * width + group % width, stride: width };
  }

  /** All tokens in float32, `[length, width]`. */
  dequantize(): Float32Array {
    const { width, groupSize } = this.shape;
    const rows = new Float32Array(this.#length * width);
    for (let g = 0; g < this.#quantized * width / groupSize; g++) {
      const { start, stride } = this.#place(g);
      this.groups.read(g, rows, start, stride);
    }
    rows.set(this.recent(), this.#quantized * width);
    return rows;
  }
}
