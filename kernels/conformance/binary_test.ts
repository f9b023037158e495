/** Binary codes multiply with the bits of dense weights, few rows (on the CPU one) within the bounds of look-ups. */

import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import type { BinaryCodes } from "../codes.ts";
import { assertSameBits, gamma, linear, Random, testedDevices, tiny, u } from "./suite.ts";
import { referenceDevice } from "../reference.ts";

const random = new Random(11);

/** Random binary codes. */
function randomBinary([out, inner, bits, groupSize]: readonly number[], shifted: boolean): BinaryCodes {
  const groups = out * inner / groupSize;
  return {
    outFeatures: out,
    inFeatures: inner,
    bits,
    groupSize,
    patterns: Uint8Array.from({ length: out * inner }, () => Math.floor(2 ** bits * random.next())),
    alphas: random.normal(groups * bits),
    ...(shifted ? { offsets: random.normal(groups) } : {}),
  };
}

/**
 * Output and input features, planes and group size, whether groups have offsets. The CPU looks up groups of whole eights,
 * the GPU of whole words of 32.
 */
const binaryShapes: readonly (readonly [readonly number[], boolean])[] = [
  [[1, 32, 3, 32], false],
  [[7, 96, 3, 32], true],
  [[300, 256, 2, 128], false],
  [[33, 64 * 33, 2, 64], true],
  [[5, 40, 3, 8], true],
  [[16, 1320, 4, 264], true],
  [[5, 36, 3, 4], false],
];

const reference = { name: "reference", family: "reference", open: () => Promise.resolve(referenceDevice()) };

for (const tested of [reference, ...testedDevices]) {
  Deno.test(`packedWeight: rows times binary codes are the bits of the dense weight (${tested.name})`, async () => {
    const device = await tested.open();
    // The GPU looks up for up to four rows.
    for (const rows of tested.family === "gpu" ? [70] : [2, 3, 4, 9, 70]) {
      for (const [shape, shifted] of binaryShapes) {
        const packed = randomBinary(shape, shifted), x = random.normal(rows * shape[1]);
        const [expected, output] = await Promise.all(
          [true, false].map((dense) => linear(device, packed, dense, rows, x)),
        );
        assertSameBits(output, expected, `${rows} rows, ${shape}`);
      }
    }
    assertEquals(device.memory.used, 0);
  });
}

for (const tested of testedDevices) {
  Deno.test(`packedWeight: look-ups are within the rounding of tables and sums (${tested.name})`, async () => {
    const device = await tested.open();
    for (const [shape, shifted] of binaryShapes) {
      const [out, inner] = shape, packed = randomBinary(shape, shifted);
      for (const rows of [1, 4]) {
        const x = random.normal(rows * inner);
        const expected = lookedUp(packed, x, tested.family, tested.family === "cpu" && rows > 1);
        const output = await linear(device, packed, false, rows, x);
        for (const [i, { value, bound }] of expected.entries()) {
          const sum = value + (rows % 2 ? i % out / 8 : 0);
          const message = `${rows} rows, output ${i}, ${shape}`;
          assertLessOrEqual(Math.abs(output[i] - sum), bound + u * Math.abs(sum), message);
        }
      }
    }
    assertEquals(device.memory.used, 0);
  });
}

