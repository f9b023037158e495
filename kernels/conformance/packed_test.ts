/**
 * Packed weights multiply with the bits of dense ones, one row within a bound of float64, on every device, and hold what
 * they say they hold.
 */

import { assert, assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import type { PackedIntegers, SparseValues } from "../codes.ts";
import { assertSameBits, gamma, linear, Random, testedDevices, tiny, u } from "./suite.ts";
import { DeviceError } from "../error.ts";
import { codeAt } from "../host/bits.ts";
import { groupsOfRow, packedValues, rangeIndex } from "../host/packed.ts";
import { referenceDevice } from "../reference.ts";

const random = new Random(7);

interface Options {
  readonly bits: number;
  readonly out: number;
  readonly inner: number;
  readonly groupSize: number;
  readonly permuted?: boolean;
  readonly floatZeros?: boolean;
  /** Share of the weights that stand apart. */
  readonly outliers?: number;
}

/** Random codes; every stream of bits is a stream of codes. */
function randomPacked(
  { bits, out, inner, groupSize, permuted, floatZeros, outliers }: Options,
): PackedIntegers {
  const ranges = out * inner / groupSize;
  const codes = Uint8Array.from(
    { length: Math.ceil(out * inner * bits / 8) },
    () => Math.floor(256 * random.next()),
  );
  const integers = Uint8Array.from({ length: ranges }, () => Math.floor(2 ** bits * random.next()));
  const order = Array.from({ length: inner }, (_, j) => ({ j, key: random.next() }));
  return {
    outFeatures: out,
    inFeatures: inner,
    bits,
    groupSize,
    codes,
    scales: random.normal(ranges, 0.01),
    zeros: floatZeros ? random.normal(ranges, 2) : integers,
    ...(permuted
      ? { permutation: Int32Array.from(order.sort((a, b) => a.key - b.key).map(({ j }) => j)) }
      : {}),
    ...(outliers === undefined ? {} : { outliers: randomSparse(out, inner, outliers) }),
  };
}

/** Values at random places; the second row has none. */
function randomSparse(rows: number, columns: number, share: number): SparseValues {
  const start = new Uint32Array(rows + 1), column: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < columns; j++) if (row !== 1 && random.next() < share) column.push(j);
    start[row + 1] = column.length;
  }
  return { start, column: Uint16Array.from(column), value: random.normal(column.length, 3) };
}

const shapes: Options[] = [1, 2, 3, 4, 5, 6, 7, 8].flatMap((bits) => [
  { bits, out: 24, inner: 64, groupSize: 32 },
  { bits, out: 43, inner: 600, groupSize: 600 },
  { bits, out: 7, inner: 263, groupSize: 263 },
  { bits, out: 9, inner: 37, groupSize: 9 * 37 },
  { bits, out: 33, inner: 60, groupSize: 6 },
  { bits, out: 16, inner: 520, groupSize: 4, floatZeros: true },
  { bits, out: 13, inner: 384, groupSize: 128, permuted: true },
  { bits, out: 13, inner: 45, groupSize: 45, permuted: true, floatZeros: true },
]);

const reference = { name: "reference", family: "reference", open: () => Promise.resolve(referenceDevice()) };

for (const tested of [reference, ...testedDevices]) {
  Deno.test(`packedWeight: the bits of the dense weight (${tested.name})`, async () => {
    const device = await tested.open();
    // The CPU has kernels for each number of rows up to a panel's, the GPU for up to four, and more.
    const rowCounts = tested.family === "gpu" ? [3, 70] : [2, 3, 4, 5, 6, 7, 8, 9, 130];
    for (const options of shapes) {
      const packed = randomPacked(options);
      // All at once: a GPU takes as long to answer one question as to answer many.
      await Promise.all(rowCounts.map(async (rows) => {
        const x = random.normal(rows * options.inner);
        const [expected, output] = await Promise.all(
          [true, false].map((dense) => linear(device, packed, dense, rows, x)),
        );
        assertSameBits(output, expected, `${rows} rows, ${JSON.stringify(options)}`);
      }));
    }
    assertEquals(device.memory.used, 0);
  });
}

/**
 * The product of one row in float64, and how far from it float32 may be: in any order one rounding for each product and
 * sum; or `x` as integers, which are off by half a step, 2^-23 (1 + 2^-7) of the largest of each 128 columns, and a
 * rounding for each group and six more.
 */
