/**
 * The GPU device: WGSL kernels (`wgsl/`) behind WebGPU. Operations are recorded when they are called and run later, in
 * order; `read` waits for them. Its arithmetic is that of WGSL: sums in a fixed order, divisions off by up to 2.5 units
 * in the last place, results below 2^-126 flushed to zero on some hardware; quantizers give the bits of every device.
 */

import * as check from "../check.ts";
import type * as codes from "../codes.ts";
import type * as types from "../device.ts";
import type { AttentionShape, Device, DeviceBuffer, DeviceGram, DeviceWeight } from "../device.ts";
import { DeviceError } from "../error.ts";
import { checkDecode } from "../host/coded_rows.ts";
import { checkPackedAttention } from "../host/packed_attention.ts";
import { checkPacked, packedValues } from "../host/packed.ts";
import { describe, findAdapter, openAdapter } from "./adapter.ts";
import { runAttention, runPackedAttention, runProbabilities, runValues } from "./attention.ts";
import { runFitBinary } from "./binary_fit.ts";
import { runGemm } from "./gemm.ts";
import { GpuGram } from "./gram.ts";
import { runDecode } from "./decode.ts";
import { runHadamard } from "./hadamard.ts";
import { runConvolution, runScan, runTakeColumns } from "./recurrent.ts";
import { GpuInt8Weight } from "./int8.ts";
import { kernels } from "./kernels.ts";
import { gpuPackedWeight } from "./packed.ts";
import { runLinear } from "./product.ts";
import { GpuPull } from "./pull.ts";
import { runFakeQuantize } from "./quantize.ts";
import { Recorder } from "./recorder.ts";
import { GpuBuffer, Memory } from "./storage.ts";
import { fitHalf, GpuLinearWeight, GpuWeight, layWeight } from "./weights.ts";
import { Views } from "./views.ts";

/** Options of {@linkcode gpuDevice}. */
export interface GpuOptions {
  /** Most bytes that a kernel sees of one buffer: by default the adapter's limit. Larger buffers are split. */
  readonly bindingBytes?: number;
  /**
   * How dense weights are stored, `"float32"` by default. `"float16"` takes half the memory and bandwidth, and rounds
   * weights to 11 bits (2^-25 below 2^-14); those with a value beyond 65504 stay float32. Sums are float32 either way.
   */
  readonly weights?: "float32" | "float16";
}

/**
 * A {@linkcode Device} on the GPU. Release it with `using` (or `[Symbol.dispose]()`).
 *
 * Throws a {@linkcode DeviceError} with code `unavailable` where there is no adapter, or only one behind OpenGL that
 * computes in software. A software adapter behind Vulkan (lavapipe) is accepted: it is good for tests.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { findAdapter } from "./adapter.ts";
 * import { gpuDevice } from "./device.ts";
 *
 * if (typeof await findAdapter() !== "string") {
 *   using device = await gpuDevice();
 *   using x = device.upload(new Float32Array([1, -2, 3]));
 *   device.activate("relu", x);
 *   assertEquals(await device.read(x), new Float32Array([1, 0, 3]));
 * }
 * ```
 */
export function gpuDevice(options: GpuOptions = {}): Promise<Device> {
  return openGpu(options);
}

/** The same device, with what kernels beyond the interface need. */
export async function openGpu(options: GpuOptions = {}): Promise<GpuDevice> {
  const { weights = "float32" } = options;
  if (weights !== "float32" && weights !== "float16") {
    throw new DeviceError("option", `gpuDevice: weights is "${weights}": expected float32 or float16`);
  }
  const adapter = await findAdapter();
  if (typeof adapter === "string") {
    throw new DeviceError(
      "unavailable",
      `device "gpu" is not available (${adapter}): use QUANTBOOK_DEVICE=cpu`,
    );
  }
  return new GpuDevice(await openAdapter(adapter), describe(adapter), options);
}

/** In the order of the kernel's numbers. */
const activations: readonly types.Activation[] = ["relu", "silu", "gelu", "geluTanh", "softplus"];

/** The GPU as a device, with what kernels beyond the interface are run with. */
export class GpuDevice implements Device {
  readonly name = "gpu";
  readonly threads = 1;
  /** The stream of commands. */
  readonly recorder: Recorder;
  /** Where buffers come from. */
  readonly store: Memory;
  /** How buffers are bound. */
  readonly views: Views;

