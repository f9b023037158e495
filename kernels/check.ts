/** Checks that every device makes before it computes: each buffer is long enough for the shape of its operation. */

import type {
  AttentionShape,
  Device,
  DeviceBuffer,
  GemmShape,
  HadamardShape,
  RotaryShape,
} from "./device.ts";
import type { BinaryRule } from "./codes.ts";
import { DeviceError } from "./error.ts";
import { checkRule } from "./quantizer.ts";

/** Throws unless `buffer` holds at least `expected` elements. */
export function checkLength(
  op: string,
  argument: string,
  buffer: { length: number },
  expected: number,
): void {
  if (buffer.length < expected) {
    throw new DeviceError(
      "length",
      `${op}: ${argument} holds ${buffer.length} elements: expected at least ${expected}`,
    );
  }
}

/** Throws unless `value` is an integer in `[lowest, highest]`. */
export function checkInteger(
  op: string,
  argument: string,
  value: number,
  lowest = 0,
  highest = Number.MAX_SAFE_INTEGER,
): void {
  if (!Number.isInteger(value) || value < lowest || value > highest) {
    const range = highest === Number.MAX_SAFE_INTEGER ? `${lowest} or more` : `${lowest} to ${highest}`;
    throw new DeviceError("shape", `${op}: ${argument} is ${value}: expected an integer, ${range}`);
  }
}

/** Throws unless `[offset, offset + length)` lies in `buffer`. */
export function checkRange(
  op: string,
  argument: string,
  buffer: DeviceBuffer,
  offset: number,
  length: number,
): void {
  checkInteger(op, "offset", offset);
  checkInteger(op, "length", length);
  checkLength(op, argument, buffer, offset + length);
}

function checkMultiple(op: string, argument: string, value: number, divisor: number): void {
  if (divisor === 0 || value % divisor !== 0) {
    throw new DeviceError("shape", `${op}: ${argument} is ${value}: expected a multiple of ${divisor}`);
  }
}

/** Arguments of `weight` and `int8Weight`. */
export function checkWeight(
  op: string,
  data: Float32Array | Int8Array,
  outFeatures: number,
  inFeatures: number,
): void {
  checkInteger(op, "outFeatures", outFeatures, 1);
  // Sums of products of int8 fit into int32.
  const widest = data instanceof Int8Array ? Math.floor((2 ** 31 - 1) / 128 ** 2) : undefined;
  checkInteger(op, "inFeatures", inFeatures, 1, widest);
  checkExactly(op, "data", data, outFeatures * inFeatures);
}

/** Throws unless `data` holds `expected` elements. */
export function checkExactly(op: string, argument: string, data: { length: number }, expected: number): void {
  if (data.length !== expected) {
    throw new DeviceError(
      "length",
      `${op}: ${argument} holds ${data.length} elements: expected ${expected}`,
    );
  }
}

/** Arguments of `linear`. */
export function checkLinear(...[x, weight, bias, y, rows]: Parameters<Device["linear"]>): void {
  checkInteger("linear", "rows", rows);
  checkLength("linear", "x", x, rows * weight.inFeatures);
  checkLength("linear", "y", y, rows * weight.outFeatures);
  if (bias) checkLength("linear", "bias", bias, weight.outFeatures);
  if (x === y) throw new DeviceError("alias", "linear: x and y are the same buffer: expected two");
}

/** Arguments of `gemm`. */
export function checkGemm(a: DeviceBuffer, b: DeviceBuffer, c: DeviceBuffer, { m, n, k }: GemmShape): void {
  checkInteger("gemm", "m", m);
  checkInteger("gemm", "n", n);
  checkInteger("gemm", "k", k);
  checkLength("gemm", "a", a, m * k);
  checkLength("gemm", "b", b, k * n);
  checkLength("gemm", "c", c, m * n);
  if (a === c || b === c) {
    throw new DeviceError("alias", "gemm: c is also an operand: expected another buffer");
  }
}

