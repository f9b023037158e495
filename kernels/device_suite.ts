/**
 * The frame of the operation tests: every case runs on the reference device and on each device under test, and each
 * output must be as close to the reference as float32 arithmetic guarantees. u = 2^-24 is float32's unit roundoff, and
 * n roundings in a row give a relative error of at most gamma(n) = n u / (1 - n u) (Higham 2002, lemma 3.1).
 */

import { assert, assertEquals } from "@std/assert";
import { cpuDevice } from "./cpu/device.ts";
import type { Device } from "./device.ts";
import { referenceDevice } from "./reference.ts";

/** Unit roundoff of float32. */
export const u = 2 ** -24;
/** The smallest positive float32: the absolute error of a result that underflows. */
export const tiny = 2 ** -149;

/** Relative error of `n` float32 roundings in a row. */
export function gamma(n: number): number {
  return n * u / (1 - n * u);
}

/** What a device promises about its arithmetic. */
export interface Accuracy {
  /** Relative error of `exp`, in u. */
  readonly exp: number;
  /** Relative error of the sum of `n` positive numbers in a norm or a softmax. */
  readonly rowSum: (n: number) => number;
}

/** A device under test. Devices of one `family` must agree bit for bit. */
export interface TestedDevice {
  readonly name: string;
  readonly family: string;
  readonly accuracy: Accuracy;
  /** The device, opened at the first call and shared by the tests of a file: it is not disposed of. */
  open(): Promise<Device>;
}

/** The devices that all operation tests run on. */
export const testedDevices: TestedDevice[] = [1, 2, 4].map((threads) => {
  let device: Promise<Device> | undefined;
  return {
    name: `cpu, ${threads} thread${threads === 1 ? "" : "s"}`,
    family: "cpu",
    accuracy: { exp: 4, rowSum: (n) => n * 2 ** -53 },
    open: () => device ??= cpuDevice({ threads }),
  };
});

/** One operation on one set of inputs. */
export interface Case {
  readonly name: string;
  /** Uploads the inputs, runs the operation and reads the output. */
  run(device: Device): Promise<Float32Array | Float64Array>;
  /** Largest absolute error of output `i` whose reference value is `expected`; `exact` when the bits must agree. */
  readonly bound: "exact" | ((i: number, expected: number, accuracy: Accuracy) => number);
}

/** Declares a test per device that runs all cases. */
export function testCases(name: string, cases: Case[]): void {
  const references = new Map<Case, Float32Array | Float64Array>();
  const firsts = new Map<string, { device: string; output: Float32Array | Float64Array }>();
  for (const tested of testedDevices) {
    Deno.test(`${name} (${tested.name})`, async () => {
      const device = await tested.open();
      for (const one of cases) {
        const output = await one.run(device);
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

function compare(
  { name, bound }: Case,
  output: Float32Array | Float64Array,
  expected: Float32Array | Float64Array,
  accuracy: Accuracy,
): void {
  assertEquals(output.length, expected.length, name);
  if (bound === "exact") return assertSameBits(output, expected, name);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const got = output[i], want = expected[i];
    if (Object.is(got, want) || got === want) continue;
    const limit = bound(i, want, accuracy);
    const error = Math.abs(got - want);
    assert(error <= limit, `${name}: output ${i} is ${got}, expected ${want}: error ${error} over ${limit}`);
    worst = Math.max(worst, error / limit);
  }
  if (Deno.env.get("QUANTBOOK_SHOW_ERRORS")) console.log(`${name}: ${worst.toFixed(3)} of the bound`);
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
