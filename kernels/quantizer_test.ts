import { assertEquals, assertThrows } from "@std/assert";
import { DeviceError } from "./error.ts";
import { checkRule, fakeQuantizeValue, uniformQuantizer } from "./quantizer.ts";

Deno.test("uniformQuantizer: asymmetric range is widened to contain zero on request only", () => {
  const rule = { bits: 8, mode: "asymmetric" } as const;
  assertEquals(uniformQuantizer(255, 510, { ...rule, zeroInRange: true }), {
    scale: 2,
    zero: 0,
    lowest: 0,
    highest: 255,
  });
  const narrow = uniformQuantizer(255, 510, { ...rule, zeroInRange: false });
  assertEquals([narrow.scale, narrow.zero], [1, -255]);
  assertEquals(fakeQuantizeValue(300.4, narrow), 300);
});

Deno.test("uniformQuantizer: a range of one value keeps that value", () => {
  for (const value of [7, -7]) {
    const quantizer = uniformQuantizer(value, value, { bits: 3, mode: "asymmetric", zeroInRange: false });
    assertEquals(fakeQuantizeValue(value, quantizer), value);
  }
});

Deno.test("uniformQuantizer: zeros, and values whose scale underflows, become zero", () => {
  for (const mode of ["asymmetric", "symmetric", "offsetBinary"] as const) {
    for (const value of [0, 2 ** -149]) {
      const quantizer = uniformQuantizer(0, value, { bits: 8, mode, zeroInRange: true });
      assertEquals(Math.abs(fakeQuantizeValue(value, quantizer)), 0, mode);
    }
  }
});

Deno.test("uniformQuantizer: symmetric codes are signed", () => {
  const quantizer = uniformQuantizer(-3, 7, { bits: 4, mode: "symmetric", zeroInRange: true });
  assertEquals(quantizer, { scale: 1, zero: 0, lowest: -8, highest: 7 });
  assertEquals([-9, -2.5, 2.5, 3.5, 9].map((x) => fakeQuantizeValue(x, quantizer)), [-8, -2, 2, 4, 7]);
});

Deno.test("uniformQuantizer: offset binary saturates a range without negative values (legacy behaviour)", () => {
  const rule = { bits: 4, mode: "offsetBinary", zeroInRange: true } as const;
  assertEquals(uniformQuantizer(-15, 3, rule), { scale: 2, zero: 8, lowest: 0, highest: 15 });
  const positive = uniformQuantizer(0, 15, rule);
  assertEquals([positive.scale, fakeQuantizeValue(15, positive)], [1, 7]);
});

Deno.test("uniformQuantizer: NaN and infinities in the range make every value NaN", () => {
  const rule = { bits: 8, mode: "asymmetric", zeroInRange: true } as const;
  for (const bad of [NaN, Infinity]) assertEquals(fakeQuantizeValue(1, uniformQuantizer(-1, bad, rule)), NaN);
});

Deno.test("checkRule: names the bits and the accepted range", () => {
  const rule = { bits: 17, mode: "symmetric", zeroInRange: true } as const;
  assertThrows(
    () => checkRule("fakeQuantize", rule),
    DeviceError,
    "cannot quantize to 17 bits: expected 2 to 16",
  );
});
