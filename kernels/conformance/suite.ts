/**
 * The frame of the operation tests: every case runs on the reference device and on each device under test, and each
 * output must be as close to the reference as float32 arithmetic guarantees. u = 2^-24 is float32's unit roundoff, and
 * n roundings in a row give a relative error of at most gamma(n) = n u / (1 - n u) (Higham 2002, lemma 3.1).
 */

import { assert, assertEquals } from "@std/assert";
import { environmentVariable } from "../../base/environment.ts";
import { cpuDevice } from "../cpu/device.ts";
import type { Device } from "../device.ts";
import type { PackedCodes } from "../codes.ts";
import { DeviceError } from "../error.ts";
import { describe, findAdapter } from "../gpu/adapter.ts";
import { gpuDevice } from "../gpu/device.ts";
import { nativeDevice } from "../native/device.ts";
import { loadRuntime } from "../native/runtime.ts";
import { packedValues } from "../host/packed.ts";
import { referenceDevice } from "../reference.ts";

/** Unit roundoff of float32. */
export const u = 2 ** -24;
/** The smallest positive float32: the absolute error of a result that underflows. */
export const tiny = 2 ** -149;

/** Relative error of `n` float32 roundings in a row. */
export function gamma(n: number): number {
  return n * u / (1 - n * u);
}

/** What a device promises about its arithmetic: relative errors, in u where nothing else is said. */
export interface Accuracy {
  /** Of `exp`. */
  readonly exp: number;
  /** Of a division. */
  readonly division: number;
  /** Of one over a square root. */
  readonly inverseRoot: number;
  /** Absolute error of a logarithm of 1 or more, on top of two roundings of it. */
  readonly log: number;
  /** Below this magnitude a result may be off by as much, or be flushed to 0. */
  readonly underflow: number;
  /** Relative error of the sum of `n` positive numbers in a norm (where it becomes a mean) or a softmax. */
  readonly rowSum: (n: number) => number;
  /** As `rowSum`, of the weighted sum over `n` keys in fused attention, whose scores spread over `spread`. */
  readonly attentionSum: (n: number, spread: number) => number;
  /** Absolute error of storing `w` in a dense weight. */
  readonly weight: (w: number) => number;
  /** Of a float64 sum of `n` products, relative to `n` times the greatest magnitudes of both factors. */
  readonly pull: (n: number) => number;
}

/** The CPU device: IEEE arithmetic, sums of rows in float64. */
const cpuAccuracy: Accuracy = {
  exp: 4,
  division: 1,
  inverseRoot: 2,
  log: 0,
  underflow: tiny,
  rowSum: (n) => n * 2 ** -53,
  attentionSum: (n) => n * 2 ** -53,
  weight: () => 0,
  pull: (n) => n * 2 ** -52,
};

/**
 * Any GPU: divisions are off by 2.5 units in the last place (5 u) and inverse square roots by 2 (4 u), subnormal
 * results may be flushed (WGSL, section 15.7). A row is summed by 64 invocations, then by eights: 14 additions, and divided. A
 * logarithm takes a Newton step: the error of exp, of a product and of an addition, and what WGSL's own logarithm
 * (2^-21 in [0.5, 2], 3 units in the last place elsewhere) leaves, squared: nothing. Fused attention sums up blocks of
 * 64 keys: 14 additions, then for each block a product with exp(top - next) and an addition; its arguments add up to the
 * spread, with one rounding each. A pull multiplies factors in 4 slices of 8 bits, the first of them below 2^e <= 2 max,
 * slice a below 2^(e - 8 a - 1) and the rest below 2^(e - 33). Of each product are left out three products of slices
 * with a + b = 4, two with the rest, and what weighs 2^-8 of those: (3 / 4 + 1) (1 + 2^-7) 2^(e + e' - 32), which is less
 * than 7.1 * 2^-32 max max'. Adding sums up in pairs of float32 (2^-46 each) stays far below the rest of 2^-29.
 */
const gpuAccuracy: Accuracy = {
  exp: 4,
  division: 5,
  inverseRoot: 4,
  log: 4 + 3,
  underflow: 2 ** -126,
  rowSum: (n) => gamma(Math.ceil(n / 64) + 14 + 5),
  attentionSum: (n, spread) => gamma(14 + Math.ceil(n / 64) * (4 + 2) + spread),
  weight: () => 0,
  pull: (n) => 2 ** -29 + n * 2 ** -52,
};

/** A device under test. Devices of one `family` must agree bit for bit. */
export interface TestedDevice {
  readonly name: string;
  readonly family: string;
  readonly accuracy: Accuracy;
  /** The device, opened at the first call and shared by the tests of a file: it is not disposed of. */
  open(): Promise<Device>;
}

/** A device of the processor, on several numbers of threads. */
function threadedDevices(
  family: string,
  start: (options: { threads: number }) => Promise<Device>,
  counts: readonly number[],
): TestedDevice[] {
  return counts.map((threads) => {
    let device: Promise<Device> | undefined;
    const name = `${family}, ${threads} thread${threads === 1 ? "" : "s"}`;
    return { name, family, accuracy: cpuAccuracy, open: () => device ??= start({ threads }) };
  });
}

/** The native device where it is asked for (`deno task test:runtimes`): its package has 288 MB. */
async function nativeDevices(): Promise<TestedDevice[]> {
  if (environmentVariable("QUANTBOOK_RUNTIMES") === undefined) return [];
  try {
    await loadRuntime();
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    console.log(`the native device is not tested: ${error.message}`);
    return [];
  }
  return threadedDevices("native", nativeDevice, [1, 2]);
}

