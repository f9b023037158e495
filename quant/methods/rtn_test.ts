import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import vectors from "../../fixtures/vectors.json" with { type: "json" };
import { oracleTensors } from "../../eval/oracle.ts";
import { loadModel } from "../../model/load.ts";
import { bitsPerWeight } from "../weights/linear.ts";
import { packBits, unpackBits } from "../grids/bits.ts";
import { parseScheme } from "../scheme.ts";
import { layoutOf, quantizeRows, rtn, type RtnOptions } from "./rtn.ts";
import { SchemeError } from "../error.ts";

type WeightOptions = RtnOptions<"tensor" | "channel" | "group">;

Deno.test("codes, scales and zero points are those of the original code, bit for bit", async () => {
  const cases: [model: string, tag: string, options: WeightOptions][] = [
    ["llama", "rtn4", { bits: 4 }],
    ["llama", "rtn3g32", { bits: 3, groupSize: 32 }],
    ["llama", "rtn4symLegacy", { bits: 4, symmetric: true, codes: "offsetBinary" }],
    ["llama-outlier", "rtn4", { bits: 4 }],
    ["llama-outlier", "rtn4symLegacy", { bits: 4, symmetric: true, codes: "offsetBinary" }],
  ];
  for (const [name, tag, options] of cases) {
    using model = await loadModel(`fixture:${name}`);
    const tensors = await oracleTensors(name);
    for (const [role, label] of [["q", "q_proj"], ["down", "down_proj"]] as const) {
      const { shape, values } = model.linear(0, role);
      const packed = quantizeRows({ rows: shape[0], columns: shape[1], data: await values() }, rtn(options));
      const expected = (part: string) =>
        Array.from(tensors.get(`${tag}.layers.0.${label}.${part}`)?.data as Uint8Array);
      assertEquals(Array.from(packed.codes()), expected("codes"), `${name} ${tag} ${label}`);
      assertEquals(Array.from(packed.scales), expected("scale"));
      assertEquals(Array.from(packed.zeros()), expected("zero"));
    }
  }
});

Deno.test("symmetric codes agree with the original code's weights", async () => {
  using model = await loadModel("fixture:llama");
  const tensors = await oracleTensors("llama");
  const cases: [tag: string, options: WeightOptions][] = [
    ["head.rtn4pcsym", { bits: 4, symmetric: true }],
    ["head.rtn4g32sym", { bits: 4, symmetric: true, groupSize: 32 }],
    ["june.rtn4pcsym", { bits: 4, symmetric: true, codes: "narrow", search: "mse" }],
    ["june.rtn4g32sym", { bits: 4, symmetric: true, codes: "narrow", groupSize: 32, search: "mse" }],
  ];
  for (const [tag, options] of cases) {
    const { shape, values } = model.linear(0, "q");
    const packed = quantizeRows({ rows: shape[0], columns: shape[1], data: await values() }, rtn(options));
    const expected = tensors.get(`${tag}.layers.0.q_proj.weight`)?.data as Float32Array;
    assertEquals(Array.from(packed.dequantize().subarray(0, expected.length)), Array.from(expected), tag);
  }
});

Deno.test("golden vectors of the uniform quantizer", () => {
  const { input, cases } = vectors.uniform;
  const data = Float32Array.from(input.flat());
  for (const { bits, sym, variant, granularity, dequant } of cases) {
    if (dequant === undefined || (granularity !== "per-row" && granularity !== "per-tensor")) continue;
    const packed = quantizeRows(
      { rows: input.length, columns: input[0].length, data },
      rtn({
        bits,
        granularity: granularity === "per-row" ? "channel" : "tensor",
        symmetric: sym,
        codes: variant === "legacy" ? "offsetBinary" : "signed",
      }),
    );
    for (const [i, value] of packed.dequantize().entries()) {
      assertAlmostEquals(value, dequant.flat()[i], 1e-7, `${bits} ${sym} ${variant} ${granularity}`);
    }
  }
});

Deno.test("packing is lossless for all widths, and bytes are what they are", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.nat(255), { maxLength: 99 }), (bits, values) => {
      const codes = Uint8Array.from(values, (value) => value % 2 ** bits);
      const packed = packBits(codes, bits);
      assertEquals(packed.length, Math.ceil(codes.length * bits / 8));
      assertEquals(unpackBits(packed, bits, codes.length), codes);
    }),
  );
  const weight = { rows: 8, columns: 64, data: new Float32Array(512).map((_, i) => Math.sin(i)) };
  // 4 bits per code, and 32 + 4 bits of scale and zero point for each 32 codes.
  assertEquals(bitsPerWeight(quantizeRows(weight, rtn({ bits: 4, groupSize: 32 }))), 4 + 36 / 32);
  assertEquals(
    bitsPerWeight(quantizeRows(weight, rtn({ bits: 4, symmetric: true, groupSize: 32 }))),
    4 + 32 / 32,
  );
  assertEquals(bitsPerWeight(quantizeRows(weight, rtn({ bits: 4, granularity: "tensor" }))), 4 + 40 / 512);
});

