/** Matrix products on the GPU: the layouts of weights, and which kernel multiplies them. */

import type { DeviceBuffer, DeviceWeight, GemmShape, PackedIntegers } from "../device.ts";
import { codeAt, groupsOfRow, rangeIndex } from "../packed.ts";
import { kernels } from "./kernels.ts";
import type { Recorder, View } from "./recorder.ts";
import { type Memory, Piece } from "./storage.ts";
import type { Views } from "./views.ts";

/** Rows that the vector products handle: the weight is read once for all of them. */
const fewRows = 4;
/** Elements of a dense weight that are uploaded at a time. */
const uploaded = 2 ** 22;

/** Consecutive output features whose weights lie in one buffer. */
export interface Part {
  readonly first: number;
  readonly count: number;
  /** Output features between two rows of the layout: `count` rounded up. */
  readonly stride: number;
}

/** Cuts output features so that each part takes at most `limit` bytes, at `bytes` bytes per feature. */
export function cut(outFeatures: number, bytes: number, limit: number, multiple: number): Part[] {
  const step = Math.max(multiple, Math.floor(limit / bytes / multiple) * multiple);
  const parts: Part[] = [];
  for (let first = 0; first < outFeatures; first += step) {
    const count = Math.min(step, outFeatures - first);
    parts.push({ first, count, stride: Math.ceil(count / multiple) * multiple });
  }
  return parts;
}

/** A float32 weight as `[inFeatures][stride]`: neighbouring output features are neighbours in memory. */
export class GpuWeight extends Piece implements DeviceWeight {
  readonly parts: readonly Part[];

  constructor(memory: Memory, limit: number, readonly outFeatures: number, readonly inFeatures: number) {
    const parts = cut(outFeatures, inFeatures * 4, limit, 4);
    super(memory, "weight", parts.map(({ stride }) => stride * inFeatures * 4), true);
    this.parts = parts;
  }
}

/** Uploads a row-major weight and transposes it on the GPU. */
export function layWeight(memory: Memory, recorder: Recorder, weight: GpuWeight, data: Float32Array): void {
  const { inFeatures, parts } = weight;
  const targets = weight.open(memory, "weight", "weight");
  const step = Math.max(1, Math.floor(uploaded / inFeatures));
  for (const [i, { first, count, stride }] of parts.entries()) {
    for (let offset = 0; offset < count; offset += step) {
      const rows = Math.min(step, count - offset);
      const values = new Float32Array(
        data.subarray((first + offset) * inFeatures, (first + offset + rows) * inFeatures),
      );
      const stage = memory.take("weight", values.byteLength, false);
      recorder.write(stage, 0, values);
      recorder.dispatch(
        kernels.transpose,
        { from_rows: { buffer: stage }, to_columns: { buffer: targets[i] } },
        { rows, columns: inFeatures, stride, offset },
        [Math.ceil(inFeatures / 16), Math.ceil(rows / 16)],
      );
      memory.give(stage, values.byteLength);
    }
  }
}

/** A weight of packed integers: for each part its codes, then its scales and zero points; at last the ranges' map. */
export class GpuPackedWeight extends Piece implements DeviceWeight {
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly bits: number;
  readonly parts: readonly Part[];

  constructor(memory: Memory, limit: number, packed: PackedIntegers) {
    const { outFeatures, inFeatures, bits } = packed;
    const words = Math.ceil(inFeatures / 32) * bits, groups = groupsOfRow(packed);
    const parts = cut(outFeatures, Math.max(words * 4, groups * 8), limit, 32);
    const sizes = parts.flatMap(({ stride }) => [words * stride * 4, groups * stride * 8]);
    super(memory, "packedWeight", [...sizes, inFeatures * 4]);
    this.outFeatures = outFeatures;
    this.inFeatures = inFeatures;
    this.bits = bits;
    this.parts = parts;
  }
}

/** Cuts codes into planes (see `packed.wgsl`) and uploads them with their scales and zero points. */
export function layPacked(
  memory: Memory,
  recorder: Recorder,
  weight: GpuPackedWeight,
  packed: PackedIntegers,
): void {
  const { inFeatures, bits, codes, groupSize, permutation, scales, zeros } = packed;
  const groups = groupsOfRow(packed);
  const targets = weight.open(memory, "packedWeight", "weight");
  for (const [i, { first, count, stride }] of weight.parts.entries()) {
    const words = new Uint32Array(Math.ceil(inFeatures / 32) * bits * stride);
    const quantizers = new Float32Array(groups * stride * 2);
    for (let j = 0; j < count; j++) {
      const row = first + j;
      for (let l = 0; l < inFeatures; l++) {
        const code = codeAt(codes, bits, row * inFeatures + l);
        layCode(words, code, permutation?.[l] ?? l, j, stride, bits);
      }
      for (let group = 0; group < groups; group++) {
        const range = rangeIndex(packed, row, group);
        quantizers.set([scales[range], zeros[range]], (group * stride + j) * 2);
      }
    }
    recorder.write(targets[2 * i], 0, words);
    recorder.write(targets[2 * i + 1], 0, quantizers);
  }
  const rangeOf = new Uint32Array(inFeatures);
  if (groups > 1) {
    for (let l = 0; l < inFeatures; l++) rangeOf[permutation?.[l] ?? l] = Math.floor(l / groupSize);
  }
  recorder.write(targets[2 * weight.parts.length], 0, rangeOf);
}