  constructor(gpu: GPUDevice, adapter: string, { bindingBytes, weights }: GpuOptions) {
    this.#half = weights === "float16";
    this.description = `WebGPU, ${adapter}${this.#half ? ", weights in float16" : ""}`;
    this.recorder = new Recorder(gpu);
    this.store = new Memory(this.recorder);
    this.views = new Views(this.store, bindingBytes ?? gpu.limits.maxStorageBufferBindingSize);
  }

  readonly description: string;
  readonly #half: boolean;

  get memory(): { readonly used: number; readonly peak: number } {
    return { ...this.store.usage };
  }

  [Symbol.dispose](): void {
    this.recorder.close();
  }

  // ---- memory -------------------------------------------------------------------------------------------

  allocate(length: number): DeviceBuffer {
    check.checkInteger("allocate", "length", length);
    return new GpuBuffer(this.store, "allocate", length, true);
  }

  upload(data: Float32Array): DeviceBuffer {
    const buffer = new GpuBuffer(this.store, "upload", data.length);
    this.recorder.write(this.views.buffer("upload", "buffer", buffer), 0, ownBytes(data));
    return buffer;
  }

  write(buffer: DeviceBuffer, data: Float32Array, offset = 0): void {
    check.checkRange("write", "buffer", buffer, offset, data.length);
    this.recorder.write(this.views.buffer("write", "buffer", buffer), offset * 4, ownBytes(data));
  }

  async read(buffer: DeviceBuffer, offset = 0, length = buffer.length - offset): Promise<Float32Array> {
    check.checkRange("read", "buffer", buffer, offset, length);
    const source = this.views.buffer("read", "buffer", buffer);
    return new Float32Array(await this.recorder.read(source, offset * 4, length * 4));
  }

  copy(from: DeviceBuffer, fromOffset: number, to: DeviceBuffer, toOffset: number, length: number): void {
    check.checkRange("copy", "from", from, fromOffset, length);
    check.checkRange("copy", "to", to, toOffset, length);
    const source = this.views.buffer("copy", "from", from), target = this.views.buffer("copy", "to", to);
    this.recorder.copy(source, fromOffset * 4, target, toOffset * 4, length * 4);
  }

  // ---- linear algebra -----------------------------------------------------------------------------------

  weight(data: Float32Array, outFeatures: number, inFeatures: number): DeviceWeight {
    check.checkWeight("weight", data, outFeatures, inFeatures);
    return this.#dense(data, outFeatures, inFeatures, this.#half && fitHalf(data));
  }