/** Arguments of `rmsNorm` and `layerNorm`. */
export function checkNorm(
  op: string,
  x: DeviceBuffer,
  weight: DeviceBuffer,
  bias: DeviceBuffer | null,
  y: DeviceBuffer,
  rows: number,
): void {
  checkInteger(op, "rows", rows);
  checkLength(op, "weight", weight, 1);
  if (bias) checkLength(op, "bias", bias, weight.length);
  checkLength(op, "x", x, rows * weight.length);
  checkLength(op, "y", y, rows * weight.length);
}

/** Arguments of `rotary`. */
export function checkRotary(x: DeviceBuffer, table: DeviceBuffer, shape: RotaryShape): void {
  checkInteger("rotary", "tokens", shape.tokens);
  checkInteger("rotary", "heads", shape.heads);
  checkInteger("rotary", "headDim", shape.headDim, 1);
  checkInteger("rotary", "rotaryDim", shape.rotaryDim, 0, shape.headDim);
  checkMultiple("rotary", "rotaryDim", shape.rotaryDim, 2);
  checkInteger("rotary", "position", shape.position);
  checkLength("rotary", "x", x, shape.tokens * shape.heads * shape.headDim);
  checkLength("rotary", "table", table, (shape.position + shape.tokens) * shape.rotaryDim);
}

/** The shape of an attention operation and, by name, its buffers. */
export function checkAttention(
  op: string,
  buffers: { q?: DeviceBuffer; k?: DeviceBuffer; v?: DeviceBuffer; p?: DeviceBuffer; y?: DeviceBuffer },
  shape: AttentionShape,
): void {
  const { tokens, kvTokens, heads, kvHeads, headDim, window, slopes } = shape;
  checkInteger(op, "kvTokens", kvTokens);
  checkInteger(op, "tokens", tokens, 0, kvTokens);
  checkInteger(op, "kvHeads", kvHeads, 1);
  checkInteger(op, "heads", heads, 1);
  checkMultiple(op, "heads", heads, kvHeads);
  checkInteger(op, "headDim", headDim, 1);
  if (window !== undefined) checkInteger(op, "window", window, 1);
  if (slopes) checkLength(op, "slopes", slopes, heads);
  const { q, k, v, p, y } = buffers;
  if (q) checkLength(op, "q", q, tokens * heads * headDim);
  if (k) checkLength(op, "k", k, kvTokens * kvHeads * headDim);
  if (v) checkLength(op, "v", v, kvTokens * kvHeads * headDim);
  if (p) checkLength(op, "p", p, heads * tokens * kvTokens);
  if (y) {
    checkLength(op, "y", y, tokens * heads * headDim);
    if (y === q || y === k || y === v || y === p) {
      throw new DeviceError("alias", `${op}: y is also an operand: expected another buffer`);
    }
  }
}

/** Arguments of `add` and `multiply`. */
export function checkRepeat(op: string, x: DeviceBuffer, y: DeviceBuffer): void {
  if (y.length === 0 || x.length % y.length !== 0) {
    throw new DeviceError(
      "length",
      `${op}: y holds ${y.length} elements: expected a divisor of the ${x.length} elements of x`,
    );
  }
}

/** Arguments of `logSoftmax`. */
export function checkLogSoftmax(x: DeviceBuffer, y: DeviceBuffer, rows: number, columns: number): void {
  checkInteger("logSoftmax", "rows", rows);
  checkInteger("logSoftmax", "columns", columns, 1);
  checkLength("logSoftmax", "x", x, rows * columns);
  checkLength("logSoftmax", "y", y, rows * columns);
}

/** Arguments of `hadamard`. */
export function checkHadamard(x: DeviceBuffer, { rows, size, stride = 1 }: HadamardShape): void {
  checkInteger("hadamard", "rows", rows);
  checkInteger("hadamard", "size", size, 1);
  checkInteger("hadamard", "stride", stride, 1);
  checkLength("hadamard", "x", x, rows * size * stride);
}

/** Arguments of `shortConvolution`. */
export function checkConvolution(
  ...[x, kernel, bias, y, shape]: Parameters<Device["shortConvolution"]>
): void {
  const op = "shortConvolution", { tokens, channels, taps } = shape;
  checkInteger(op, "tokens", tokens);
  checkInteger(op, "channels", channels, 1);
  checkInteger(op, "taps", taps, 1);
  checkLength(op, "x", x, (tokens + taps - 1) * channels);
  checkLength(op, "kernel", kernel, taps * channels);
  if (bias) checkLength(op, "bias", bias, channels);
  checkLength(op, "y", y, tokens * channels);
  if (x === y) throw new DeviceError("alias", `${op}: y is also an operand: expected another buffer`);
}

