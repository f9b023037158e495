/**
 * The plain TypeScript twin of every device operation: clear loops, float64 sums, results stored as float32.
 * It is the oracle that faster devices are tested against, and is far too slow for anything else.
 */

import * as check from "./check.ts";
import type {
  Activation,
  AttentionShape,
  Device,
  DeviceBuffer,
  DeviceGram,
  DeviceInt8Weight,
  DevicePull,
  DeviceWeight,
  GemmShape,
  HadamardShape,
  RotaryShape,
} from "./device.ts";
import type { BinaryFit, BinaryRule, PackedCodes, QuantizeLayout, UniformRule } from "./codes.ts";
import { DeviceError } from "./error.ts";
import { checkPacked, packedValues } from "./host/packed.ts";
import { checkDecode, decodeRows } from "./host/coded_rows.ts";
import { checkPackedAttention, packedAttention, readableTokens } from "./host/packed_attention.ts";
import { attention, attentionProbabilities, attentionValues } from "./reference/attention.ts";
import { fitBinary } from "./reference/binary_fit.ts";
import { errorPull, gemm, gram, int8Product, linear } from "./reference/matrix.ts";
import { columnAbsMax, fakeQuantize } from "./reference/quantize.ts";
import { hadamardProduct } from "./reference/hadamard.ts";
import { scan, shortConvolution } from "./reference/recurrent.ts";
import { takeColumns } from "./host/columns.ts";
import { layerNorm, logSoftmax, rmsNorm } from "./reference/rows.ts";
import { activations, rotary } from "./host/functions.ts";

/** A {@linkcode Device} of plain loops, for tests. */
export function referenceDevice(): Device {
  return new ReferenceDevice();
}

/** Memory of the reference device: an ordinary array that can be released. */
class HostStorage<Data extends Float32Array | Float64Array | Int8Array> implements Disposable {
  readonly #owner: ReferenceDevice;
  #data: Data | null;

  constructor(owner: ReferenceDevice, data: Data) {
    this.#owner = owner;
    this.#data = data;
    owner.account(data.byteLength);
  }

  get byteLength(): number {
    return this.#data?.byteLength ?? 0;
  }

  open(owner: ReferenceDevice, op: string, argument: string): Data {
    if (this.#owner !== owner) {
      throw new DeviceError("foreign", `${op}: ${argument} belongs to another device`);
    }
    if (this.#data === null) throw new DeviceError("released", `${op}: ${argument} has been released`);
    return this.#data;
  }

  [Symbol.dispose](): void {
    this.#owner.account(-this.byteLength);
    this.#data = null;
  }
}

class ReferenceBuffer extends HostStorage<Float32Array> implements DeviceBuffer {
  readonly length: number;

  constructor(owner: ReferenceDevice, data: Float32Array) {
    super(owner, data);
    this.length = data.length;
  }
}

class ReferenceWeight extends HostStorage<Float32Array> implements DeviceWeight {
  constructor(
    owner: ReferenceDevice,
    data: Float32Array,
    readonly outFeatures: number,
    readonly inFeatures: number,
  ) {
    super(owner, data);
  }
}

class ReferenceGram extends HostStorage<Float64Array> implements DeviceGram {
  readonly #device: ReferenceDevice;

  constructor(owner: ReferenceDevice, readonly columns: number) {
    super(owner, new Float64Array(columns * columns));
    this.#device = owner;
  }

