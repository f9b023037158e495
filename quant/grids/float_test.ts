/** Element formats code by code, tie by tie, against ml_dtypes, torch, torchao and microxcaling (vectors.safetensors). */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { SchemeError } from "../error.ts";
import { dynamicMap } from "./dynamic.ts";
import {
  decodeFloat,
  floatEncoder,
  floatFormat,
  floatFormats,
  floatValues,
  largestFloat,
  powerScales,
} from "./float.ts";
import { bitsOf, floats, vector } from "./float_testing.ts";

const names = { e4m3: "e4m3fn", e5m2: "e5m2", e3m2: "e3m2fn", e2m3: "e2m3fn", e2m1: "e2m1fn" } as const;
const elements = Object.entries(names) as [keyof typeof names, string][];

Deno.test("floats: all codes decode to what ml_dtypes has", async () => {
  for (const [name, vectors] of elements) {
    assertEquals(bitsOf(floatValues(floatFormats[name])), bitsOf(await floats(`decode.${vectors}`)), name);
  }
  assertEquals(bitsOf(powerScales), bitsOf(await floats("decode.e8m0fnu")));
  assertEquals(bitsOf(dynamicMap()), bitsOf(await floats("bnb.dynamicMap")));
});

Deno.test("floats: largest numbers", () => {
  const largest = Object.values(floatFormats).map((format) => largestFloat(format));
  assertEquals(largest, [448, 57344, 28, 7.5, 6, 127 / 64, 1.75]);
});

/** Where a value's code is not the library's. */
async function differences(
  name: keyof typeof names,
  library: string,
  options: Parameters<typeof floatEncoder>[1],
): Promise<number[]> {
  const format = floatFormats[name], encode = floatEncoder(format, options);
  const x = await floats(`encode.${names[name]}.x`);
  const codes = await vector(`encode.${names[name]}.codes.${library}`);
  return [...x].filter((value, i) => {
    if (Number.isNaN(value) && format.ends === "numbers") return false;
    const code = encode(value);
    return code !== codes[i] && !(Number.isNaN(value) && Number.isNaN(decodeFloat(codes[i], format)));
  });
}

Deno.test("floats: ties, subnormals, signed zero, overflow and NaN have the codes of ml_dtypes, torch and torchao", async () => {
  for (const [name] of elements) {
    assertEquals(await differences(name, "ml_dtypes", { overflow: "ieee" }), [], name);
  }
  for (const name of ["e4m3", "e5m2"] as const) {
    assertEquals(await differences(name, "clampThenTorch", {}), [], name);
  }
  // torch saturates E4M3, infinity too, and gives infinity of E5M2.
  assertEquals(await differences("e4m3", "torch.to", {}), []);
  assertEquals(await differences("e5m2", "torch.to", { overflow: "ieee" }), []);
  for (const name of ["e3m2", "e2m3", "e2m1"] as const) {
    assertEquals(await differences(name, "torchao", {}), []);
  }
});

Deno.test("floats: other roundings have the values of microxcaling, but for its faults", async () => {
  for (const [name, vectors] of elements) {
    const format = floatFormats[name], x = await floats(`encode.${vectors}.x`);
    const smallest = decodeFloat(1, format);
    for (const [ties, rounding] of [["away", "nearest"], ["even", "even"], ["zero", "floor"]] as const) {
      const expected = await floats(`encode.${vectors}.values.microxcaling.${rounding}.sat`);
      const encode = floatEncoder(format, { ties });
      for (const [i, value] of x.entries()) {
        // It loses -0, hands infinities and NaN on, and rounds the float32 number below half of the smallest one up.
        if (!Number.isFinite(value) || value === 0) continue;
        const got = decodeFloat(encode(value), format);
        const fault = rounding !== "floor" && Math.abs(value) < smallest / 2 && expected[i] !== 0;
        if (fault) assertEquals([Math.abs(got), Math.abs(expected[i])], [0, smallest]);
        else assertEquals(got + 0, expected[i] + 0, `${name} ${rounding} of ${value}`);
      }
    }
  }
});

Deno.test("floats: NaN is refused where it has no code", () => {
  assertThrows(() => floatEncoder(floatFormats.e2m1)(NaN), SchemeError, "a value is NaN");
  assert(Number.isNaN(decodeFloat(floatEncoder(floatFormats.e5m2)(NaN), floatFormats.e5m2)));
});

Deno.test("floats: E1M2 has the values of symmetric INT4, and formats without exponent those of integers", () => {
  const of = (format: ReturnType<typeof floatFormat>) =>
    [...new Set([...floatValues(format)].map((x) => x + 0))].sort((a, b) => a - b);
  const integers = Array.from({ length: 15 }, (_, i) => i - 7);
  assertEquals(of(floatFormat(1, 2)).map((x) => 2 * x), integers);
  assertEquals(of(floatFormats.int4).map((x) => 4 * x), integers);
  assertEquals(of(floatFormats.int8).map((x) => 64 * x), Array.from({ length: 255 }, (_, i) => i - 127));
});

Deno.test("floats: codes come back from their values, and values in between go to a neighbour", () => {
  for (
    const format of [...Object.values(floatFormats), floatFormat(1, 2), floatFormat(3, 0), floatFormat(5, 0)]
  ) {
    const values = floatValues(format), encode = floatEncoder(format);
    for (const [code, value] of values.entries()) {
      if (Number.isFinite(value)) assertEquals(encode(value), code);
    }
    const positive = [...values.slice(0, values.length / 2)].filter(Number.isFinite);
    for (const [i, value] of positive.slice(1).entries()) {
      const below = positive[i], middle = (below + value) / 2, near = 2 ** -20 * (value - below);
      assertEquals([encode(middle - near), encode(middle + near)], [i, i + 1]);
      // Without a mantissa 1.5 steps go to 2.
      const even = format.mantissaBits === 0 ? i + 1 : i + i % 2;
      if (value <= largestFloat(format) && i > 0) assertEquals(encode(middle), even, "ties go to even codes");
    }
  }
});
