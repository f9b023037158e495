/** Codes of few bits in words of 32: the layouts in which published files pack them. */

/**
 * How the codes of one row or column lie in its words, lowest bits first: `stream`, one code after the other, over the ends of words;
 * `fields`, as many whole codes as fit a word; `planes` (GPTQModel's `gptq_p`), blocks of 32 codes of which the lowest bits (4 of a code,
 * 2 of three) come first, then the others in planes of 2 and 1.
 */
export type Layout = "stream" | "fields" | "planes";

/** Words that `count` codes take. */
export function wordsOf(count: number, bits: number, layout: Layout): number {
  if (layout === "fields") return Math.ceil(count / Math.floor(32 / bits));
  return layout === "stream" ? Math.ceil(count * bits / 32) : Math.ceil(count / 32) * bits;
}

/** Where the words of a row or column lie: word `k` is `data[start + k * step]`. */
export interface Lane {
  /** Words of all rows or columns. */
  readonly data: Int32Array;
  /** First word. */
  readonly start: number;
  /** From one word to the next. */
  readonly step: number;
}

/** Widths of the planes, from the lowest bits on. */
const planes: Readonly<Record<number, readonly number[]>> = { 3: [2, 1], 5: [4, 1], 6: [4, 2], 7: [4, 2, 1] };

/** Whether `bits` bits can lie in planes. */
export function hasPlanes(bits: number): boolean {
  return Object.hasOwn(planes, bits);
}

/** `count` codes of a lane, in order. */
export function readLane(lane: Lane, bits: number, count: number, layout: Layout): Uint8Array {
  const codes = new Uint8Array(count);
  if (layout === "planes") {
    let shift = 0, first = 0;
    for (const width of planes[bits]) {
      addPlane(codes, lane, { bits, width, first, shift });
      first += width;
      shift += width;
    }
    return codes;
  }
  const { data, start, step } = lane, mask = 2 ** bits - 1, perWord = Math.floor(32 / bits);
  for (let i = 0; i < count; i++) {
    const whole = layout === "fields";
    const bit = whole ? bits * (i % perWord) : (i * bits) % 32;
    const at = start + step * (whole ? Math.floor(i / perWord) : Math.floor(i * bits / 32));
    const low = data[at] >>> bit;
    codes[i] = (bit + bits > 32 ? low | data[at + step] << (32 - bit) : low) & mask;
  }
  return codes;
}

/** Adds the bits of one plane: in each block of 32 codes it starts at word `first` and has `width` bits of a code. */
function addPlane(
  codes: Uint8Array,
  { data, start, step }: Lane,
  { bits, width, first, shift }: { bits: number; width: number; first: number; shift: number },
): void {
  const perWord = 32 / width, mask = 2 ** width - 1;
  for (let i = 0; i < codes.length; i++) {
    const within = i % 32, word = Math.floor(i / 32) * bits + first + Math.floor(within / perWord);
    codes[i] |= ((data[start + word * step] >>> (width * (within % perWord))) & mask) << shift;
  }
}

/** Codes `[columns, count]` of words `[words, columns]`: packed along the first axis. */
export function readColumns(
  data: Int32Array,
  columns: number,
  bits: number,
  count: number,
  layout: Layout,
): Uint8Array {
  const codes = new Uint8Array(columns * count);
  for (let column = 0; column < columns; column++) {
    codes.set(readLane({ data, start: column, step: columns }, bits, count, layout), column * count);
  }
  return codes;
}

/** Codes `[rows, count]` of words `[rows, words]`: packed along the last axis. */
export function readRows(
  data: Int32Array,
  rows: number,
  bits: number,
  count: number,
  layout: Layout,
): Uint8Array {
  const codes = new Uint8Array(rows * count), words = data.length / rows;
  for (let row = 0; row < rows; row++) {
    codes.set(readLane({ data, start: row * words, step: 1 }, bits, count, layout), row * count);
  }
  return codes;
}
