/**
 * Blocks of a matrix that share a scale: `x^ = values[code] * scale` in float32, where `values` is what a format's codes stand for. How a
 * scale follows from a block, and how a value becomes a code, is a method's.
 */
import type { Device, DeviceBuffer } from "../../kernels/device.ts";

/** Codes into a table, fitted to one block. */
export interface BlockQuantizer {
  /** A float32 number. */
  readonly scale: number;
  /** What the scale is stored as, where that is a byte. */
  readonly scaleCode?: number;
  /** The code of a value. */
  encode(x: number): number;
}

/** How the blocks of a matrix are quantized. */
export interface BlockRule {
  /** Bits of a code. */
  readonly bits: number;
  /** `[2^bits]`: what codes stand for. */
  readonly values: Float32Array;
  /** Rows and columns of a block; those at the edge of a matrix are cut off. Infinity: all of them. */
  readonly block: readonly [rows: number, columns: number];
  /** `[256]`: what the byte of a scale stands for, where scales are bytes. */
  readonly scaleValues?: Float32Array;
  /** What the scales of blocks were multiplied by before they became bytes, where the tensor has such a scale. */
  readonly globalScale?: number;
  /** The quantizer of a block, all of its values finite. */
  fit(block: Float32Array): BlockQuantizer;
}

/** A matrix as codes. */
export interface EncodedBlocks {
  /** `[rows, columns]` */
  readonly codes: Uint8Array;
  /** A scale for each block, by rows of blocks: float32, or the bytes that stand for them. */
  readonly scales: Float32Array | Uint8Array;
}

/** The largest magnitude; NaN where one is. */
export function absMax(values: Float32Array): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]));
  return most;
}

/** `x^` of a code. */
export function blockValue({ values }: BlockRule, { scale }: BlockQuantizer, code: number): number {
  return Math.fround(values[code] * scale);
}

interface Shape {
  readonly rows: number;
  readonly columns: number;
}

/** Where a block lies: `height` runs of `width` values, `stride` apart. */
interface Block {
  readonly first: number;
  readonly height: number;
  readonly width: number;
  readonly stride: number;
}

/** Visits block after block with a copy of its values, by rows of blocks. */
function eachBlock(
  data: Float32Array,
  { rows, columns }: Shape,
  [blockRows, blockColumns]: BlockRule["block"],
  visit: (values: Float32Array, block: Block) => void,
): void {
  const tall = Math.min(blockRows, rows), wide = Math.min(blockColumns, columns);
  const room = new Float32Array(tall * wide);
  for (let top = 0; top < rows; top += tall) {
    const height = Math.min(tall, rows - top);
    for (let left = 0; left < columns; left += wide) {
      const width = Math.min(wide, columns - left), values = room.subarray(0, height * width);
      const first = top * columns + left;
      for (let i = 0; i < height; i++) {
        values.set(data.subarray(first + i * columns, first + i * columns + width), i * width);
      }
      visit(values, { first, height, width, stride: columns });
    }
  }
}

/** Fills a block in. */
function fill(
  target: Uint8Array | Float32Array,
  { first, height, width, stride }: Block,
  valueOf: (i: number) => number,
) {
  for (let row = 0, i = 0; row < height; row++) {
    const start = first + row * stride;
    for (let column = 0; column < width; column++, i++) target[start + column] = valueOf(i);
  }
}

/** Codes and scales of a matrix of finite values. */
export function encodeBlocks(data: Float32Array, shape: Shape, rule: BlockRule): EncodedBlocks {
  const codes = new Uint8Array(data.length), scales: number[] = [];
  eachBlock(data, shape, rule.block, (values, block) => {
    const quantizer = rule.fit(values);
    scales.push(rule.scaleValues === undefined ? quantizer.scale : quantizer.scaleCode ?? 0);
    fill(codes, block, (i) => quantizer.encode(values[i]));
  });
  return { codes, scales: rule.scaleValues ? Uint8Array.from(scales) : Float32Array.from(scales) };
}

/** Rounds a matrix to `x^` in place. A NaN or an infinity makes its whole block NaN. */
export function roundBlocks(data: Float32Array, shape: Shape, rule: BlockRule): void {
  const { values: table } = rule;
  eachBlock(data, shape, rule.block, (values, { first, height, width, stride }) => {
    const finite = Number.isFinite(absMax(values)), { scale, encode } = finite ? rule.fit(values) : notFinite;
    for (let row = 0, i = 0; row < height; row++) {
      const start = first + row * stride;
      for (let column = 0; column < width; column++, i++) {
        data[start + column] = table[encode(values[i])] * scale;
      }
    }
  });
}

const notFinite: BlockQuantizer = { scale: NaN, encode: () => 0 };

/** {@linkcode roundBlocks} of a matrix that lies on a device, by way of the host: the same bits on all devices. */
export async function roundOnDevice(
  device: Device,
  x: DeviceBuffer,
  shape: Shape,
  ruleOf: (data: Float32Array) => BlockRule,
): Promise<void> {
  const data = await device.read(x, 0, shape.rows * shape.columns);
  roundBlocks(data, shape, ruleOf(data));
  device.write(x, data);
}
