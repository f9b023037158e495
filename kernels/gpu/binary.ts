/** Binary-coded weights on the GPU, multiplied by table look-up (LUT-GEMM, Park et al., ICLR 2024). */

import type { BinaryCodes } from "../codes.ts";
import { kernels } from "./kernels.ts";
import { cut, GpuLinearWeight, type Part, type PartProduct } from "./weights.ts";
import type { Recorder, View } from "./recorder.ts";
import type { Memory } from "./storage.ts";

/** Words of 32 inputs that a workgroup walks over; with more, several share a row. */
const share = 64;

/** Whether a weight can be looked up: groups of whole words of signs. */
export function canLookUp({ groupSize }: BinaryCodes): boolean {
  return groupSize % 32 === 0;
}

/** A bit per weight and plane: the ranges of its columns, then for each part its signs, scales and offsets. */
export class GpuBinaryWeight extends GpuLinearWeight {
  override readonly product = kernels.binaryProduct;
  override readonly constants: Readonly<Record<string, number>>;
  readonly groupSize: number;

  constructor(memory: Memory, recorder: Recorder, limit: number, codes: BinaryCodes) {
    const { outFeatures, inFeatures, bits, groupSize } = codes;
    const words = inFeatures / 32 * bits, groups = inFeatures / groupSize;
    const parts = cut(outFeatures, words * 4, limit, 32);
    const sizes = parts.flatMap(({ stride }) =>
      [words, groups * bits, groups].map((size) => size * stride * 4)
    );
    super(memory, outFeatures, inFeatures, parts, [inFeatures * 4, ...sizes]);
    this.constants = { bits };
    this.groupSize = groupSize;
    const targets = this.open(memory, "packedWeight", "weight");
    recorder.write(
      targets[0],
      0,
      Uint32Array.from({ length: inFeatures }, (_, l) => Math.floor(l / groupSize)),
    );
    for (const [i, part] of parts.entries()) {
      for (const [at, data] of layBinary(codes, part).entries()) {
        recorder.write(targets[1 + 3 * i + at], 0, data);
      }
    }
  }

  override bindings(buffers: readonly GPUBuffer[], part: number): Record<string, View> {
    const [signs, scales, offsets] = buffers.slice(1 + 3 * part, 4 + 3 * part).map((buffer) => ({ buffer }));
    return { range_of: { buffer: buffers[0] }, signs, scales, offsets };
  }
}

/** Signs, scales and offsets of a part, neighbouring output features side by side. */
function layBinary(
  { inFeatures, bits, groupSize, patterns, alphas, offsets }: BinaryCodes,
  { first, count, stride }: Part,
): [Uint32Array<ArrayBuffer>, Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>] {
  const groups = inFeatures / groupSize;
  const signs = new Uint32Array(inFeatures / 32 * bits * stride);
  const scales = new Float32Array(groups * bits * stride), shifts = new Float32Array(groups * stride);
  for (let j = 0; j < count; j++) {
    for (let l = 0; l < inFeatures; l++) {
      const pattern = patterns[(first + j) * inFeatures + l];
      for (let plane = 0; plane < bits; plane++) {
        signs[((l >> 5) * bits + plane) * stride + j] |= ((pattern >> plane) & 1) << (l & 31);
      }
    }
    for (let group = 0; group < groups; group++) {
      const from = (first + j) * groups + group;
      for (let plane = 0; plane < bits; plane++) {
        scales[(group * bits + plane) * stride + j] = alphas[from * bits + plane];
      }
      shifts[group * stride + j] = offsets?.[from] ?? 0;
    }
  }
  return [signs, scales, shifts];
}

/** `y = x W^T + bias` for few rows: each makes tables of its own. */
export function lookUp(
  recorder: Recorder,
  memory: Memory,
  { weight, part, right, x, y, bias, count }: PartProduct<GpuBinaryWeight>,
): void {
  const { constants, outFeatures, inFeatures, groupSize } = weight;
  const words = inFeatures / 32, shares = Math.ceil(words / share);
  const bytes = count * shares * part.count * 4, sums = memory.take("linear", bytes, false);
  recorder.dispatch(
    kernels.lutProduct,
    { ...right, x, parts: { buffer: sums } },
    { n: part.count, stride: part.stride, words, share, shares, words_per_group: groupSize / 32 },
    [Math.ceil(part.count / 256), count * shares],
    constants,
  );
  recorder.dispatch(
    kernels.sumShares,
    { parts: { buffer: sums }, bias: bias ?? x, y },
    {
      rows: count,
      n: part.count,
      shares,
      y_row: outFeatures,
      y_first: part.first,
      has_bias: Number(bias !== null),
    },
    Math.ceil(count * part.count / 256),
  );
  memory.give(sums, bytes);
}
