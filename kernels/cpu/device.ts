/**
 * The CPU device: SIMD kernels in WebAssembly (`assembly/`, compiled to `kernels.wasm`) and threads over one shared
 * memory. Operations run when they are called; the same input gives the same bits on any number of threads.
 */

import * as check from "../check.ts";
import type * as codes from "../codes.ts";
import type * as types from "../device.ts";
import type {
  AttentionShape,
  Device,
  DeviceBuffer,
  DeviceGram,
  DevicePull,
  DeviceWeight,
} from "../device.ts";
import { DeviceError } from "../error.ts";
import { runAttention } from "./attention.ts";
import { HostPull } from "./pull.ts";
import { FloatInt8Weight } from "../host/int8.ts";
import { fitBinary } from "../host/binary_fit.ts";
import { checkDecode, decodeRows } from "../host/coded_rows.ts";
import { hadamard } from "../host/hadamard.ts";
import { takeColumns } from "../host/columns.ts";
import { checkPackedAttention, packedAttention, readableTokens } from "../host/packed_attention.ts";
import { checkPacked, isBinary, packedValues } from "../host/packed.ts";
import { isTable } from "../host/table.ts";
import { CpuGram } from "./gram.ts";
import { runGemm, runPack, runProduct } from "./matrix.ts";
import { defaultThreads, loadModule } from "./module.ts";
import { type BinaryLayout, binaryLayout, canLookUp, layBinary } from "./binary.ts";
import { layPacked, type PackedLayout, packedLayout } from "./packed.ts";
import { canLayTable, layTable, type TableLayout, tableLayout } from "./table.ts";
import { checkThreads, Pool } from "./pool.ts";
import { runFakeQuantize } from "./quantize.ts";
import { CpuBuffer, CpuPackedWeight, CpuWeight, Memory, Piece } from "./storage.ts";

/**
 * A {@linkcode Device} on this processor. Release it with `using` (or `[Symbol.dispose]()`), which stops its threads;
 * a program that forgets to is not kept alive by them.
 *
 * @param options.threads Threads that compute, the caller's included: by default `QUANTBOOK_THREADS`, or as many as
 * there are processors. One where the runtime has no workers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cpuDevice } from "./device.ts";
 *
 * using device = await cpuDevice({ threads: 1 });
 * using x = device.upload(new Float32Array([1, -2, 3]));
 * device.activate("relu", x);
 * assertEquals(await device.read(x), new Float32Array([1, 0, 3]));
 * ```
 */
export async function cpuDevice(options: { threads?: number } = {}): Promise<Device> {
  return new CpuDevice(...await startThreads("cpuDevice", options.threads));
}

/** Memory and running threads for a device whose constructor function is `name`. */
export async function startThreads(name: string, wished?: number): Promise<[Memory, Pool]> {
  const threads = wished === undefined ? defaultThreads() : checkThreads(wished, `${name}: threads`);
  const memory = new Memory();
  const pool = new Pool(await loadModule(), memory.heap, threads);
  await pool.started();
  return [memory, pool];
}

/** In the order of the kernel's numbers. */
const activations: readonly types.Activation[] = ["relu", "silu", "gelu", "geluTanh", "softplus"];

/** The device behind {@linkcode cpuDevice}, for devices that do some of its operations in another way. */
export class CpuDevice implements Device {
  readonly name: string = "cpu";
  readonly #memory: Memory;
  readonly #pool: Pool;

  constructor(memory: Memory, pool: Pool) {
    this.#memory = memory;
    this.#pool = pool;
  }

  get threads(): number {
    return this.#pool.threads;
  }

  /** Without the number of threads: no value depends on it. */
  get description(): string {
    return "WebAssembly SIMD128";
  }