/** Rows times binary codes in float64, and how far from it float32 may be; `values` where a device may multiply values. */
function lookedUp(packed: BinaryCodes, x: Float32Array, family: string, values = false) {
  const { outFeatures: out, inFeatures: inner, bits, groupSize, patterns, alphas, offsets } = packed;
  const groups = inner / groupSize, words = Math.ceil(inner / 32), pieces = Math.ceil(inner / 128) + groups;
  // GPU: an entry is a sum of 8 in three levels, a word adds two, its scale multiplies; then a sum over the words,
  // planes and offsets of a share, over the shares, and the bias. CPU: sums of up to 128 columns of a group are integers
  // in two parts, which are added and multiplied by the scale, or float64 sums, which are rounded and multiplied by the
  // offset; then a sum over such pieces, over blocks of 1024 columns, and the bias. A device that multiplies values rounds
  // each of them once per plane and offset, and each product and sum.
  const gpu = 3 + 2 + 1 + Math.min(words, 64) * (bits + 1) + Math.ceil(words / 64) + 1;
  const cpu = 2 + pieces * (bits + 1) + Math.ceil(inner / 1024) + 1;
  const looksUp = groupSize % (family === "gpu" ? 32 : 8) === 0 && !values;
  const terms = !looksUp ? bits + 1 + inner + 2 : family === "gpu" ? gpu : cpu;
  const largest = new Map<number, number>();
  for (const [i, value] of x.entries()) {
    const block = Math.floor(i / inner) * inner + (i % inner & ~127);
    largest.set(block, Math.max(largest.get(block) ?? 0, Math.abs(value)));
  }
  return Array.from({ length: x.length / inner * out }, (_, i) => {
    const j = i % out, start = Math.floor(i / out) * inner;
    let value = 0, size = 0, steps = 0;
    for (let l = 0; l < inner; l++) {
      const group = j * groups + Math.floor(l / groupSize), input = x[start + l];
      let weight = offsets?.[group] ?? 0, magnitude = 0;
      for (let plane = 0; plane < bits; plane++) {
        const alpha = alphas[group * bits + plane];
        weight += (patterns[j * inner + l] >> plane) & 1 ? alpha : -alpha;
        magnitude += Math.abs(alpha);
      }
      value += weight * input;
      size += (magnitude + Math.abs(offsets?.[group] ?? 0)) * Math.abs(input);
      // The CPU's integers are off by half a step, 2^-25 (1 + 2^-7) of the largest of 128 columns.
      const step = 2 ** -24 * (1 + 2 ** -7) * (largest.get(start + (l & ~127)) ?? 0);
      if (family === "cpu" && looksUp) steps += step / 2 * magnitude;
    }
    return { value, bound: gamma(terms) * size + steps + inner * tiny };
  });
}

Deno.test("packedWeight: look-ups of the largest sums, of zeros and of numbers without fixed point, on any threads", async () => {
  const shape = [40, 640, 3, 320], inner = 640;
  const packed = {
    ...randomBinary(shape, true),
    patterns: new Uint8Array(40 * inner).map((_, i) => i % 3 ? 7 : 5),
  };
  const blocks = (values: number[]) =>
    Float32Array.from({ length: inner }, (_, j) => values[j >> 7] * (1 + j % 5));
  const rows = [new Float32Array(inner).fill(1.984375), new Float32Array(inner).fill(-1.984375)];
  rows.push(blocks([0, 1e-20, 3, -0, 1e33]), blocks([0, 0, 0, 0, 0]), blocks([1e-20, 1, 1, 1e-37, 1]));
  for (const [number, x] of rows.entries()) {
    const expected = lookedUp(packed, x, "cpu", number === 4);
    let first: Float32Array | null = null;
    for (const tested of testedDevices.filter(({ family }) => family === "cpu")) {
      const output = await linear(await tested.open(), packed, false, 1, x);
      for (const [i, { value, bound }] of expected.entries()) {
        const sum = value + i / 8, message = `row ${number}, output ${i}`;
        assertLessOrEqual(Math.abs(output[i] - sum), bound + u * Math.abs(sum), message);
      }
      assertSameBits(output, first ??= output, tested.name);
    }
  }
  for (const bad of [NaN, Infinity]) {
    const x = rows[0].with(600, bad), device = await testedDevices[0].open();
    assert((await linear(device, packed, false, 1, x)).every((value) => !Number.isFinite(value)), `${bad}`);
  }
});

Deno.test("packedWeight: the CPU holds binary codes, scales and offsets, and no more", async () => {
  const device = await testedDevices[0].open();
  using weight = device.packedWeight(randomBinary([256, 512, 3, 128], true));
  // The header; a bit per code and plane; four bytes per group and plane or offset.
  assertEquals(weight.byteLength, 64 + 256 * 512 * 3 / 8 + 256 * 4 * 4 * 4);
  assertEquals(device.memory.used, weight.byteLength);
});
