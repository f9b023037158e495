/** Weights of linear layers on the GPU: their layouts, in parts that can be bound. */

import type { DeviceWeight } from "../device.ts";
import type { PackedIntegers } from "../codes.ts";
import { codeAt } from "../host/bits.ts";
import { codeValue, groupsOfRow, rangeIndex } from "../host/packed.ts";
import type { Kernel } from "./kernel.ts";
import { kernels } from "./kernels.ts";
import type { Recorder, View } from "./recorder.ts";
import { type Memory, Piece } from "./storage.ts";

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

/** A weight that {@linkcode runLinear} multiplies: buffers of its parts, and how kernels read them. */
export abstract class GpuLinearWeight extends Piece implements DeviceWeight {
  /** Pipeline constants of the kernels. */
  readonly constants: Readonly<Record<string, number>> = {};
  /** Multiplies many rows. */
  abstract readonly product: Kernel;
  /** Multiplies up to four rows. */
  readonly vectorProduct: Kernel = kernels.packedVectorProduct;

  protected constructor(
    memory: Memory,
    readonly outFeatures: number,
    readonly inFeatures: number,
    readonly parts: readonly Part[],
    bytes: readonly number[],
    zeroed = false,
  ) {
    super(memory, "weight", bytes, zeroed);
  }

  /** What kernels bind of a part, by name; `buffers` are those of the piece. */
  abstract bindings(buffers: readonly GPUBuffer[], part: number): Record<string, View>;
}

/** A dense weight as `[inFeatures][stride]`, float32 or float16: neighbouring output features are neighbours in memory. */
export class GpuWeight extends GpuLinearWeight {
  override readonly product: Kernel;
  override readonly vectorProduct: Kernel;

  constructor(
    memory: Memory,
    limit: number,
    outFeatures: number,
    inFeatures: number,
    readonly half: boolean,
  ) {
    const perInput = half ? 2 : 4, parts = cut(outFeatures, inFeatures * perInput, limit, 4);
    const sizes = parts.map(({ stride }) => stride * inFeatures * perInput);
    super(memory, outFeatures, inFeatures, parts, sizes, true);
    this.product = half ? kernels.halfProduct : kernels.product;
    this.vectorProduct = half ? kernels.halfVectorProduct : kernels.vectorProduct;
  }

  override bindings(buffers: readonly GPUBuffer[], part: number): Record<string, View> {
    return { weight: { buffer: buffers[part] }, b: { buffer: buffers[part] } };
  }
}

/** Whether float16 has a finite value next to each of these. */
export function fitHalf(data: Float32Array): boolean {
  return data.every((value) => Math.abs(value) < 65520);
}

/** Uploads a row-major weight, rounded to what it is stored as, and transposes it on the GPU. */
export function layWeight(memory: Memory, recorder: Recorder, weight: GpuWeight, data: Float32Array): void {
  const { inFeatures, parts, half } = weight;
  const targets = weight.open(memory, "weight", "weight");
  const step = Math.max(2, Math.floor(uploaded / inFeatures / 2) * 2);
  for (const [i, { first, count, stride }] of parts.entries()) {
    for (let offset = 0; offset < count; offset += step) {
      const rows = Math.min(step, count - offset), length = rows * inFeatures;
      // Whole words.
      const values = half ? new Float16Array(Math.ceil(length / 2) * 2) : new Float32Array(length);
      values.set(data.subarray((first + offset) * inFeatures, (first + offset) * inFeatures + length));
      const stage = memory.take("weight", values.byteLength, false);
      recorder.write(stage, 0, values);
      recorder.dispatch(
        kernels.transpose,
        { from_rows: { buffer: stage }, to_columns: { buffer: targets[i] } },
        { rows, columns: inFeatures, stride, offset },
        [Math.ceil(inFeatures / 16), Math.ceil(rows / 16)],
        { half: Number(half) },
      );
      memory.give(stage, values.byteLength);
    }
  }
}

/**
 * A weight of packed integers: the ranges of its columns, then for each part its codes, its scales and zero points,
 * and, where some weights stand apart, where those of each output feature begin, with their columns and values.
 */
export class GpuPackedWeight extends GpuLinearWeight {
  override readonly product = kernels.packedProduct;
  override readonly constants: Readonly<Record<string, number>>;
  /** Whether some weights stand apart. */
  readonly sparse: boolean;