  get memory(): { readonly used: number; readonly peak: number } {
    return { ...this.#memory.usage };
  }

  [Symbol.dispose](): void {
    this.#pool[Symbol.dispose]();
  }

  /** The address of a buffer, which must be this device's and not released; 0 for none. */
  #open(op: string, argument: string, piece: DeviceBuffer | DeviceWeight | null | undefined): number {
    if (!piece) return 0;
    if (piece instanceof Piece) return piece.open(this.#memory, op, argument);
    throw new DeviceError("foreign", `${op}: ${argument} belongs to another device`);
  }

  /** The values of a buffer, until the heap grows. */
  protected floats(op: string, argument: string, buffer: DeviceBuffer): Float32Array {
    const start = this.#open(op, argument, buffer) / 4;
    return this.#memory.heap.floats.subarray(start, start + buffer.length);
  }

  // ---- memory -------------------------------------------------------------------------------------------

  allocate(length: number): DeviceBuffer {
    check.checkInteger("allocate", "length", length);
    const buffer = new CpuBuffer(this.#memory, length);
    const start = this.#open("allocate", "buffer", buffer) / 4;
    this.#memory.heap.floats.fill(0, start, start + length);
    return buffer;
  }

  upload(data: Float32Array): DeviceBuffer {
    const buffer = new CpuBuffer(this.#memory, data.length);
    this.#memory.heap.floats.set(data, this.#open("upload", "buffer", buffer) / 4);
    return buffer;
  }

  write(buffer: DeviceBuffer, data: Float32Array, offset = 0): void {
    check.checkRange("write", "buffer", buffer, offset, data.length);
    const start = this.#open("write", "buffer", buffer) / 4 + offset;
    this.#memory.heap.floats.set(data, start);
  }

  // deno-lint-ignore require-await -- async, so that misuse rejects as it does on devices that compute later
  async read(buffer: DeviceBuffer, offset = 0, length = buffer.length - offset): Promise<Float32Array> {
    check.checkRange("read", "buffer", buffer, offset, length);
    const start = this.#open("read", "buffer", buffer) / 4 + offset;
    const copy = new Float32Array(length);
    copy.set(this.#memory.heap.floats.subarray(start, start + length));
    return copy;
  }

  copy(from: DeviceBuffer, fromOffset: number, to: DeviceBuffer, toOffset: number, length: number): void {
    check.checkRange("copy", "from", from, fromOffset, length);
    check.checkRange("copy", "to", to, toOffset, length);
    const source = this.#open("copy", "from", from) / 4 + fromOffset;
    const target = this.#open("copy", "to", to) / 4 + toOffset;
    this.#memory.heap.floats.copyWithin(target, source, source + length);
  }

  // ---- linear algebra -----------------------------------------------------------------------------------

  weight(data: Float32Array, outFeatures: number, inFeatures: number): DeviceWeight {
    check.checkWeight("weight", data, outFeatures, inFeatures);
    const weight = new CpuWeight(this.#memory, outFeatures, inFeatures);
    const target = this.#open("weight", "weight", weight);
    // A few megabytes at a time, so that packing does not need room for a second copy of the weight.
    const step = Math.max(8, Math.floor(2 ** 20 / inFeatures / 8) * 8);
    using stage = new CpuBuffer(this.#memory, Math.min(step, outFeatures) * inFeatures);
    const address = this.#open("weight", "stage", stage);
    for (let row = 0; row < outFeatures; row += step) {
      const rows = Math.min(step, outFeatures - row);
      this.#memory.heap.floats.set(data.subarray(row * inFeatures, (row + rows) * inFeatures), address / 4);
      const source = { address, stride: inFeatures * 4, transposed: true };
      runPack(this.#pool, target + row * inFeatures * 4, source, rows, inFeatures);
    }
    return weight;
  }

  packedWeight(packed: codes.PackedCodes): DeviceWeight {
    checkPacked(packed);
    if (isBinary(packed)) {
      if (!canLookUp(packed)) return this.#values(packed);
      const layout = binaryLayout(packed);
      return this.#lay(layout, "binary", (target) => layBinary(packed, layout, target));
    }
    if (isTable(packed)) {
      if (!canLayTable(packed)) return this.#values(packed);
      const layout = tableLayout(packed);
      return this.#lay(layout, "integers", (target) => layTable(packed, layout, target));
    }
    if (packed.outliers) return this.#values(packed);
    const layout = packedLayout(packed);
    return this.#lay(layout, "integers", (target) => layPacked(packed, layout, target));
  }

  #values(packed: codes.PackedCodes): DeviceWeight {
    return this.weight(packedValues(packed), packed.outFeatures, packed.inFeatures);
  }

  #lay(
    layout: PackedLayout | BinaryLayout | TableLayout,
    form: "integers" | "binary",
    write: (target: Uint8Array) => void,
  ): DeviceWeight {
    const weight = new CpuPackedWeight(this.#memory, layout, form);
    write(this.#memory.heap.bytes(this.#open("packedWeight", "weight", weight), layout.bytes));
    return weight;
  }

  int8Weight(codes: Int8Array, outFeatures: number, inFeatures: number): types.DeviceInt8Weight {
    check.checkWeight("int8Weight", codes, outFeatures, inFeatures);
    return new FloatInt8Weight(this, codes, outFeatures, inFeatures);
  }

  linear(...call: Parameters<Device["linear"]>): void {
    check.checkLinear(...call);
    const [x, weight, bias, y, rows] = call;
    runProduct(this.#pool, {
      a: { address: this.#open("linear", "x", x), stride: weight.inFeatures * 4, transposed: false },
      weight: this.#open("linear", "weight", weight),
      form: weight instanceof CpuPackedWeight ? weight.form : "dense",
      bias: this.#open("linear", "bias", bias),
      c: this.#open("linear", "y", y),
      m: rows,
      n: weight.outFeatures,
      k: weight.inFeatures,
    });
  }

  gemm(a: DeviceBuffer, b: DeviceBuffer, c: DeviceBuffer, shape: types.GemmShape): void {
    check.checkGemm(a, b, c, shape);
    const left = this.#open("gemm", "a", a), right = this.#open("gemm", "b", b);
    runGemm(this.#pool, this.#memory, left, right, this.#open("gemm", "c", c), shape);
  }

  // ---- the decoder's operations -------------------------------------------------------------------------

  rmsNorm(x: DeviceBuffer, weight: DeviceBuffer, y: DeviceBuffer, rows: number, eps: number): void {
    check.checkNorm("rmsNorm", x, weight, null, y, rows);
    this.#pool.run("rmsNorm", { units: rows, nanoseconds: rows * weight.length }, [
      this.#open("rmsNorm", "x", x),
      this.#open("rmsNorm", "weight", weight),
      this.#open("rmsNorm", "y", y),
      weight.length,
      eps,
    ]);
  }

  layerNorm(...[x, weight, bias, y, rows, eps]: Parameters<Device["layerNorm"]>): void {
    check.checkNorm("layerNorm", x, weight, bias, y, rows);
    this.#pool.run("layerNorm", { units: rows, nanoseconds: rows * weight.length * 2 }, [
      this.#open("layerNorm", "x", x),
      this.#open("layerNorm", "weight", weight),
      this.#open("layerNorm", "bias", bias),
      this.#open("layerNorm", "y", y),
      weight.length,
      eps,
    ]);
  }

  rotary(x: DeviceBuffer, table: DeviceBuffer, shape: types.RotaryShape): void {
    check.checkRotary(x, table, shape);
    const { tokens, heads, headDim, rotaryDim, position, layout } = shape;
    const angles = this.#open("rotary", "table", table) + position * rotaryDim * 4;
    const address = this.#open("rotary", "x", x);
    this.#pool.run(
      "rotary",
      { units: tokens, nanoseconds: tokens * heads * rotaryDim },
      [address, angles, heads, headDim, rotaryDim, Number(layout === "interleaved")],
    );
  }

  hadamard(x: DeviceBuffer, shape: types.HadamardShape): void {
    check.checkHadamard(x, shape);
    hadamard(this.floats("hadamard", "x", x), shape);
  }

  attention(q: DeviceBuffer, k: DeviceBuffer, v: DeviceBuffer, y: DeviceBuffer, shape: AttentionShape): void {
    this.#attend("attention", { q, k, v, y }, shape);
  }

  packedAttention(...call: Parameters<Device["packedAttention"]>): void {
    const op = "packedAttention";
    checkPackedAttention(...call);
    const [q, keys, values, y, shape] = call;
    const view = (argument: string, buffer: DeviceBuffer) => this.floats(op, argument, buffer);
    const left = readableTokens("keys", keys, view), right = readableTokens("values", values, view);
    packedAttention(view("q", q), left, right, view("y", y), shape);
  }

  attentionProbabilities(q: DeviceBuffer, k: DeviceBuffer, p: DeviceBuffer, shape: AttentionShape): void {
    this.#attend("attentionProbabilities", { q, k, p }, shape);
  }

  attentionValues(p: DeviceBuffer, v: DeviceBuffer, y: DeviceBuffer, shape: AttentionShape): void {
    this.#attend("attentionValues", { p, v, y }, { ...shape, slopes: undefined });
  }

  #attend(op: string, buffers: Parameters<typeof check.checkAttention>[1], shape: AttentionShape): void {
    check.checkAttention(op, buffers, shape);
    const { q, k, v, p, y } = buffers;
    runAttention(this.#pool, {
      q: this.#open(op, "q", q),
      k: this.#open(op, "k", k),
      v: this.#open(op, "v", v),
      p: this.#open(op, "p", p),
      y: this.#open(op, "y", y),
      slopes: this.#open(op, "slopes", shape.slopes),
    }, shape);
  }

  shortConvolution(...call: Parameters<Device["shortConvolution"]>): void {
    check.checkConvolution(...call);
    const [x, kernel, bias, y, { tokens, channels, taps }] = call, op = "shortConvolution";
    const load = { units: tokens, nanoseconds: tokens * channels * taps / 4 };
    const addresses = [
      this.#open(op, "x", x),
      this.#open(op, "kernel", kernel),
      this.#open(op, "bias", bias),
    ];
    this.#pool.run(op, load, [...addresses, this.#open(op, "y", y), channels, taps]);
  }

  scan(...call: Parameters<Device["scan"]>): void {
    check.checkScan(...call);
    const [{ x, step, input, output, decay, skip }, state, y, { tokens, channels, states }] = call;
    const buffers = { x, step, input, output, decay, skip, state, y };
    const addresses = Object.entries(buffers).map(([name, one]) => this.#open("scan", name, one));
    const load = { units: channels, nanoseconds: tokens * channels * states * 2 };
    this.#pool.run("scan", load, [...addresses, tokens, channels, states]);
  }

  takeColumns(...call: Parameters<Device["takeColumns"]>): void {
    const columns = check.checkTakeColumns(...call), [x, y, rows, first, count] = call;
    const from = this.floats("takeColumns", "x", x), to = this.floats("takeColumns", "y", y);
    takeColumns(from, to, { rows, columns, first, count });
  }

  activate(kind: types.Activation, x: DeviceBuffer): void {
    const load = { units: x.length, nanoseconds: x.length * 2 };
    this.#pool.run("activate", load, [activations.indexOf(kind), this.#open("activate", "x", x)]);
  }

  add(x: DeviceBuffer, y: DeviceBuffer): void {
    this.#accumulate("add", x, y);
  }

  multiply(x: DeviceBuffer, y: DeviceBuffer): void {
    this.#accumulate("multiply", x, y);
  }

  #accumulate(op: "add" | "multiply", x: DeviceBuffer, y: DeviceBuffer): void {
    check.checkRepeat(op, x, y);
    const load = { units: x.length, nanoseconds: x.length / 2 };
    const addresses = [this.#open(op, "x", x), this.#open(op, "y", y)];
    this.#pool.run("accumulate", load, [...addresses, y.length, Number(op === "multiply")]);
  }

  logSoftmax(x: DeviceBuffer, y: DeviceBuffer, rows: number, columns: number): void {
    check.checkLogSoftmax(x, y, rows, columns);
    const addresses = [this.#open("logSoftmax", "x", x), this.#open("logSoftmax", "y", y)];
    this.#pool.run("logSoftmax", { units: rows, nanoseconds: rows * columns * 2 }, [...addresses, columns]);
  }

  decode(...call: Parameters<Device["decode"]>): void {
    checkDecode(...call);
    const [rows, y, first, count] = call;
    const view = (argument: string, buffer: DeviceBuffer) => this.floats("decode", argument, buffer);
    decodeRows(rows, view("y", y), first, count, view);
  }

  // ---- quantization -------------------------------------------------------------------------------------

  fakeQuantize(...call: Parameters<Device["fakeQuantize"]>): void {
    check.checkFakeQuantize(...call);
    const [x, y, rule, layout] = call;
    const from = this.#open("fakeQuantize", "x", x), to = this.#open("fakeQuantize", "y", y);
    runFakeQuantize(this.#pool, this.#memory, from, to, rule, layout);
  }

  // deno-lint-ignore require-await -- async, so that misuse rejects as it does on devices that compute later
  async fitBinary(weights: Float32Array, rule: codes.BinaryRule): Promise<codes.BinaryFit> {
    return fitBinary(weights, rule);
  }

  columnAbsMax(x: DeviceBuffer, acc: DeviceBuffer, rows: number): void {
    const columns = acc.length;
    check.checkColumns("columnAbsMax", x, columns, rows);
    const load = { units: Math.ceil(columns / 4), nanoseconds: rows * columns };
    const addresses = [this.#open("columnAbsMax", "x", x), this.#open("columnAbsMax", "acc", acc)];
    this.#pool.run("columnAbsMax", load, [...addresses, rows, columns]);
  }

  gram(columns: number): DeviceGram {
    check.checkInteger("gram", "columns", columns, 1);
    return new CpuGram(this.#memory, this.#pool, columns);
  }

  errorPull(factor: Float64Array, errors: Float64Array, rows: number): DevicePull {
    return new HostPull(factor, errors, rows);
  }
}