  #dense(data: Float32Array, outFeatures: number, inFeatures: number, half: boolean): DeviceWeight {
    const weight = new GpuWeight(this.store, this.views.bindingBytes, outFeatures, inFeatures, half);
    layWeight(this.store, this.recorder, weight, data);
    return weight;
  }

  packedWeight(packed: codes.PackedCodes): DeviceWeight {
    checkPacked(packed);
    const weight = gpuPackedWeight(this.store, this.recorder, this.views.bindingBytes, packed);
    return weight ?? this.#dense(packedValues(packed), packed.outFeatures, packed.inFeatures, false);
  }

  int8Weight(codes: Int8Array, outFeatures: number, inFeatures: number): types.DeviceInt8Weight {
    check.checkWeight("int8Weight", codes, outFeatures, inFeatures);
    return new GpuInt8Weight(
      this.recorder,
      this.store,
      this.views.bindingBytes,
      codes,
      outFeatures,
      inFeatures,
    );
  }

  linear(...call: Parameters<Device["linear"]>): void {
    check.checkLinear(...call);
    const [x, weight, bias, y, rows] = call;
    if (!(weight instanceof GpuLinearWeight)) {
      throw new DeviceError("foreign", "linear: weight belongs to another device");
    }
    runLinear(this.recorder, this.views, this.store, { x, weight, bias, y }, rows);
  }

  gemm(a: DeviceBuffer, b: DeviceBuffer, c: DeviceBuffer, shape: types.GemmShape): void {
    check.checkGemm(a, b, c, shape);
    const open = (argument: string, buffer: DeviceBuffer) => this.views.whole("gemm", argument, buffer);
    runGemm(this.recorder, open("a", a), open("b", b), open("c", c), shape);
  }

  // ---- the decoder's operations -------------------------------------------------------------------------

  rmsNorm(x: DeviceBuffer, weight: DeviceBuffer, y: DeviceBuffer, rows: number, eps: number): void {
    this.#norm("rmsNorm", { x, weight, bias: null, y }, rows, eps);
  }

  layerNorm(...[x, weight, bias, y, rows, eps]: Parameters<Device["layerNorm"]>): void {
    this.#norm("layerNorm", { x, weight, bias, y }, rows, eps);
  }

  #norm(
    op: "rmsNorm" | "layerNorm",
    { x, weight, bias, y }: Record<"x" | "weight" | "y", DeviceBuffer> & { bias: DeviceBuffer | null },
    rows: number,
    eps: number,
  ): void {
    check.checkNorm(op, x, weight, bias, y, rows);
    const columns = weight.length;
    const gain = this.views.whole(op, "weight", weight);
    const shift = bias ? this.views.whole(op, "bias", bias) : gain;
    for (const { first, count } of this.views.windows(rows, columns)) {
      this.recorder.dispatch(
        kernels.norm,
        {
          x: this.views.part(op, "x", x, first * columns, count * columns),
          y: this.views.part(op, "y", y, first * columns, count * columns),
          weight: gain,
          bias: shift,
        },
        { rows: count, columns, kind: op === "rmsNorm" ? 0 : bias ? 2 : 1, eps },
        count,
      );
    }
  }

  rotary(x: DeviceBuffer, table: DeviceBuffer, shape: types.RotaryShape): void {
    check.checkRotary(x, table, shape);
    const { tokens, heads, headDim, rotaryDim, position, layout } = shape;
    const angles = this.views.whole("rotary", "table", table), width = heads * headDim;
    for (const { first, count } of this.views.windows(tokens, width)) {
      const pairs = count * heads * rotaryDim / 2;
      this.recorder.dispatch(
        kernels.rotary,
        { x: this.views.part("rotary", "x", x, first * width, count * width), table: angles },
        {
          pairs,
          heads,
          head_dim: headDim,
          half: rotaryDim / 2,
          position: position + first,
          interleaved: Number(layout === "interleaved"),
        },
        Math.ceil(pairs / 256),
      );
    }
  }

  hadamard(x: DeviceBuffer, shape: types.HadamardShape): void {
    check.checkHadamard(x, shape);
    const { rows, size, stride = 1 } = shape, width = size * stride;
    for (const { first, count } of this.views.windows(rows, width)) {
      const part = this.views.part("hadamard", "x", x, first * width, count * width);
      runHadamard(this.recorder, part, { ...shape, rows: count });
    }
  }

  attention(q: DeviceBuffer, k: DeviceBuffer, v: DeviceBuffer, y: DeviceBuffer, shape: AttentionShape): void {
    check.checkAttention("attention", { q, k, v, y }, shape);
    runAttention(this.recorder, this.views, this.store, { q, k, v, y }, shape);
  }

  packedAttention(...call: Parameters<Device["packedAttention"]>): void {
    checkPackedAttention(...call);
    runPackedAttention(this.recorder, this.views, ...call);
  }

  attentionProbabilities(q: DeviceBuffer, k: DeviceBuffer, p: DeviceBuffer, shape: AttentionShape): void {
    check.checkAttention("attentionProbabilities", { q, k, p }, shape);
    runProbabilities(this.recorder, this.views, { q, k, p }, shape);
  }

  attentionValues(p: DeviceBuffer, v: DeviceBuffer, y: DeviceBuffer, shape: AttentionShape): void {
    check.checkAttention("attentionValues", { p, v, y }, shape);
    runValues(this.recorder, this.views, { p, v, y }, shape);
  }

  shortConvolution(...call: Parameters<Device["shortConvolution"]>): void {
    check.checkConvolution(...call);
    runConvolution(this.recorder, this.views, ...call);
  }

  scan(...call: Parameters<Device["scan"]>): void {
    check.checkScan(...call);
    runScan(this.recorder, this.views, ...call);
  }

  takeColumns(...call: Parameters<Device["takeColumns"]>): void {
    runTakeColumns(this.recorder, this.views, check.checkTakeColumns(...call), ...call);
  }

  activate(kind: types.Activation, x: DeviceBuffer): void {
    for (const { first, count } of this.views.windows(x.length, 1)) {
      this.recorder.dispatch(
        kernels.activate,
        { x: this.views.part("activate", "x", x, first, count) },
        { count, kind: activations.indexOf(kind) },
        Math.ceil(count / 256),
      );
    }
  }

  add(x: DeviceBuffer, y: DeviceBuffer): void {
    this.#combine("add", x, y);
  }

  multiply(x: DeviceBuffer, y: DeviceBuffer): void {
    this.#combine("multiply", x, y);
  }

  #combine(op: "add" | "multiply", x: DeviceBuffer, y: DeviceBuffer): void {
    check.checkRepeat(op, x, y);
    const same = x.length === y.length;
    for (const { first, count } of this.views.windows(x.length, 1)) {
      this.recorder.dispatch(
        kernels.combine,
        {
          x: this.views.part(op, "x", x, first, count),
          y: same ? this.views.part(op, "y", y, first, count) : this.views.whole(op, "y", y),
        },
        {
          count,
          phase: same ? 0 : first % y.length,
          period: same ? count : y.length,
          multiply: Number(op === "multiply"),
        },
        Math.ceil(count / 256),
      );
    }
  }

  logSoftmax(x: DeviceBuffer, y: DeviceBuffer, rows: number, columns: number): void {
    check.checkLogSoftmax(x, y, rows, columns);
    this.#into("logSoftmax", x, y, rows * columns);
    for (const { first, count } of this.views.windows(rows, columns)) {
      const row = this.views.part("logSoftmax", "y", y, first * columns, count * columns);
      this.recorder.dispatch(kernels.logSoftmax, { x: row }, { rows: count, columns }, count);
    }
  }

  /** Copies `x` to `y`, where an operation goes on in place. */
  #into(op: string, x: DeviceBuffer, y: DeviceBuffer, length: number): void {
    const from = this.views.buffer(op, "x", x), to = this.views.buffer(op, "y", y);
    if (from !== to) this.recorder.copy(from, 0, to, 0, length * 4);
  }

  decode(...call: Parameters<Device["decode"]>): void {
    checkDecode(...call);
    runDecode(this.recorder, this.views, ...call);
  }

  // ---- quantization -------------------------------------------------------------------------------------

  fakeQuantize(...call: Parameters<Device["fakeQuantize"]>): void {
    check.checkFakeQuantize(...call);
    const [x, y, rule, layout] = call;
    this.#into("fakeQuantize", x, y, layout.rows * layout.columns);
    runFakeQuantize(this.recorder, this.store, this.views, y, rule, layout);
  }

  // deno-lint-ignore require-await -- so that misuse rejects, as results do
  async fitBinary(weights: Float32Array, rule: codes.BinaryRule): Promise<codes.BinaryFit> {
    return runFitBinary(this.recorder, this.store, this.views, weights, rule);
  }

  columnAbsMax(x: DeviceBuffer, acc: DeviceBuffer, rows: number): void {
    const op = "columnAbsMax", columns = acc.length;
    check.checkColumns(op, x, columns, rows);
    const maxima = this.views.whole(op, "acc", acc);
    for (const { first, count } of this.views.windows(rows, columns)) {
      this.recorder.dispatch(
        kernels.columnAbsMax,
        { x: this.views.part(op, "x", x, first * columns, count * columns), acc: maxima },
        { rows: count, columns },
        [Math.ceil(columns / 32), 1],
      );
    }
  }

  gram(columns: number): DeviceGram {
    check.checkInteger("gram", "columns", columns, 1);
    return new GpuGram(this.recorder, this.store, this.views, columns);
  }

  errorPull(factor: Float64Array, errors: Float64Array, rows: number): types.DevicePull {
    return new GpuPull(this.recorder, this.store, this.views, factor, errors, rows);
  }
}

/** The same values in a buffer that is not shared between threads, as WebGPU asks. */
function ownBytes(data: Float32Array): Float32Array<ArrayBuffer> {
  return data.buffer instanceof ArrayBuffer
    ? new Float32Array(data.buffer, data.byteOffset, data.length)
    : new Float32Array(data);
}
