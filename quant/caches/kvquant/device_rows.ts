/** The copy of quantized rows that a device decodes, brought up to date before each step. */
import { wordsPerRow } from "../../../kernels/host/coded_rows.ts";
import type { CodedRows, Device, DeviceBuffer } from "../../../kernels/device.ts";
import type { Codebook } from "../../grids/codebook.ts";
import { unpackBits } from "../../grids/bits.ts";
import type { ExemptRow, QuantizedRow, RowScale } from "./rows.ts";

/** What {@linkcode DeviceRows} are made for. */
export interface RowsShape {
  readonly bits: number;
  /** Values of a row. */
  readonly width: number;
  /** Most rows. */
  readonly capacity: number;
  /** What codes stand for. */
  readonly codebook: Codebook;
  /** Center and range of each column, or null where each row has its own. */
  readonly scale: RowScale | null;
}

/** Rows on a device; a row that is exempt from quantization has all its values among the entries. */
export class DeviceRows implements CodedRows, Disposable {
  readonly bits: number;
  readonly width: number;
  readonly perRow: boolean;
  readonly words: DeviceBuffer;
  readonly codebook: DeviceBuffer;
  readonly scales: DeviceBuffer;
  readonly starts: DeviceBuffer;
  entries: DeviceBuffer;
  #rows = 0;
  #entries = 0;

  constructor(private readonly device: Device, { bits, width, capacity, codebook, scale }: RowsShape) {
    [this.bits, this.width, this.perRow] = [bits, width, scale === null];
    const outputs = new Float32Array(2 ** bits);
    outputs.set(codebook.outputs);
    this.codebook = device.upload(outputs);
    this.words = device.allocate(capacity * wordsPerRow(this));
    this.scales = scale === null
      ? device.allocate(2 * capacity)
      : device.upload(Float32Array.from({ length: 2 * width }, (_, i) => {
        return (i % 2 ? scale.range : scale.center)[i >> 1];
      }));
    this.starts = device.allocate(capacity + 1);
    this.entries = device.allocate(2 * width);
  }

  /** Copies the rows from where it stopped the last time. */
  update(rows: readonly (QuantizedRow | ExemptRow)[]): this {
    const added = rows.slice(this.#rows), perRow = wordsPerRow(this), perWord = Math.floor(32 / this.bits);
    const words = new Uint32Array(added.length * perRow), scales = new Float32Array(2 * added.length);
    const starts = new Uint32Array(added.length), columns: number[] = [], values: number[] = [];
    for (const [i, row] of added.entries()) {
      if ("exempt" in row) {
        for (const [j, value] of row.exempt.entries()) columns.push(j), values.push(value);
      } else {
        for (const [j, code] of unpackBits(row.codes, this.bits, this.width).entries()) {
          words[i * perRow + Math.floor(j / perWord)] |= code << (this.bits * (j % perWord));
        }
        for (const [j, column] of row.channels.entries()) columns.push(column), values.push(row.outliers[j]);
        if (row.scale) scales.set(row.scale, 2 * i);
      }
      starts[i] = this.#entries + columns.length;
    }
    const entries = new Float32Array(2 * columns.length), bits = new Uint32Array(entries.buffer);
    for (const [i, value] of values.entries()) {
      bits[2 * i] = columns[i];
      entries[2 * i + 1] = value;
    }
    const { device } = this;
    device.write(this.words, new Float32Array(words.buffer), this.#rows * perRow);
    if (this.perRow) device.write(this.scales, scales, 2 * this.#rows);
    device.write(this.starts, new Float32Array(starts.buffer), this.#rows + 1);
    this.#grow(2 * this.#entries + entries.length);
    device.write(this.entries, entries, 2 * this.#entries);
    this.#rows = rows.length;
    this.#entries += columns.length;
    return this;
  }

  /** Makes room for `length` numbers of entries. */
  #grow(length: number): void {
    if (length <= this.entries.length) return;
    using old = this.entries;
    this.entries = this.device.allocate(2 * length);
    this.device.copy(old, 0, this.entries, 0, 2 * this.#entries);
  }

  [Symbol.dispose](): void {
    for (const buffer of [this.words, this.codebook, this.scales, this.starts, this.entries]) {
      buffer[Symbol.dispose]();
    }
  }
}
