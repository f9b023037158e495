/**
 * Razored weights as they are stored: `bits` bits per weight, one flag per group that says by how much its codes are
 * shifted, and one base scale per output row. The bytes are the codes, flags and scales really kept.
 */
import type { PackedIntegers } from "../../kernels/codes.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { packBits, unpackBits } from "../grids/bits.ts";
import { flagBits, type RazorRule } from "../grids/razor.ts";

/** Parts of a {@linkcode RazoredWeight}. */
export interface RazoredParts {
  /** Of the weight. */
  readonly shape: readonly [out: number, inputs: number];
  /** How the codes were razored. */
  readonly rule: RazorRule;
  /** Codes that share a shift. */
  readonly groupSize: number;
  /** Whether a group is consecutive weights of an output row, or (with GPTQ) of an input column. */
  readonly axis: "row" | "column";
  /** Razored base codes `[out, in]`: multiples of 2 to the power of their group's shift. */
  readonly codes: Int32Array;
  /** One shift per group: `[out, groups]` along rows, `[in, groups]` along columns. */
  readonly shifts: Uint8Array;
  /** One scale, or one per output row. */
  readonly scales: Float32Array;
}

/** `w = scale * (code << shift)`. The last group of a row or column may be shorter than the others. */
export class RazoredWeight implements StoredWeight {
  readonly shape: readonly [number, number];
  /** How the codes were razored. */
  readonly rule: RazorRule;
  /** Codes that share a shift. */
  readonly groupSize: number;
  /** Along which groups run. */
  readonly axis: "row" | "column";
  /** One base scale, or one per output row. */
  readonly scales: Float32Array;
  private readonly packedCodes: Uint8Array;
  private readonly packedFlags: Uint8Array;

  /** Packs razored codes and their shifts. */
  constructor(parts: RazoredParts) {
    ({ shape: this.shape, rule: this.rule, groupSize: this.groupSize } = parts);
    ({ axis: this.axis, scales: this.scales } = parts);
    const offset = 2 ** (this.rule.bits - 1);
    const groupOf = this.groupIndex();
    const stored = Uint8Array.from(parts.codes, (code, i) => (code >> parts.shifts[groupOf(i)]) + offset);
    this.packedCodes = packBits(stored, this.rule.bits);
    this.packedFlags = packBits(parts.shifts, flagBits(this.rule));
  }

  /** The weight as kernels take it, where they know its groups (along a row, all as long): a shift scales the base scale of its group. */
  get pack(): (() => PackedIntegers) | undefined {
    return this.axis === "row" && this.shape[1] % this.groupSize === 0 ? () => this.integers() : undefined;
  }

  /** Codes with shifts as factors of their scales. */
  private integers(): PackedIntegers {
    const [outFeatures, inFeatures] = this.shape, { bits } = this.rule, { groupSize, scales } = this;
    const perRow = inFeatures / groupSize, shared = scales.length === 1;
    const grouped = Float32Array.from(
      this.shifts(),
      (shift, group) => scales[shared ? 0 : Math.floor(group / perRow)] * 2 ** shift,
    );
    const zeros = new Uint8Array(grouped.length).fill(2 ** (bits - 1));
    return { outFeatures, inFeatures, bits, groupSize, codes: this.packedCodes, scales: grouped, zeros };
  }

  /** Which group the weight at a flat index belongs to. */
  private groupIndex(): (index: number) => number {
    const [rows, columns] = this.shape;
    const perLine = Math.ceil((this.axis === "row" ? columns : rows) / this.groupSize);
    return (index) => {
      const row = Math.floor(index / columns), column = index % columns;
      const [line, place] = this.axis === "row" ? [row, column] : [column, row];
      return line * perLine + Math.floor(place / this.groupSize);
    };
  }

  get byteLength(): number {
    return this.packedCodes.byteLength + this.packedFlags.byteLength + this.scales.byteLength;
  }

  /** Measured bits per weight without the base scales: what the paper calls effective bits, `r + flag bits / g`. */
  get effectiveBits(): number {
    return 8 * (this.packedCodes.byteLength + this.packedFlags.byteLength) / (this.shape[0] * this.shape[1]);
  }

  /** Low bits that each group lost: `[out, groups]` along rows, `[in, groups]` along columns. */
  shifts(): Uint8Array {
    const [lines, length] = this.axis === "row" ? this.shape : [this.shape[1], this.shape[0]];
    return unpackBits(this.packedFlags, flagBits(this.rule), lines * Math.ceil(length / this.groupSize));
  }

  /** Base codes `[out, in]` after razoring. */
  codes(): Int32Array {
    const offset = 2 ** (this.rule.bits - 1);
    const shifts = this.shifts(), groupOf = this.groupIndex();
    const stored = unpackBits(this.packedCodes, this.rule.bits, this.shape[0] * this.shape[1]);
    return Int32Array.from(stored, (code, i) => (code - offset) << shifts[groupOf(i)]);
  }

  dequantize(): Float32Array {
    const columns = this.shape[1];
    const perRow = this.scales.length > 1;
    return Float32Array.from(
      this.codes(),
      (code, i) => code * this.scales[perRow ? Math.floor(i / columns) : 0],
    );
  }
}
