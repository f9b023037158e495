/** A device held to the plain twin on a few inputs: whether this machine computes what it should, in a second. `conformance/` asks far more. */
import { PythonRandom } from "../base/random.ts";
import type { PackedIntegers } from "./codes.ts";
import type { Device } from "./device.ts";

/** What a device did on one operation. */
export interface SelfCheck {
  /** The operation. */
  readonly operation: string;
  /** Whether every output is within what float32 arithmetic guarantees, or has the twin's bits where it must. */
  readonly passed: boolean;
  /** The largest error as a share of that bound; null where the bits must agree. */
  readonly error: number | null;
}

interface Case {
  readonly operation: string;
  run(device: Device): Promise<Float32Array>;
  /** Bound of output `i`, absolute; null where bits must agree. */
  readonly bound: null | ((i: number) => number);
}

/** Relative error of `n` float32 roundings in a row (Higham 2002, lemma 3.1). */
const gamma = (n: number) => n * 2 ** -24 / (1 - n * 2 ** -24);

/**
 * Runs a matrix product, a product of packed weights, a rounding, a norm and attention on a device and on the twin.
 *
 * @param twin the reference device
 *
 * @example
 * ```ts
 * import { cpuDevice } from "quantbook";
 * import { referenceDevice, selfCheck } from "quantbook/kernels";
 * import { assertEquals } from "@std/assert";
 *
 * using device = await cpuDevice({ threads: 1 });
 * const found = await selfCheck(device, referenceDevice());
 * assertEquals(found.filter(({ passed }) => !passed), []);
 * ```
 */
export async function selfCheck(device: Device, twin: Device): Promise<SelfCheck[]> {
  const found: SelfCheck[] = [];
  for (const { operation, run, bound } of cases()) {
    const [output, expected] = [await run(device), await run(twin)];
    const shares = Array.from(expected, (want, i) => {
      if (Object.is(want, output[i])) return 0;
      return bound === null ? Infinity : Math.abs(output[i] - want) / bound(i);
    });
    const worst = output.length === expected.length ? Math.max(...shares) : Infinity;
    // A NaN is no number within a bound.
    found.push({ operation, passed: worst <= 1, error: bound === null ? null : worst });
  }
  return found;
}

function cases(): Case[] {
  const random = new PythonRandom(1),
    normal = (length: number, scale = 1) =>
      Float32Array.from(
        { length },
        () => (random.random() + random.random() + random.random() - 1.5) * 2 * scale,
      );
  const rows = 5,
    out = 48,
    inner = 96,
    x = normal(rows * inner),
    w = normal(out * inner),
    norm = normal(inner);
  const absoluteDot = (i: number, weights: Float32Array) => {
    const row = Math.floor(i / out) * inner, column = i % out * inner;
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += Math.abs(x[row + k] * weights[column + k]);
    return sum;
  };
  const packed: PackedIntegers = {
    outFeatures: out,
    inFeatures: inner,
    bits: 4,
    groupSize: 32,
    codes: Uint8Array.from({ length: out * inner / 2 }, () => random.randint(0, 255)),
    scales: normal(out * inner / 32, 0.1),
    zeros: Uint8Array.from({ length: out * inner / 32 }, () => random.randint(0, 15)),
  };
  // A value is at most 15 steps from its zero point.
  const largest = Float32Array.from(w, (_, i) => 15 * Math.abs(packed.scales[Math.floor(i / 32)]));
  const product =
    (weight: (device: Device) => ReturnType<Device["weight"]>): Case["run"] => async (device) => {
      using input = device.upload(x), matrix = weight(device), y = device.allocate(rows * out);
      device.linear(input, matrix, null, y, rows);
      return await device.read(y);
    };
  const mean = (row: number) =>
    x.subarray(row * inner, (row + 1) * inner).reduce((sum, one) => sum + one * one, 0) / inner;
  const heads = 2, tokens = 6, headDim = 8, q = normal(tokens * heads * headDim), v = normal(q.length);
  const largestValue = v.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
  return [
    {
      operation: "matrix product",
      run: product((device) => device.weight(w, out, inner)),
      // `inner` products and additions in any order on both sides.
      bound: (i) => 2 * gamma(inner + 1) * absoluteDot(i, w) + 2 ** -126,
    },
    {
      operation: "product of packed weights",
      run: product((device) => device.packedWeight(packed)),
      // The same, and up to three roundings that make a weight of its code.
      bound: (i) => 2 * gamma(inner + 4) * absoluteDot(i, largest) + 2 ** -126,
    },
    {
      operation: "rounding to integers",
      async run(device) {
        using input = device.upload(x), y = device.allocate(x.length);
        const rule = { bits: 4, mode: "asymmetric", zeroInRange: true } as const;
        device.fakeQuantize(input, y, rule, { rows, columns: inner, axis: "row", groupSize: 32 });
        return await device.read(y);
      },
      bound: null,
    },
    {
      operation: "norm",
      async run(device) {
        using input = device.upload(x), weight = device.upload(norm), y = device.allocate(x.length);
        device.rmsNorm(input, weight, y, rows, 1e-5);
        return await device.read(y);
      },
      // A sum of squares in any order, an inverse root (4 roundings at most), two products; and the twin's.
      bound: (i) =>
        2 * gamma(inner + 8) * Math.abs(x[i] * norm[i % inner]) /
        Math.sqrt(mean(Math.floor(i / inner)) + 1e-5),
    },
    {
      operation: "attention",
      async run(device) {
        using query = device.upload(q),
          key = device.upload(q),
          value = device.upload(v),
          y = device.allocate(q.length);
        const shape = {
          tokens,
          kvTokens: tokens,
          heads,
          kvHeads: heads,
          headDim,
          scale: 1 / Math.sqrt(headDim),
        };
        device.attention(query, key, value, y, shape);
        return await device.read(y);
      },
      // Scores: a dot product and a factor, magnitudes at most 3 * 3 * 8 / sqrt(8) < 26, so that exp is off by 26 gamma(10) + 4 roundings;
      // a sum, a quotient and a weighted sum of `tokens` values; all of it of a mean that is at most the largest value.
      bound: () => 2 * (26 * gamma(headDim + 2) + gamma(2 * tokens + 12)) * 2 * largestValue,
    },
  ];
}
