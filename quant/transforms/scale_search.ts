/**
 * Tries factors per input channel: the input of a stop is divided by them, the columns of its weights are multiplied,
 * and what changes in the stop's output is due to quantization alone. AWQ and QQQ differ in the factors they try and in
 * what they quantize.
 */
import type { DeviceBuffer } from "../../kernels/device.ts";
import type { Matrix } from "../method.ts";
import type { Stop } from "../calibration/sites.ts";

/** What is quantized while factors are tried. */
export interface TrialQuantizers {
  /** Quantizes and dequantizes a weight `[out, in]`. */
  weight(weight: Matrix): Float32Array | Promise<Float32Array>;
  /** Quantizes and dequantizes an input `[rows, columns]` in place; absent where inputs stay as they are. */
  input?(x: DeviceBuffer, rows: number, columns: number): void;
}

/** The part of a stop that a search needs. */
export type SearchedStop = Omit<Stop, "layer" | "site" | "roles">;

/** Result of {@linkcode searchScales}. */
export interface FoundScales<C> {
  /** The first candidate with the least error. */
  readonly candidate: C;
  /** Squared error of the stop's output, summed over features, mean over tokens. */
  readonly error: number;
  /** What leaves the quantized stop with these factors, one buffer per window. The caller releases it. */
  readonly outputs: DeviceBuffer[];
}

/** What leaves the stop as it is, one buffer per window. The caller releases it. */
export async function runPlain(stop: SearchedStop): Promise<DeviceBuffer[]> {
  const outputs: DeviceBuffer[] = [];
  for (const x of stop.inputs) outputs.push(await stop.run(stop.linears, x, x.length / stop.columns));
  return outputs;
}

/** What leaves the stop when its input is divided by `scales`, its weights multiplied, and both quantized. */
export async function runScaled(
  stop: SearchedStop,
  scales: Float32Array,
  { weight, input }: TrialQuantizers,
): Promise<DeviceBuffer[]> {
  const { device, columns } = stop;
  const linears = await Promise.all(stop.weights.map(async ({ rows, data }, i) => {
    const scaled = new Float32Array(data.length);
    for (let row = 0, k = 0; row < rows; row++) {
      for (let j = 0; j < columns; j++, k++) scaled[k] = data[k] * scales[j];
    }
    return stop.linear(await weight({ rows, columns, data: scaled }), i);
  }));
  using inverse = device.upload(scales.map((s) => 1 / s));
  const outputs: DeviceBuffer[] = [];
  for (const original of stop.inputs) {
    using x = device.allocate(original.length);
    device.copy(original, 0, x, 0, original.length);
    device.multiply(x, inverse);
    const tokens = original.length / columns;
    input?.(x, tokens, columns);
    outputs.push(await stop.run(linears, x, tokens));
  }
  for (const linear of linears) linear[Symbol.dispose]();
  return outputs;
}

/** The first candidate with the least squared error of the stop's output, `next` applied to it where there is one. */
export async function searchScales<C extends { readonly scales: Float32Array }>(
  stop: SearchedStop,
  candidates: Iterable<C>,
  quantizers: TrialQuantizers,
  expected: readonly DeviceBuffer[],
): Promise<FoundScales<C>> {
  let best: FoundScales<C> | null = null;
  for (const candidate of candidates) {
    const outputs = await runScaled(stop, candidate.scales, quantizers);
    let error = 0;
    for (const [i, output] of outputs.entries()) {
      error += await squaredError(stop, output, expected[i], stop.inputs[i]);
    }
    error /= stop.inputs.reduce((tokens, x) => tokens + x.length / stop.columns, 0);
    const better = best === null || error < best.error;
    for (const one of better ? best?.outputs ?? [] : outputs) one[Symbol.dispose]();
    if (better) best = { candidate, error, outputs };
  }
  if (best === null) throw new RangeError("no candidates to search: expected at least one");
  return best;
}

async function squaredError(
  { device, columns, next, nextFeatures }: SearchedStop,
  output: DeviceBuffer,
  expected: DeviceBuffer,
  input: DeviceBuffer,
): Promise<number> {
  if (next === null) return distance(await device.read(output), await device.read(expected));
  // The next layer is the same for both; its bias cancels.
  const tokens = input.length / columns;
  using a = device.allocate(tokens * nextFeatures), b = device.allocate(tokens * nextFeatures);
  await next.run(output, a, tokens);
  await next.run(expected, b, tokens);
  return distance(await device.read(a), await device.read(b));
}

function distance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum;
}
