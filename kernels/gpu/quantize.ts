/** Quantization on the GPU: ranges, then the quantizer of each, then the values. */

import type { DeviceBuffer } from "../device.ts";
import type { QuantizeLayout, UniformRule } from "../codes.ts";
import { kernels } from "./kernels.ts";
import type { Recorder } from "./recorder.ts";
import type { Memory } from "./storage.ts";
import type { Views } from "./views.ts";

/** Elements of a long range that one workgroup looks at, and that one invocation does. */
const piece = 4096, pieceOfOne = 128;
const modes: Record<UniformRule["mode"], number> = { asymmetric: 0, symmetric: 1, offsetBinary: 2 };

/** Where the elements of a range lie. */
interface Ranges {
  readonly ranges: number;
  readonly count: number;
  readonly rangeStride: number;
  readonly stride: number;
}

/** Quantizes and dequantizes `x` in place. */
export function runFakeQuantize(
  recorder: Recorder,
  memory: Memory,
  views: Views,
  x: DeviceBuffer,
  rule: UniformRule,
  layout: QuantizeLayout,
): void {
  const { rows, columns, axis, groupSize = columns } = layout;
  if (rows * columns === 0) return;
  const quantizer = new Quantizer(recorder, memory, views, x, rule);
  if (axis === "row") {
    const perRow = columns / groupSize;
    for (const { first, count } of views.windows(rows, columns)) {
      const ranges = { ranges: count * perRow, count: groupSize, rangeStride: groupSize, stride: 1 };
      quantizer.run([{ first: first * columns, length: count * columns, ranges }], groupSize, count * perRow);
    }
  } else if (axis === "column") {
    const windows = [...views.windows(rows, columns)].map(({ first, count }) => ({
      first: first * columns,
      length: count * columns,
      ranges: { ranges: columns, count, rangeStride: 1, stride: columns },
    }));
    quantizer.run(windows, 1, columns);
  } else {
    const windows = [...views.windows(rows * columns, 1)].map(({ first, count }) => ({
      first,
      length: count,
      ranges: { ranges: 1, count, rangeStride: 0, stride: 1 },
    }));
    quantizer.run(windows, 1, 1);
  }
}

class Quantizer {
  constructor(
    private readonly recorder: Recorder,
    private readonly memory: Memory,
    private readonly views: Views,
    private readonly x: DeviceBuffer,
    private readonly rule: UniformRule,
  ) {}

  /** Quantizes windows of `x` that share their ranges; element `i` of each has range `i / divisor % modulus`. */
  run(
    windows: readonly { first: number; length: number; ranges: Ranges }[],
    divisor: number,
    modulus: number,
  ): void {
    const { recorder, memory, views, x, rule } = this;
    const { ranges: count } = windows[0].ranges;
    // Short ranges, and those whose elements are not neighbours, have an invocation each instead of a workgroup.
    const { count: length, stride } = windows[0].ranges, alone = length <= pieceOfOne || stride > 1;
    const pieceLength = alone ? pieceOfOne : piece;
    const piecesOf = (ranges: Ranges) => Math.ceil(ranges.count / pieceLength);
    const pieces = windows.reduce((sum, { ranges }) => sum + piecesOf(ranges), 0);
    const limits = memory.take("fakeQuantize", count * pieces * 12, false);
    const quantizers = memory.take("fakeQuantize", count * 8, false);
    let firstPiece = 0;
    for (const { first, length, ranges } of windows) {
      recorder.dispatch(alone ? kernels.rangeEach : kernels.range, {
        x: views.part("fakeQuantize", "x", x, first, length),
        limits: { buffer: limits },
      }, {
        ranges: ranges.ranges,
        pieces: piecesOf(ranges),
        first_piece: firstPiece,
        all_pieces: pieces,
        count: ranges.count,
        piece: pieceLength,
        range_stride: ranges.rangeStride,
        stride: ranges.stride,
      }, Math.ceil(ranges.ranges * piecesOf(ranges) / (alone ? 256 : 1)));
      firstPiece += piecesOf(ranges);
    }
    recorder.dispatch(
      kernels.derive,
      { limits: { buffer: limits }, quantizers: { buffer: quantizers } },
      {
        ranges: count,
        pieces,
        bits: rule.bits,
        mode: modes[rule.mode],
        zero_in_range: Number(rule.zeroInRange),
        clip: rule.clip ?? 1,
      },
      Math.ceil(count / 256),
    );
    const half = 2 ** (rule.bits - 1), symmetric = rule.mode === "symmetric";
    for (const { first, length } of windows) {
      recorder.dispatch(
        kernels.fakeQuantize,
        { x: views.part("fakeQuantize", "x", x, first, length), quantizers: { buffer: quantizers } },
        {
          count: length,
          divisor,
          modulus,
          lowest: symmetric ? -half : 0,
          highest: symmetric ? half - 1 : 2 * half - 1,
        },
        Math.ceil(length / 256),
      );
    }
    memory.give(quantizers, count * 8);
    memory.give(limits, count * pieces * 12);
  }
}