function oneRow(packed: PackedIntegers, x: Float32Array) {
  const { outFeatures: out, inFeatures: inner, bits, scales, zeros, permutation } = packed;
  const most = new Float64Array(Math.ceil(inner / 128));
  for (const [j, value] of x.entries()) most[j >> 7] = Math.max(most[j >> 7], Math.abs(value));
  return Array.from({ length: out }, (_, row) => {
    let value = 0, products = 0, steps = 0;
    for (let j = 0; j < inner; j++) {
      const range = rangeIndex(packed, row, groupsOfRow(packed) === 1 ? 0 : Math.floor(j / packed.groupSize));
      const w = scales[range] * (codeAt(packed.codes, bits, row * inner + j) - zeros[range]);
      const column = permutation?.[j] ?? j, product = w * x[column];
      value += product;
      products += Math.abs(product);
      steps += Math.abs(w) * most[column >> 7];
    }
    return {
      value,
      bound: gamma(inner + 6) * products + 2 ** -23 * (1 + 2 ** -7) * steps + inner * tiny,
    };
  });
}

Deno.test("packedWeight: one row is within its bound of float64, with the same bits on any number of threads", async () => {
  for (const options of [...shapes, { bits: 8, out: 9, inner: 9000, groupSize: 9000 }]) {
    const packed = randomPacked(options);
    for (const size of [1, 1e-30, 1e30, 0]) {
      const x = random.normal(options.inner, size);
      const expected = oneRow(packed, x), bias = options.out > 1 ? 1 / 8 : 0;
      let first: Float32Array | null = null;
      for (const tested of testedDevices) {
        const output = await linear(await tested.open(), packed, false, 1, x);
        for (const [i, { value, bound }] of expected.entries()) {
          const sum = value + i * bias;
          assertLessOrEqual(
            Math.abs(output[i] - sum),
            bound + u * Math.abs(sum),
            `${i} of ${JSON.stringify(options)}`,
          );
        }
        if (tested.name.startsWith("cpu")) assertSameBits(output, first ??= output, tested.name);
      }
    }
  }
});

Deno.test("packedWeight: one row of the largest codes and of integers with the largest bytes overflows nowhere", async () => {
  const out = 9, inner = 640;
  // As multiples of 2^-22: the bytes 100, -128, -128; 127, 1, 127; and their negatives.
  const rows = [6520704, 8323455, -6520704, -8323455].map((q) => new Float32Array(inner).fill(q / 2 ** 22));
  // Whole blocks of zeros, of tiny numbers, and of huge ones, beside others.
  rows.push(Float32Array.from({ length: inner }, (_, j) => [0, 1e-30, 3, -0, 1e33][j >> 7] * (1 + j % 5)));
  for (const bits of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const packed = {
      ...randomPacked({ bits, out, inner, groupSize: 320 }),
      codes: new Uint8Array(out * inner * bits / 8).fill(255),
      zeros: new Uint8Array(out * 2),
    };
    for (const x of rows) {
      const expected = oneRow(packed, x);
      for (const tested of testedDevices) {
        const output = await linear(await tested.open(), packed, false, 1, x);
        for (const [i, { value, bound }] of expected.entries()) {
          const sum = value + i / 8, error = Math.abs(output[i] - sum);
          assertLessOrEqual(error, bound + u * Math.abs(sum), `${i}, ${bits} bits, ${tested.name}`);
        }
      }
    }
  }
});

/** Weights that stand apart. */
const sparseShapes: readonly Options[] = [
  { bits: 3, out: 70, inner: 512, groupSize: 16, floatZeros: true, permuted: true, outliers: 0.02 },
  { bits: 4, out: 5, inner: 64, groupSize: 64, outliers: 0.5 },
  { bits: 4, out: 3, inner: 8, groupSize: 8, outliers: 0 },
];

for (const tested of testedDevices) {
  Deno.test(`packedWeight: outliers are within the bound of their values, in any number of rows (${tested.name})`, async () => {
    const device = await tested.open();
    for (const options of sparseShapes) {
      const { out, inner } = options, packed = randomPacked(options), values = packedValues(packed);
      const { outliers: _, ...codesOnly } = packed, codes = packedValues(codesOnly);
      for (const rows of [1, 3, 6]) {
        const x = random.normal(rows * inner);
        for (const [i, got] of (await linear(device, packed, false, rows, x)).entries()) {
          const row = i % out, at = Math.floor(i / out) * inner, w = row * inner;
          let sum = rows % 2 ? row / 8 : 0, size = Math.abs(sum);
          for (let j = 0; j < inner; j++) {
            sum += values[w + j] * x[at + j];
            // The value of the code is added, and the difference from it, which is rounded once.
            const apart = Math.abs(values[w + j] - codes[w + j]) + Math.abs(codes[w + j]);
            size += apart * Math.abs(x[at + j]);
          }
          const bound = gamma(inner + 6) * size + 2 ** -28 * size + u * Math.abs(sum);
          assertLessOrEqual(
            Math.abs(got - sum),
            bound,
            `${rows} rows, output ${i}, ${JSON.stringify(options)}`,
          );
        }
      }
    }
    assertEquals(device.memory.used, 0);
  });
}