  add(x: DeviceBuffer, rows: number): void {
    check.checkColumns("gram.add", x, this.columns, rows);
    gram(
      this.#device.open(x, "gram.add", "x"),
      this.open(this.#device, "gram.add", "accumulator"),
      rows,
      this.columns,
    );
  }

  read(): Promise<Float64Array> {
    return Promise.resolve(this.open(this.#device, "gram.read", "accumulator").slice());
  }
}

class ReferenceInt8Weight extends HostStorage<Int8Array> implements DeviceInt8Weight {
  readonly #device: ReferenceDevice;

  constructor(
    owner: ReferenceDevice,
    codes: Int8Array,
    readonly outFeatures: number,
    readonly inFeatures: number,
  ) {
    super(owner, codes);
    this.#device = owner;
  }

  // deno-lint-ignore require-await -- async, so that misuse rejects as it does on devices that compute later
  async product(x: Int8Array, rows: number): Promise<Int32Array> {
    check.checkExactly("int8Weight.product", "x", x, rows * this.inFeatures);
    return int8Product(x, this.open(this.#device, "int8Weight.product", "weight"), rows, this.inFeatures);
  }
}

class ReferenceDevice implements Device {
  readonly name = "reference";
  readonly description = "plain TypeScript, float64 sums";
  readonly threads = 1;
  readonly memory = { used: 0, peak: 0 };

  account(bytes: number): void {
    this.memory.used += bytes;
    this.memory.peak = Math.max(this.memory.peak, this.memory.used);
  }

  open(buffer: DeviceBuffer | DeviceWeight, op: string, argument: string): Float32Array {
    if (buffer instanceof ReferenceBuffer || buffer instanceof ReferenceWeight) {
      return buffer.open(this, op, argument);
    }
    throw new DeviceError("foreign", `${op}: ${argument} belongs to another device`);
  }

  [Symbol.dispose](): void {}

  allocate(length: number): DeviceBuffer {
    check.checkInteger("allocate", "length", length);
    return new ReferenceBuffer(this, new Float32Array(length));
  }

  upload(data: Float32Array): DeviceBuffer {
    return new ReferenceBuffer(this, data.slice());
  }

  write(buffer: DeviceBuffer, data: Float32Array, offset = 0): void {
    check.checkRange("write", "buffer", buffer, offset, data.length);
    this.open(buffer, "write", "buffer").set(data, offset);
  }

  read(buffer: DeviceBuffer, offset = 0, length = buffer.length - offset): Promise<Float32Array> {
    check.checkRange("read", "buffer", buffer, offset, length);
    return Promise.resolve(this.open(buffer, "read", "buffer").slice(offset, offset + length));
  }

  copy(from: DeviceBuffer, fromOffset: number, to: DeviceBuffer, toOffset: number, length: number): void {
    check.checkRange("copy", "from", from, fromOffset, length);
    check.checkRange("copy", "to", to, toOffset, length);
    const source = this.open(from, "copy", "from").subarray(fromOffset, fromOffset + length);
    this.open(to, "copy", "to").set(source, toOffset);
  }

  weight(data: Float32Array, outFeatures: number, inFeatures: number): DeviceWeight {
    check.checkWeight("weight", data, outFeatures, inFeatures);
    return new ReferenceWeight(this, data.slice(), outFeatures, inFeatures);
  }

  packedWeight(packed: PackedCodes): DeviceWeight {
    checkPacked(packed);
    return new ReferenceWeight(this, packedValues(packed), packed.outFeatures, packed.inFeatures);
  }

  int8Weight(codes: Int8Array, outFeatures: number, inFeatures: number): DeviceInt8Weight {
    check.checkWeight("int8Weight", codes, outFeatures, inFeatures);
    return new ReferenceInt8Weight(this, codes.slice(), outFeatures, inFeatures);
  }

  linear(...call: Parameters<Device["linear"]>): void {
    check.checkLinear(...call);
    const [x, weight, bias, y, rows] = call;
    linear(
      this.open(x, "linear", "x"),
      this.open(weight, "linear", "weight"),
      bias && this.open(bias, "linear", "bias"),
      this.open(y, "linear", "y"),
      { rows, outFeatures: weight.outFeatures, inFeatures: weight.inFeatures },
    );
  }

  gemm(a: DeviceBuffer, b: DeviceBuffer, c: DeviceBuffer, shape: GemmShape): void {
    check.checkGemm(a, b, c, shape);
    gemm(this.open(a, "gemm", "a"), this.open(b, "gemm", "b"), this.open(c, "gemm", "c"), shape);
  }

  rmsNorm(x: DeviceBuffer, weight: DeviceBuffer, y: DeviceBuffer, rows: number, eps: number): void {
    check.checkNorm("rmsNorm", x, weight, null, y, rows);
    const gain = this.open(weight, "rmsNorm", "weight");
    rmsNorm(this.open(x, "rmsNorm", "x"), gain, this.open(y, "rmsNorm", "y"), rows, eps);
  }

  layerNorm(...[x, weight, bias, y, rows, eps]: Parameters<Device["layerNorm"]>): void {
    check.checkNorm("layerNorm", x, weight, bias, y, rows);
    const gain = this.open(weight, "layerNorm", "weight");
    const shift = bias && this.open(bias, "layerNorm", "bias");
    layerNorm(this.open(x, "layerNorm", "x"), gain, shift, this.open(y, "layerNorm", "y"), rows, eps);
  }

  rotary(x: DeviceBuffer, table: DeviceBuffer, shape: RotaryShape): void {
    check.checkRotary(x, table, shape);
    rotary(this.open(x, "rotary", "x"), this.open(table, "rotary", "table"), shape);
  }

  hadamard(x: DeviceBuffer, shape: HadamardShape): void {
    check.checkHadamard(x, shape);
    hadamardProduct(this.open(x, "hadamard", "x"), shape);
  }

  attention(q: DeviceBuffer, k: DeviceBuffer, v: DeviceBuffer, y: DeviceBuffer, shape: AttentionShape): void {
    check.checkAttention("attention", { q, k, v, y }, shape);
    attention(
      this.open(q, "attention", "q"),
      this.open(k, "attention", "k"),
      this.open(v, "attention", "v"),
      this.open(y, "attention", "y"),
      shape,
      shape.slopes ? this.open(shape.slopes, "attention", "slopes") : null,
    );
  }

  packedAttention(...call: Parameters<Device["packedAttention"]>): void {
    const op = "packedAttention";
    checkPackedAttention(...call);
    const [q, keys, values, y, shape] = call;
    const view = (argument: string, buffer: DeviceBuffer) => this.open(buffer, op, argument);
    const left = readableTokens("keys", keys, view), right = readableTokens("values", values, view);
    packedAttention(view("q", q), left, right, view("y", y), shape);
  }

  attentionProbabilities(q: DeviceBuffer, k: DeviceBuffer, p: DeviceBuffer, shape: AttentionShape): void {
    const op = "attentionProbabilities";
    check.checkAttention(op, { q, k, p }, shape);
    const slopes = shape.slopes ? this.open(shape.slopes, op, "slopes") : null;
    attentionProbabilities(
      this.open(q, op, "q"),
      this.open(k, op, "k"),
      this.open(p, op, "p"),
      shape,
      slopes,
    );
  }

  attentionValues(p: DeviceBuffer, v: DeviceBuffer, y: DeviceBuffer, shape: AttentionShape): void {
    const op = "attentionValues";
    check.checkAttention(op, { p, v, y }, shape);
    attentionValues(this.open(p, op, "p"), this.open(v, op, "v"), this.open(y, op, "y"), shape);
  }

  shortConvolution(...call: Parameters<Device["shortConvolution"]>): void {
    const op = "shortConvolution", [x, kernel, bias, y, shape] = call;
    check.checkConvolution(...call);
    const taps = this.open(kernel, op, "kernel"), shift = bias && this.open(bias, op, "bias");
    shortConvolution(this.open(x, op, "x"), taps, shift, this.open(y, op, "y"), shape);
  }

  scan(...call: Parameters<Device["scan"]>): void {
    check.checkScan(...call);
    const [operands, state, y, shape] = call;
    const open = (name: keyof typeof operands) => this.open(operands[name], "scan", name);
    const values = {
      x: open("x"),
      step: open("step"),
      input: open("input"),
      output: open("output"),
      decay: open("decay"),
      skip: open("skip"),
    };
    scan(values, this.open(state, "scan", "state"), this.open(y, "scan", "y"), shape);
  }

  takeColumns(...call: Parameters<Device["takeColumns"]>): void {
    const columns = check.checkTakeColumns(...call), [x, y, rows, first, count] = call;
    takeColumns(this.open(x, "takeColumns", "x"), this.open(y, "takeColumns", "y"), {
      rows,
      columns,
      first,
      count,
    });
  }

  activate(kind: Activation, x: DeviceBuffer): void {
    const data = this.open(x, "activate", "x");
    data.set(data.map(activations[kind]));
  }

  add(x: DeviceBuffer, y: DeviceBuffer): void {
    check.checkRepeat("add", x, y);
    const xs = this.open(x, "add", "x"), ys = this.open(y, "add", "y");
    xs.forEach((value, i) => xs[i] = value + ys[i % ys.length]);
  }

  multiply(x: DeviceBuffer, y: DeviceBuffer): void {
    check.checkRepeat("multiply", x, y);
    const xs = this.open(x, "multiply", "x"), ys = this.open(y, "multiply", "y");
    xs.forEach((value, i) => xs[i] = value * ys[i % ys.length]);
  }

  logSoftmax(x: DeviceBuffer, y: DeviceBuffer, rows: number, columns: number): void {
    check.checkLogSoftmax(x, y, rows, columns);
    logSoftmax(this.open(x, "logSoftmax", "x"), this.open(y, "logSoftmax", "y"), rows, columns);
  }

  decode(...call: Parameters<Device["decode"]>): void {
    checkDecode(...call);
    const [rows, y, first, count] = call;
    decodeRows(rows, this.open(y, "decode", "y"), first, count, (argument, buffer) => {
      return this.open(buffer, "decode", argument);
    });
  }

  fakeQuantize(x: DeviceBuffer, y: DeviceBuffer, rule: UniformRule, layout: QuantizeLayout): void {
    check.checkFakeQuantize(x, y, rule, layout);
    fakeQuantize(this.open(x, "fakeQuantize", "x"), this.open(y, "fakeQuantize", "y"), rule, layout);
  }

  // deno-lint-ignore require-await -- async, so that misuse rejects as it does on devices that compute later
  async fitBinary(weights: Float32Array, rule: BinaryRule): Promise<BinaryFit> {
    check.checkFitBinary(weights, rule);
    return fitBinary(weights, rule);
  }

  columnAbsMax(x: DeviceBuffer, acc: DeviceBuffer, rows: number): void {
    check.checkColumns("columnAbsMax", x, acc.length, rows);
    columnAbsMax(this.open(x, "columnAbsMax", "x"), this.open(acc, "columnAbsMax", "acc"), rows);
  }

  gram(columns: number): DeviceGram {
    check.checkInteger("gram", "columns", columns, 1);
    return new ReferenceGram(this, columns);
  }

  errorPull(factor: Float64Array, errors: Float64Array, rows: number): DevicePull {
    const columns = check.checkErrorPull(factor, errors, rows);
    return {
      // deno-lint-ignore require-await -- async, so that misuse rejects as it does on devices that compute later
      async at(first, count) {
        check.checkPulled(columns, 0, first, count);
        return errorPull(factor, errors, { rows, first, count });
      },
      [Symbol.dispose]() {},
    };
  }
}
