/** Rows of codes into a codebook, decoded by plain loops: what devices without a kernel for it run. */

import { checkInteger, checkLength } from "../check.ts";
import type { CodedRows, DeviceBuffer } from "../device.ts";

/** Words of a row: codes do not straddle them. */
export function wordsPerRow({ bits, width }: Pick<CodedRows, "bits" | "width">): number {
  return Math.ceil(width / Math.floor(32 / bits));
}

/** Throws unless rows `[first, first + count)` lie in their buffers and fit into `y`. */
export function checkDecode(rows: CodedRows, y: DeviceBuffer, first: number, count: number): void {
  const op = "decode", { bits, width, words, codebook, scales, perRow, starts } = rows;
  checkInteger(op, "bits", bits, 1, 8);
  checkInteger(op, "width", width, 1);
  checkInteger(op, "first", first);
  checkInteger(op, "count", count);
  checkLength(op, "words", words, (first + count) * wordsPerRow(rows));
  checkLength(op, "codebook", codebook, 2 ** bits);
  checkLength(op, "scales", scales, 2 * (perRow ? first + count : width));
  checkLength(op, "starts", starts, first + count + 1);
  checkLength(op, "y", y, count * width);
}

/** `y[t, j] = codebook[code] * range + center`, or the value that stands apart; `view` reads a buffer by its name. */
export function decodeRows(
  rows: CodedRows,
  y: Float32Array,
  first: number,
  count: number,
  view: (argument: string, buffer: DeviceBuffer) => Float32Array,
): void {
  const { bits, width, perRow } = rows, top = 2 ** bits - 1, perWord = Math.floor(32 / bits);
  const integers = (argument: string, buffer: DeviceBuffer) => {
    const floats = view(argument, buffer);
    return new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  };
  const words = integers("words", rows.words), starts = integers("starts", rows.starts);
  const columns = integers("entries", rows.entries), values = view("entries", rows.entries);
  const codebook = view("codebook", rows.codebook), scales = view("scales", rows.scales);
  for (let i = 0; i < count; i++) {
    const row = first + i, start = row * wordsPerRow(rows), into = y.subarray(i * width, (i + 1) * width);
    for (let j = 0, w = start; j < width; w++) {
      let word = words[w];
      for (const stop = Math.min(j + perWord, width); j < stop; j++, word >>>= bits) {
        const at = 2 * (perRow ? row : j);
        into[j] = Math.fround(codebook[word & top] * scales[at + 1]) + scales[at];
      }
    }
    for (let k = starts[row]; k < starts[row + 1]; k++) into[columns[2 * k]] = values[2 * k + 1];
  }
}
