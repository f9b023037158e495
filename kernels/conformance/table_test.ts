/** Codes into a table multiply with the bits of their values as a dense weight, on every device, and hold what they say they hold. */

import { assertEquals, assertThrows } from "@std/assert";
import type { TableCodes } from "../codes.ts";
import { DeviceError } from "../error.ts";
import { packedValues } from "../host/packed.ts";
import { referenceDevice } from "../reference.ts";
import { assertSameBits, linear, Random, testedDevices } from "./suite.ts";

const random = new Random(11);

interface Options {
  readonly bits: number;
  readonly out: number;
  readonly inner: number;
  readonly block: readonly [rows: number, columns: number];
  /** Scales are bytes. */
  readonly bytes?: boolean;
  /** Bits of the mantissa, where values are those of floats. */
  readonly mantissaBits?: number;
}

/** Random codes into random values; every stream of bits is a stream of codes. */
function randomTable({ bits, out, inner, block, bytes, mantissaBits }: Options): TableCodes {
  const scales = Math.ceil(out / block[0]) * Math.ceil(inner / block[1]);
  const byte = () => Math.floor(256 * random.next());
  return {
    outFeatures: out,
    inFeatures: inner,
    bits,
    block,
    codes: Uint8Array.from({ length: Math.ceil(out * inner * bits / 8) }, byte),
    values: mantissaBits === undefined ? random.normal(2 ** bits, 3) : floatTable(bits, mantissaBits),
    scales: bytes ? Uint8Array.from({ length: scales }, byte) : random.normal(scales, 0.01),
    ...bytes && { scaleValues: random.normal(256, 0.01) },
  };
}

/** What the codes of a float stand for. */
function floatTable(bits: number, mantissaBits: number): Float32Array {
  const half = 2 ** (bits - 1), steps = 2 ** mantissaBits, bias = 2 ** (bits - 2 - mantissaBits) - 1;
  return Float32Array.from({ length: 2 * half }, (_, code) => {
    const exponent = Math.floor(code % half / steps), mantissa = code % steps;
    const size = (mantissa + (exponent ? steps : 0)) * 2 ** (Math.max(exponent, 1) - bias - mantissaBits);
    return code < half ? size : -size;
  });
}

const shapes: Options[] = [1, 2, 3, 4, 5, 6, 7, 8].flatMap((bits) => [
  { bits, out: 24, inner: 64, block: [1, 32], bytes: true },
  { bits, out: 43, inner: 600, block: [1, 16], bytes: true },
  { bits, out: 43, inner: 600, block: [1, 600] },
  { bits, out: 130, inner: 140, block: [128, 128] },
  { bits, out: 9, inner: 37, block: [9, 37] },
  { bits, out: 7, inner: 263, block: [1, 128] },
  // Blocks of six columns are no whole quads.
  { bits, out: 33, inner: 60, block: [2, 6], bytes: true },
]);
for (const [bits, mantissaBits] of [[8, 3], [8, 2], [6, 2], [6, 3], [4, 1], [5, 2]]) {
  shapes.push({ bits, mantissaBits, out: 43, inner: 600, block: [1, 600] });
  shapes.push({ bits, mantissaBits, out: 40, inner: 96, block: [1, 32], bytes: true });
}

const reference = { name: "reference", family: "reference", open: () => Promise.resolve(referenceDevice()) };

for (const tested of [reference, ...testedDevices]) {
  Deno.test(`table codes: the bits of the dense weight (${tested.name})`, async () => {
    const device = await tested.open(), gpu = tested.family === "gpu";
    // The CPU has kernels for each number of rows up to a panel's, the GPU for up to four, and more.
    const rowCounts = gpu ? [1, 70] : [1, 2, 3, 4, 7, 130];
    // A GPU in software takes half a minute for each number of bits.
    for (const options of gpu ? shapes.filter(({ bits }) => [4, 6, 8].includes(bits)) : shapes) {
      const packed = randomTable(options);
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

Deno.test("table codes: values are the table's times the block's scale, rounded once", () => {
  const packed: TableCodes = {
    outFeatures: 3,
    inFeatures: 3,
    bits: 2,
    codes: Uint8Array.of(0b11100100, 0b00011011, 0b10),
    values: Float32Array.of(0, 1, -1 / 3, 3),
    block: [2, 2],
    scales: Uint8Array.of(0, 1, 2, 3),
    scaleValues: Float32Array.from({ length: 256 }, (_, i) => 1 + i / 7),
  };
  const f32 = Math.fround, third = f32(-1 / 3), [a, b, c, d] = [1, 1 + 1 / 7, 1 + 2 / 7, 1 + 3 / 7].map(f32);
  const expected = [0, a, f32(third * b), 3 * a, f32(3 * a), f32(third * b), c, 0, f32(third * d)];
  assertEquals([...packedValues(packed)], expected.map(f32));
});

Deno.test("table codes: extreme scales and values, and work that threads share", async () => {
  for (const tested of testedDevices) {
    const device = await tested.open();
    for (const bits of [4, 8]) {
      const packed = randomTable({ bits, out: 1030, inner: 512, block: [1, 128] });
      packed.scales.set([0, -0, 1e-45, 3e-39, 1e38, Infinity, NaN, -1]);
      const x = random.normal(3 * 512), expected = await linear(device, packed, true, 3, x);
      assertSameBits(await linear(device, packed, false, 3, x), expected, `${bits} bits`);
    }
  }
});

Deno.test("table codes: the CPU holds codes, bytes of scales and the tables, and no more", async () => {
  const device = await testedDevices[0].open();
  using weight = device.packedWeight(
    randomTable({ bits: 4, out: 256, inner: 512, block: [1, 16], bytes: true }),
  );
  // The header; half a byte per code; a byte per block; 16 and 256 floats.
  assertEquals(weight.byteLength, 64 + 256 * 512 / 2 + 256 * 32 + 64 + 1024);
  using plain = device.packedWeight(randomTable({ bits: 8, out: 256, inner: 512, block: [1, 512] }));
  assertEquals(plain.byteLength, 64 + 256 * 512 + 256 * 4 + 1024);
  assertEquals(device.memory.used, weight.byteLength + plain.byteLength);
});

Deno.test("table codes: misuse is refused before anything is held", async () => {
  const good = randomTable({ bits: 4, out: 8, inner: 12, block: [2, 4], bytes: true });
  const wrong: [Partial<TableCodes>, string][] = [
    [{ bits: 9 }, "packedWeight: bits is 9: expected an integer, 1 to 8"],
    [{ block: [0, 4] }, "packedWeight: block[0] is 0: expected an integer, 1 or more"],
    [{ codes: new Uint8Array(47) }, "packedWeight: codes holds 47 elements: expected 48"],
    [{ values: new Float32Array(15) }, "packedWeight: values holds 15 elements: expected 16"],
    [{ scales: new Uint8Array(1) }, "packedWeight: scales holds 1 elements: expected 12"],
    [{ scaleValues: new Float32Array(16) }, "packedWeight: scaleValues holds 16 elements: expected 256"],
    [{ scales: new Float32Array(12) }, "scales is a Float32Array: expected bytes beside scaleValues"],
    [{ scaleValues: undefined }, "scales is a Uint8Array: expected float32 without scaleValues"],
  ];
  for (const device of [referenceDevice(), await testedDevices[0].open()]) {
    for (const [part, message] of wrong) {
      assertThrows(() => device.packedWeight({ ...good, ...part }), DeviceError, message);
    }
    assertEquals(device.memory.used, 0);
  }
});