  constructor(memory: Memory, limit: number, packed: PackedIntegers) {
    const { outFeatures, inFeatures, bits, outliers } = packed;
    const words = Math.ceil(inFeatures / 32) * bits, groups = groupsOfRow(packed);
    const counts = Array.from({ length: outFeatures }, (_, j) => outliersOf(packed, j));
    const most = counts.reduce((a, b) => Math.max(a, b), 0);
    const parts = cut(outFeatures, Math.max(words * 4, groups * 8, most * 8), limit, 32);
    const sizes = parts.flatMap(({ first, count, stride }) => {
      const dense = [words * stride * 4, groups * stride * 8];
      if (!outliers) return dense;
      return [...dense, (count + 1) * 4, 8 * (outliers.start[first + count] - outliers.start[first])];
    });
    super(memory, outFeatures, inFeatures, parts, [inFeatures * 4, ...sizes]);
    this.constants = { bits };
    this.sparse = outliers !== undefined;
  }

  /** The first buffer of a part. */
  firstBuffer(part: number): number {
    return 1 + part * (this.sparse ? 4 : 2);
  }

  override bindings(buffers: readonly GPUBuffer[], part: number): Record<string, View> {
    const first = this.firstBuffer(part);
    return {
      range_of: { buffer: buffers[0] },
      codes: { buffer: buffers[first] },
      quantizers: { buffer: buffers[first + 1] },
      ...(this.sparse
        ? { starts: { buffer: buffers[first + 2] }, entries: { buffer: buffers[first + 3] } }
        : {}),
    };
  }
}

function outliersOf({ outliers }: PackedIntegers, row: number): number {
  return outliers ? outliers.start[row + 1] - outliers.start[row] : 0;
}

/** Cuts codes into planes (see `packed.wgsl`) and uploads them with their scales and zero points. */
export function layPacked(
  memory: Memory,
  recorder: Recorder,
  weight: GpuPackedWeight,
  packed: PackedIntegers,
): void {
  const { inFeatures, groupSize, permutation, scales, zeros } = packed;
  const groups = groupsOfRow(packed);
  const targets = weight.open(memory, "packedWeight", "weight");
  for (const [i, part] of weight.parts.entries()) {
    const { first, count, stride } = part, to = weight.firstBuffer(i);
    const words = planesOf(packed, part);
    const quantizers = new Float32Array(groups * stride * 2);
    for (let j = 0; j < count; j++) {
      const row = first + j;
      for (let group = 0; group < groups; group++) {
        const range = rangeIndex(packed, row, group);
        quantizers.set([scales[range], zeros[range]], (group * stride + j) * 2);
      }
    }
    recorder.write(targets[to], 0, words);
    recorder.write(targets[to + 1], 0, quantizers);
    if (weight.sparse) layOutliers(recorder, targets.slice(to + 2), packed, part);
  }
  const rangeOf = new Uint32Array(inFeatures);
  if (groups > 1) {
    for (let l = 0; l < inFeatures; l++) rangeOf[permutation?.[l] ?? l] = Math.floor(l / groupSize);
  }
  recorder.write(targets[0], 0, rangeOf);
}

/** Uploads where outliers begin, and for each its column and how far it is from the value of its code. */
function layOutliers(
  recorder: Recorder,
  [starts, entries]: readonly GPUBuffer[],
  packed: PackedIntegers,
  { first, count }: Part,
): void {
  const { outliers, permutation } = packed;
  if (!outliers) return;
  const begin = outliers.start[first], end = outliers.start[first + count];
  recorder.write(starts, 0, outliers.start.slice(first, first + count + 1).map((at) => at - begin));
  const columns = new Uint32Array(2 * (end - begin)), values = new Float32Array(columns.buffer);
  for (let j = first; j < first + count; j++) {
    for (let k = outliers.start[j]; k < outliers.start[j + 1]; k++) {
      const column = outliers.column[k];
      columns[2 * (k - begin)] = permutation?.[column] ?? column;
      values[2 * (k - begin) + 1] = outliers.value[k] - codeValue(packed, j, column);
    }
  }
  recorder.write(entries, 0, columns);
}

/** The codes of a part, cut into planes. */
export function planesOf(
  { inFeatures, bits, codes, permutation }: Pick<
    PackedIntegers,
    "inFeatures" | "bits" | "codes" | "permutation"
  >,
  { first, count, stride }: Part,
): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(inFeatures / 32) * bits * stride);
  for (let j = 0; j < count; j++) {
    for (let l = 0; l < inFeatures; l++) {
      const code = codeAt(codes, bits, (first + j) * inFeatures + l);
      layCode(words, code, permutation?.[l] ?? l, j, stride, bits);
    }
  }
  return words;
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

/** The product of some rows with a part of a weight, as bindings. */
export interface PartProduct<Weight extends GpuLinearWeight = GpuLinearWeight> {
  readonly weight: Weight;
  readonly part: Part;
  /** What kernels bind of the part. */
  readonly right: Record<string, View>;
  /** `[count, inFeatures]` */
  readonly x: View;
  /** `[count, outFeatures]` */
  readonly y: View;
  /** `[outFeatures]` */
  readonly bias: View | null;
  /** Number of rows. */
  readonly count: number;
}