Deno.test("packedWeight: what is not finite in one row or its scales stays not finite", async () => {
  const packed = randomPacked({ bits: 4, out: 8, inner: 64, groupSize: 64 });
  for (const tested of testedDevices) {
    const device = await tested.open();
    for (const bad of [NaN, Infinity, -Infinity]) {
      const x = random.normal(64);
      const scales = Float32Array.from(packed.scales, (scale, i) => i === 3 ? bad : scale);
      const output = await linear(device, { ...packed, scales }, false, 1, x);
      assertEquals([...output].map((value) => !Number.isFinite(value)), [...output].map((_, i) => i === 3));
      x[5] = bad;
      assert((await linear(device, packed, false, 1, x)).every((value) => !Number.isFinite(value)));
    }
  }
});

Deno.test("packedWeight: work that threads share, and extreme values", async () => {
  for (const tested of testedDevices) {
    const device = await tested.open();
    for (const bits of [3, 4]) {
      const packed = randomPacked({ bits, out: 1030, inner: 512, groupSize: 128 });
      packed.scales.set([0, -0, 1e-45, 3e-39, 1e38, Infinity, NaN, -1]);
      for (const rows of [3, 60]) {
        const x = random.normal(rows * 512);
        const expected = await linear(device, packed, true, rows, x);
        assertSameBits(await linear(device, packed, false, rows, x), expected, `${bits} bits, ${rows} rows`);
      }
    }
  }
});

Deno.test("packedWeight: the CPU holds codes, scales and zero points, and no more", async () => {
  const device = await testedDevices[0].open();
  using weight = device.packedWeight(randomPacked({ bits: 4, out: 256, inner: 512, groupSize: 128 }));
  // The header; half a byte per code; four bytes and one byte per group.
  assertEquals(weight.byteLength, 64 + 256 * 512 / 2 + 256 * 4 * 5);
  assertEquals(device.memory.used, weight.byteLength);
  assert(device.memory.peak >= weight.byteLength);
});

Deno.test("packedWeight: misuse is refused before anything is held", async () => {
  const good = randomPacked({ bits: 4, out: 8, inner: 12, groupSize: 4 });
  const wrong: [Partial<PackedIntegers>, string][] = [
    [{ bits: 9 }, "packedWeight: bits is 9: expected an integer, 1 to 8"],
    [{ groupSize: 5 }, "groupSize is 5: expected a divisor of 12 input features, or all 96 weights"],
    [{ codes: new Uint8Array(47) }, "packedWeight: codes holds 47 elements: expected 48"],
    [{ scales: new Float32Array(1) }, "packedWeight: scales holds 1 elements: expected 24"],
    [{ zeros: new Uint8Array(2) }, "packedWeight: zeros holds 2 elements: expected 24"],
    [
      { outliers: { start: new Uint32Array(8), column: Uint16Array.of(), value: Float32Array.of() } },
      "outliers.start holds 8 elements: expected 9",
    ],
    [
      {
        outliers: { start: new Uint32Array(9).fill(1), column: Uint16Array.of(0), value: Float32Array.of(1) },
      },
      "outliers.start has 1: expected numbers from 0 to 1 that never fall",
    ],
    [{
      outliers: {
        start: new Uint32Array(9).fill(1, 1),
        column: Uint16Array.of(12),
        value: Float32Array.of(1),
      },
    }, "outliers.column is 12: expected an integer, 0 to 11"],
    [{ permutation: new Int32Array(12) }, "permutation has 0: expected each column once"],
  ];
  for (const device of [referenceDevice(), await testedDevices[0].open()]) {
    for (const [part, message] of wrong) {
      assertThrows(() => device.packedWeight({ ...good, ...part }), DeviceError, message);
    }
    assertEquals(device.memory.used, 0);
  }
});