/** Puts code `l` of output `j` into its planes: of 4 bits (two of them at 8 bits), of 2 and of 1. */
function layCode(words: Uint32Array, code: number, l: number, j: number, stride: number, bits: number): void {
  const block = Math.floor(l / 32) * bits, i = l % 32;
  let word = block;
  for (let left = bits; left > 0;) {
    const width = left >= 4 ? 4 : left >= 2 ? 2 : 1, perWord = 32 / width;
    const digit = (code >> (bits - left)) & ((1 << width) - 1);
    words[(word + Math.floor(i / perWord)) * stride + j] |= digit << (width * (i % perWord));
    word += width;
    left -= width;
  }
}

/** `y = x W^T + bias`. */
export function runLinear(
  recorder: Recorder,
  views: Views,
  memory: Memory,
  operands: {
    x: DeviceBuffer;
    weight: GpuWeight | GpuPackedWeight;
    bias: DeviceBuffer | null;
    y: DeviceBuffer;
  },
  rows: number,
): void {
  const { x, weight, bias, y } = operands;
  const { outFeatures, inFeatures, parts } = weight;
  const buffers = weight.open(memory, "linear", "weight");
  const offset = bias && views.whole("linear", "bias", bias);
  for (const { first, count } of views.windows(rows, Math.max(inFeatures, outFeatures))) {
    const input = views.part("linear", "x", x, first * inFeatures, count * inFeatures);
    const output = views.part("linear", "y", y, first * outFeatures, count * outFeatures);
    for (const [i, part] of parts.entries()) {
      const right: Record<string, View> = weight instanceof GpuPackedWeight
        ? {
          codes: { buffer: buffers[2 * i] },
          quantizers: { buffer: buffers[2 * i + 1] },
          range_of: { buffer: buffers[2 * parts.length] },
        }
        : { weight: { buffer: buffers[i] }, b: { buffer: buffers[i] } };
      const bits: Record<string, number> = weight instanceof GpuPackedWeight ? { bits: weight.bits } : {};
      const packed = weight instanceof GpuPackedWeight;
      if (count <= fewRows) {
        recorder.dispatch(
          packed ? kernels.packedVectorProduct : kernels.vectorProduct,
          { x: input, y: output, bias: offset ?? input, ...right },
          {
            k: inFeatures,
            n: part.count,

            stride: part.stride,
            y_row: outFeatures,
            y_first: part.first,
            has_bias: Number(bias !== null),
            rows: count,
          },
          Math.ceil(part.count / (packed ? 32 : 128)),
          { several: Number(count > 1), ...bits },
        );
      } else {
        recorder.dispatch(
          packed ? kernels.packedProduct : kernels.product,
          { a: input, c: output, bias: offset ?? input, ...right },
          {
            m: count,
            n: part.count,
            k: inFeatures,
            a_row: inFeatures,
            a_column: 1,
            b_row: part.stride,
            b_column: 1,
            c_row: outFeatures,
            c_first: part.first,
            has_bias: Number(bias !== null),
            alpha: 1,
            beta: 0,
          },
          [Math.ceil(part.count / 64), Math.ceil(count / 64)],
          bits,
        );
      }
    }
  }
}

/** `c = alpha op(a) op(b) + beta c`; `aWidth` elements lie between the stored rows of `a` (by default it has no more). */
export function runGemm(
  recorder: Recorder,
  a: View,
  b: View,
  c: View,
  shape: GemmShape,
  aWidth: number = shape.transposeA ? shape.m : shape.k,
): void {
  const { m, n, k, transposeA = false, transposeB = false, alpha = 1, beta = 0 } = shape;
  recorder.dispatch(
    kernels.product,
    { a, b, c, bias: a },
    {
      m,
      n,
      k,
      a_row: transposeA ? 1 : aWidth,
      a_column: transposeA ? aWidth : 1,
      b_row: transposeB ? 1 : n,
      b_column: transposeB ? k : 1,
      c_row: n,
      c_first: 0,
      has_bias: 0,
      alpha,
      beta,
    },
    [Math.ceil(n / 64), Math.ceil(m / 64)],
  );
}
