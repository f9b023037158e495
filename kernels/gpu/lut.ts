/** Products with binary-coded weights by table look-up on the GPU (LUT-GEMM, Park et al., ICLR 2024). */

import { checkInteger, checkLength } from "../check.ts";
import type { DeviceBuffer } from "../device.ts";
import { DeviceError } from "../error.ts";
import type { GpuDevice } from "./device.ts";
import { kernels } from "./kernels.ts";
import { runGemm } from "./product.ts";
import { Piece } from "./storage.ts";

/** `w = sum_i alpha_i B_i + offset` with `B_i` +1 or -1. */
export interface BinaryCodes {
  /** Rows of the weight. */
  readonly outFeatures: number;
  /** Columns of the weight. */
  readonly inFeatures: number;
  /** Planes: 1 to 8. */
  readonly bits: number;
  /** Consecutive columns of a row that share their scales: a multiple of 32 that divides the columns. */
  readonly groupSize: number;
  /** `[outFeatures, inFeatures]`: bit `i` is set where plane `i` is +1. */
  readonly patterns: Uint8Array;
  /** `[outFeatures, inFeatures / groupSize, bits]` */
  readonly alphas: Float32Array;
  /** `[outFeatures, inFeatures / groupSize]`, added to each weight of a group. */
  readonly offsets?: Float32Array;
}

/** Words of 32 inputs that a workgroup walks over; with more, several share a row. */
const share = 64;

/** Such a weight on the GPU: a bit per weight and plane. */
export class LutWeight extends Piece {
  readonly #device: GpuDevice;
  readonly #codes: Pick<BinaryCodes, "bits" | "groupSize"> & { stride: number; hasOffsets: boolean };
  /** Rows of the weight. */
  readonly outFeatures: number;
  /** Columns of the weight. */
  readonly inFeatures: number;

  /** Cuts patterns into planes and uploads them. */
  constructor(device: GpuDevice, codes: BinaryCodes) {
    const { outFeatures, inFeatures, bits, groupSize, patterns, alphas, offsets } = codes;
    checkInteger("lutWeight", "bits", bits, 1, 8);
    if (groupSize % 32 !== 0 || inFeatures % groupSize !== 0) {
      const expected = `a multiple of 32 that divides ${inFeatures}`;
      throw new DeviceError("shape", `lutWeight: groupSize is ${groupSize}: expected ${expected}`);
    }
    const stride = Math.ceil(outFeatures / 32) * 32, words = inFeatures / 32, groups = inFeatures / groupSize;
    const signs = new Uint32Array(words * bits * stride);
    const scales = new Float32Array(groups * bits * stride), shifts = new Float32Array(groups * stride);
    for (let j = 0; j < outFeatures; j++) {
      for (let l = 0; l < inFeatures; l++) {
        for (let plane = 0; plane < bits; plane++) {
          const bit = (patterns[j * inFeatures + l] >> plane) & 1;
          signs[((l >> 5) * bits + plane) * stride + j] |= bit << (l & 31);
        }
      }
      for (let group = 0; group < groups; group++) {
        const from = j * groups + group;
        for (let plane = 0; plane < bits; plane++) {
          scales[(group * bits + plane) * stride + j] = alphas[from * bits + plane];
        }
        shifts[group * stride + j] = offsets?.[from] ?? 0;
      }
    }
    super(device.store, "lutWeight", [signs.byteLength, scales.byteLength, offsets ? shifts.byteLength : 4]);
    this.#device = device;
    this.#codes = { bits, groupSize, stride, hasOffsets: offsets !== undefined };
    [this.outFeatures, this.inFeatures] = [outFeatures, inFeatures];
    const [signsAt, scalesAt, shiftsAt] = this.open(device.store, "lutWeight", "weight");
    device.recorder.write(signsAt, 0, signs);
    device.recorder.write(scalesAt, 0, scales);
    if (offsets) device.recorder.write(shiftsAt, 0, shifts);
  }

  /** `y = W x`: `x` `[inFeatures]`, `y` `[outFeatures]`. */
  product(x: DeviceBuffer, y: DeviceBuffer): void {
    const op = "lutProduct", { outFeatures, inFeatures } = this, { recorder, store, views } = this.#device;
    checkLength(op, "x", x, inFeatures);
    checkLength(op, "y", y, outFeatures);
    const [signs, scales, offsets] = this.open(store, op, "weight");
    const { bits, groupSize, stride, hasOffsets } = this.#codes, words = inFeatures / 32;
    const shares = Math.ceil(words / share);
    using parts = new Piece(store, op, [shares * outFeatures * 4]);
    const [sums] = parts.open(store, op, "parts");
    recorder.dispatch(kernels.lutProduct, {
      x: views.part(op, "x", x, 0, inFeatures),
      signs: { buffer: signs },
      scales: { buffer: scales },
      offsets: { buffer: offsets },
      parts: { buffer: sums },
    }, {
      n: outFeatures,
      stride,
      words,
      share,
      bits,
      words_per_group: groupSize / 32,
      has_offsets: Number(hasOffsets),
    }, [Math.ceil(outFeatures / 256), shares]);
    if (shares === 1) return recorder.copy(sums, 0, views.buffer(op, "y", y), 0, outFeatures * 4);
    using ones = this.#device.upload(new Float32Array(shares).fill(1));
    const left = views.whole(op, "ones", ones);
    const right = { buffer: sums, size: shares * outFeatures * 4 };
    const target = views.part(op, "y", y, 0, outFeatures);
    runGemm(recorder, left, right, target, { m: 1, n: outFeatures, k: shares });
  }
}
