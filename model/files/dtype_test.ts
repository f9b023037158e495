/** Decoding is exact and encoding rounds half to even: checked against the definition of the formats in plain arithmetic. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { CheckpointError } from "./error.ts";
import {
  bytesPerElement,
  decodeBf16,
  decodeF16,
  type Dtype,
  dtypes,
  encodeBf16,
  encodeF16,
  fromBytes,
  isDtype,
  toBytes,
  toFloat32,
} from "./dtype.ts";

const every16 = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** IEEE 754: sign, exponent and fraction, subnormal when the exponent is 0. */
function value16(bits: number, exponentBits: number, fractionBits: number): number {
  const sign = bits >>> 15 ? -1 : 1;
  const exponent = (bits >>> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * (1 + fraction) * 2 ** (exponent - bias) : sign * fraction * 2 ** (1 - bias);
}

for (
  const [name, decode, encode, exponentBits, fractionBits] of [
    ["F16", decodeF16, encodeF16, 5, 10],
    ["BF16", decodeBf16, encodeBf16, 8, 7],
  ] as const
) {
  Deno.test(`${name}: all 65,536 patterns decode to the value of the definition and encode back`, () => {
    const decoded = decode(every16);
    const encoded = encode(decoded);
    for (let bits = 0; bits < 65536; bits++) {
      const expected = value16(bits, exponentBits, fractionBits);
      assert(Object.is(decoded[bits], expected), `${bits}: ${decoded[bits]} is not ${expected}`);
      if (Number.isNaN(expected)) assert(Number.isNaN(value16(encoded[bits], exponentBits, fractionBits)));
      else assertEquals(encoded[bits], bits);
    }
  });

  Deno.test(`${name}: between neighbours the nearer one wins, and the even one half-way`, () => {
    const largest = (2 ** exponentBits - 1) << fractionBits;
    for (let bits = 0; bits < largest - 1; bits++) {
      const low = value16(bits, exponentBits, fractionBits);
      const high = value16(bits + 1, exponentBits, fractionBits);
      const half = (low + high) / 2;
      const ulp = (high - low) / 2 ** 8;
      const even = bits % 2 ? bits + 1 : bits;
      // Differences below the float32 subnormals cannot be represented; they do not occur from here on.
      if (Math.fround(half) !== half || Math.fround(half - ulp) !== half - ulp) continue;
      assertEquals([...encode(Float32Array.of(half - ulp, half, half + ulp))], [bits, even, bits + 1]);
    }
  });
}

Deno.test("overflow becomes infinite", () => {
  assertEquals([...encodeF16(Float32Array.of(65519, 65520, -1e9))], [0x7bff, 0x7c00, 0xfc00]);
  assertEquals([...encodeBf16(Float32Array.of(3.4e38, -3.4028235e38))], [0x7f80, 0xff80]);
});

Deno.test("bytes of every type come back", () => {
  const bytes = Uint8Array.of(1, 0, 0, 0, 0, 0, 0x80, 0x3f);
  for (const dtype of dtypes) {
    assert(isDtype(dtype));
    const data = fromBytes(dtype, bytes.slice().buffer);
    assertEquals(data.length, 8 / bytesPerElement(dtype), dtype);
    assertEquals([...toBytes(dtype, data)], [...bytes], dtype);
  }
  assertEquals([...fromBytes("BF16", bytes.slice().buffer)].at(-1), 1);
  assertEquals(fromBytes("I64", bytes.slice().buffer)[0], 0x3f80000000000001n);
});

Deno.test("other types become float32", () => {
  assertEquals([...toFloat32(BigInt64Array.of(-3n, 16777217n))], [-3, 16777216]);
  assertEquals([...toFloat32(Float64Array.of(0.1))], [Math.fround(0.1)]);
  const same = Float32Array.of(1);
  assert(toFloat32(same) === same);
});

Deno.test("unknown types and wrong arrays are refused", () => {
  assertEquals(isDtype("constructor"), false);
  assertEquals(isDtype("f32"), false);
  const name = "F12" as Dtype;
  assertEquals(assertThrows(() => bytesPerElement(name), CheckpointError, "F12").code, "dtype");
  assertThrows(() => toBytes("I8", Float32Array.of(1)), CheckpointError, "Int8Array");
});