/** The GPU, if there is one. */
async function gpuDevices(): Promise<TestedDevice[]> {
  const adapter = await findAdapter();
  if (typeof adapter === "string") {
    console.log(`the GPU device is not tested: ${adapter}`);
    return [];
  }
  let device: Promise<Device> | undefined;
  return [{
    name: `gpu, ${describe(adapter)}`,
    family: "gpu",
    accuracy: gpuAccuracy,
    open: () => device ??= gpuDevice(),
  }];
}

/** The devices that all operation tests run on. */
export const testedDevices: TestedDevice[] = [
  ...threadedDevices("cpu", cpuDevice, [1, 2, 4]),
  ...await nativeDevices(),
  ...await gpuDevices(),
];

/** One operation on one set of inputs. */
export interface Case {
  readonly name: string;
  /** Uploads the inputs, runs the operation and reads the output. */
  run(device: Device): Promise<Float32Array | Float64Array>;
  /** Largest absolute error of output `i` whose reference value is `expected`; `exact` when the bits must agree. */
  readonly bound: "exact" | ((i: number, expected: number, accuracy: Accuracy) => number);
}

/** All devices, and each GPU with dense weights in float16: 11 bits, and multiples of 2^-24 below 2^-14. */
export const linearDevices: TestedDevice[] = testedDevices.flatMap((tested) => {
  if (tested.family !== "gpu") return [tested];
  const weight = (w: number) => Math.max(2 ** -11 * Math.abs(w), 2 ** -25);
  let device: Promise<Device> | undefined;
  return [tested, {
    name: `${tested.name}, weights in float16`,
    family: "gpu, weights in float16",
    accuracy: { ...tested.accuracy, weight },
    open: () => device ??= gpuDevice({ weights: "float16" }),
  }];
});

/** The cases of every operation and their devices, by the name of their test: what `device_matrix.ts` prints a table of. */
export const suites = new Map<string, { cases: Case[]; devices: TestedDevice[] }>();

/** Declares a test per device that runs all cases. */
export function testCases(name: string, cases: Case[], devices: TestedDevice[] = testedDevices): void {
  suites.set(name, { cases, devices });
  const references = new Map<Case, Float32Array | Float64Array>();
  const firsts = new Map<string, { device: string; output: Float32Array | Float64Array }>();
  for (const tested of devices) {
    Deno.test(`${name} (${tested.name})`, async () => {
      const device = await tested.open();
      // All at once: a GPU takes as long to answer one question as to answer many.
      const outputs = await Promise.all(cases.map((one) => one.run(device)));
      for (const [i, one] of cases.entries()) {
        const output = outputs[i];
        const first = firsts.get(`${tested.family} ${one.name}`);
        // A device with the bits of its relative is as accurate as that one was found to be.
        if (first) {
          assertSameBits(output, first.output, `${one.name}: ${tested.name} against ${first.device}`);
          continue;
        }
        const expected = references.get(one) ?? await one.run(referenceDevice());
        references.set(one, expected);
        compare(one, output, expected, tested.accuracy);
        firsts.set(`${tested.family} ${one.name}`, { device: tested.name, output });
      }
      assertEquals(device.memory.used, 0, "memory that a case did not give back");
    });
  }
}

/** Throws unless an output is within the bound; the largest error as a share of the bound. */
export function compare(
  { name, bound }: Case,
  output: Float32Array | Float64Array,
  expected: Float32Array | Float64Array,
  accuracy: Accuracy,
): number {
  assertEquals(output.length, expected.length, name);
  if (bound === "exact") {
    assertSameBits(output, expected, name);
    return 0;
  }
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const got = output[i], want = expected[i];
    if (Object.is(got, want) || got === want) continue;
    const limit = bound(i, want, accuracy);
    const error = Math.abs(got - want);
    assert(error <= limit, `${name}: output ${i} is ${got}, expected ${want}: error ${error} over ${limit}`);
    worst = Math.max(worst, error / limit);
  }
  return worst;
}

/** Throws unless both hold the same numbers, signs of zero included (any NaN is as good as another). */
export function assertSameBits(
  output: Float32Array | Float64Array,
  expected: Float32Array | Float64Array,
  message: string,
): void {
  const i = output.findIndex((value, i) => !Object.is(value, expected[i]));
  assert(i < 0, `${message}: output ${i} is ${output[i]}, expected ${expected[i]}`);
}

/** A seeded generator of test data (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** `length` values, roughly normal, times `scale`. */
  normal(length: number, scale = 1): Float32Array {
    return Float32Array.from({ length }, () => (this.next() + this.next() + this.next() - 1.5) * 2 * scale);
  }
}

/** Sum of `|a b|` over `n` terms, `a` and `b` given by index: what errors of a dot product are relative to. */
export function absoluteDot(n: number, a: (i: number) => number, b: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += Math.abs(a(i) * b(i));
  return sum;
}

/** The product of a packed weight, or of its values as a dense one, with `rows` rows; odd numbers have a bias of `i / 8`. */
export async function linear(
  device: Device,
  packed: PackedCodes,
  dense: boolean,
  rows: number,
  x: Float32Array,
) {
  const { outFeatures: out, inFeatures: inner } = packed;
  using weight = dense ? device.weight(packedValues(packed), out, inner) : device.packedWeight(packed);
  using input = device.upload(x), y = device.allocate(rows * out);
  using bias = device.upload(Float32Array.from({ length: out }, (_, i) => i / 8));
  device.linear(input, weight, rows % 2 ? bias : null, y, rows);
  return await device.read(y);
}