/** Arguments of `scan`. */
export function checkScan(...[operands, state, y, shape]: Parameters<Device["scan"]>): void {
  const { tokens, channels, states } = shape, { x, step, input, output, decay, skip } = operands;
  checkInteger("scan", "tokens", tokens);
  checkInteger("scan", "channels", channels, 1);
  checkInteger("scan", "states", states, 1, 256);
  checkLength("scan", "x", x, tokens * channels);
  checkLength("scan", "step", step, tokens * channels);
  checkLength("scan", "input", input, tokens * states);
  checkLength("scan", "output", output, tokens * states);
  checkLength("scan", "decay", decay, channels * states);
  checkLength("scan", "skip", skip, channels);
  checkLength("scan", "state", state, channels * states);
  checkLength("scan", "y", y, tokens * channels);
  if (Object.values(operands).includes(y) || Object.values(operands).includes(state) || y === state) {
    throw new DeviceError("alias", "scan: y or state is also an operand: expected other buffers");
  }
}

/** Arguments of `takeColumns`; the columns of `x`. */
export function checkTakeColumns(...[x, y, rows, first, count]: Parameters<Device["takeColumns"]>): number {
  const op = "takeColumns";
  checkInteger(op, "rows", rows, 1);
  checkMultiple(op, "length of x", x.length, rows);
  const columns = x.length / rows;
  checkInteger(op, "first", first, 0, columns);
  checkInteger(op, "count", count, 0, columns - first);
  checkLength(op, "y", y, rows * count);
  if (x === y) throw new DeviceError("alias", `${op}: y is also an operand: expected another buffer`);
  return columns;
}

/** Arguments of `fakeQuantize`. */
export function checkFakeQuantize(...[x, y, rule, layout]: Parameters<Device["fakeQuantize"]>): void {
  const { rows, columns, axis, groupSize } = layout;
  checkRule("fakeQuantize", rule);
  checkInteger("fakeQuantize", "rows", rows);
  checkInteger("fakeQuantize", "columns", columns);
  if (groupSize !== undefined) {
    checkInteger("fakeQuantize", "groupSize", groupSize, 1);
    checkMultiple("fakeQuantize", "columns", columns, groupSize);
    if (axis !== "row") {
      throw new DeviceError("shape", `fakeQuantize: groupSize with axis "${axis}": expected axis "row"`);
    }
  }
  checkLength("fakeQuantize", "x", x, rows * columns);
  checkLength("fakeQuantize", "y", y, rows * columns);
}

/** Arguments of `columnAbsMax`. */
export function checkColumns(op: string, x: DeviceBuffer, columns: number, rows: number): void {
  checkInteger(op, "rows", rows);
  checkInteger(op, "columns", columns, 1);
  checkLength(op, "x", x, rows * columns);
}

/** Arguments of `errorPull`; the number of columns. */
export function checkErrorPull(factor: Float64Array, errors: Float64Array, rows: number): number {
  checkInteger("errorPull", "rows", rows, 1);
  checkMultiple("errorPull", "length of errors", errors.length, rows);
  const columns = errors.length / rows;
  checkExactly("errorPull", "factor", factor, columns * columns);
  return columns;
}

/** A block of columns that a pull is asked for. */
export function checkPulled(columns: number, done: number, first: number, count: number): void {
  checkInteger("errorPull.at", "first", first, done, columns);
  checkInteger("errorPull.at", "count", count, 0, columns - first);
}

/** Arguments of `fitBinary`; the number of groups. */
export function checkFitBinary(weights: Float32Array, { bits, groupSize, rounds }: BinaryRule): number {
  checkInteger("fitBinary", "bits", bits, 1, 8);
  checkInteger("fitBinary", "groupSize", groupSize, 1, 1 << 20);
  checkInteger("fitBinary", "rounds", rounds);
  checkMultiple("fitBinary", "length of weights", weights.length, groupSize);
  return weights.length / groupSize;
}
