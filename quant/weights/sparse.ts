/** Sparse matrices in compressed sparse row form: for each row where it begins, for each entry its column and value. */
import type { Precision } from "../grids/precision.ts";

/** The nonzero pattern and values of a matrix `[rows, columns]`; the entries of row `i` are `start[i]` to `start[i + 1]`. */
export class SparseMatrix {
  /** `[rows + 1]` */
  readonly start: Uint32Array;
  /** Column of each entry. */
  readonly column: Uint16Array | Uint32Array;
  /** Value of each entry. */
  readonly value: Float16Array | Float32Array;

  /** Keeps the values of a dense matrix where `mask` is set. */
  constructor(
    /** Number of rows. */
    readonly rows: number,
    /** Number of columns. */
    readonly columns: number,
    mask: Uint8Array,
    values: Float32Array,
    precision: Precision,
  ) {
    const start = new Uint32Array(rows + 1), column: number[] = [], kept: number[] = [];
    for (let row = 0, i = 0; row < rows; row++) {
      for (let j = 0; j < columns; j++, i++) {
        if (mask[i] === 0) continue;
        column.push(j);
        kept.push(values[i]);
      }
      start[row + 1] = column.length;
    }
    this.start = start;
    this.column = columns <= 1 << 16 ? Uint16Array.from(column) : Uint32Array.from(column);
    this.value = precision === "float16" ? Float16Array.from(kept) : Float32Array.from(kept);
  }

  /** Number of entries. */
  get count(): number {
    return this.value.length;
  }

  /** Nothing at all is stored for a matrix without entries. */
  get byteLength(): number {
    if (this.count === 0) return 0;
    return this.start.byteLength + this.column.byteLength + this.value.byteLength;
  }
}