Deno.test("the error is at most half a step, and quantizing twice changes nothing", () => {
  const weights = fc.array(fc.float({ noNaN: true, min: -8, max: 8 }), { minLength: 32, maxLength: 32 });
  fc.assert(fc.property(fc.integer({ min: 2, max: 8 }), weights, fc.boolean(), (bits, values, symmetric) => {
    const weight = { rows: 2, columns: 16, data: Float32Array.from(values) };
    const packed = quantizeRows(weight, rtn({ bits, symmetric }));
    const once = packed.dequantize();
    for (const [i, value] of once.entries()) {
      const scale = packed.scales[i >> 4];
      // Half a step of the grid, half a step of its rounded zero point, and float32 rounding of both.
      assertAlmostEquals(value, weight.data[i], scale * (symmetric ? 0.5 : 1) * (1 + 1e-5) + 1e-6);
    }
    if (symmetric) {
      const twice = quantizeRows({ ...weight, data: once }, rtn({ bits, symmetric })).dequantize();
      for (const [i, value] of twice.entries()) {
        assertAlmostEquals(value, once[i], 1e-5 * Math.abs(once[i]) + 1e-30);
      }
    }
  }));
});

Deno.test("degenerate groups: constants, zeros, one group equals the whole row", () => {
  const weight = { rows: 2, columns: 4, data: Float32Array.of(0, 0, 0, 0, 3, 3, 3, 3) };
  assertEquals(Array.from(quantizeRows(weight, rtn({ bits: 4 })).dequantize()), Array.from(weight.data));
  const wave = { rows: 3, columns: 32, data: new Float32Array(96).map((_, i) => Math.cos(i * i)) };
  assertEquals(
    quantizeRows(wave, rtn({ bits: 3, groupSize: 32 })).dequantize(),
    quantizeRows(wave, rtn({ bits: 3, groupSize: -1 })).dequantize(),
  );
});

Deno.test("options are checked", () => {
  assertThrows(
    () => rtn({ bits: 9 }),
    SchemeError,
    "bits is 9: expected an integer from 2 to 8",
  );
  assertThrows(
    () => rtn({ bits: 4, granularity: "row" as "token" }),
    SchemeError,
    'granularity is "row": expected one of',
  );
  assertThrows(
    () => rtn({ bits: 4, granularity: "channel", groupSize: 32 }),
    SchemeError,
    "groupSize is 32: expected none",
  );
  assertThrows(() => rtn({ bits: 4, groupSize: 0 }), SchemeError, "groupSize is 0");
  assertThrows(() => rtn({ bits: 4, bit: 3 } as RtnOptions<"token">), SchemeError, 'rtn has no option "bit"');
  const weight = { rows: 1, columns: 30, data: new Float32Array(30) };
  const error = assertThrows(() => quantizeRows(weight, rtn({ bits: 4, groupSize: 32 })), SchemeError);
  assertEquals([error.code, error.message], ["shape", "groupSize 32 does not divide 30 input features"]);
});

Deno.test("codes that forget their zero point: an asymmetric range's steps, one bit more, nothing clamped that rounds within", () => {
  const data = Float32Array.of(-0.3, 0, 0.7, 1.2, -2, -1, 0.5, 0.2), weight = { rows: 2, columns: 4, data };
  const found = quantizeRows(weight, rtn({ bits: 4, codes: "unshifted" }));
  const plain = quantizeRows(weight, rtn({ bits: 4 }));
  assertEquals([found.bits, [...found.scales]], [5, [...plain.scales]]);
  for (const [i, value] of found.dequantize().entries()) {
    const scale = found.scales[Math.floor(i / 4)];
    assertAlmostEquals(value, scale * Math.round(data[i] / scale), 1e-6);
  }
  // A range whose ends are both half a step off has 17 points: 4 bits have a code less.
  const wide = { rows: 1, columns: 2, data: Float32Array.of(-7.5, 7.5) };
  assertEquals([...quantizeRows(wide, rtn({ bits: 4, codes: "unshifted" })).codes()], [8, 24]);
  for (const options of [{ bits: 4, symmetric: true }, { bits: 8 }]) {
    assertThrows(() => rtn({ ...options, codes: "unshifted" }), SchemeError, "codes is");
  }
});

Deno.test("a span goes on over heads and tokens, and must divide them", () => {
  const layout = (groupSize: number) =>
    layoutOf({ rows: 4, columns: 8, heads: 2 }, rtn({ bits: 4, granularity: "span", groupSize }));
  assertEquals(layout(16), { rows: 2, columns: 16, axis: "row" });
  assertEquals(layout(8), { rows: 4, columns: 8, axis: "row" });
  assertThrows(() => layout(12), SchemeError, "groupSize 12 does not divide the 8 values of 4 tokens");
  assertThrows(() => rtn({ bits: 4, granularity: "span" }), SchemeError, "groupSize");
  assertThrows(
    () => parseScheme({ weights: rtn({ bits: 4, granularity: "span", groupSize: 8 }) as never }),
    SchemeError,
    "granularity",
  );
  assertThrows(
    () => parseScheme({ key: rtn({ bits: 4, codes: "unshifted" }) as never }),
    SchemeError,
    "rounded on the fly",
  );
});
