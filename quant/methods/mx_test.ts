/** Microscaling formats against torchao, microxcaling and compressed-tensors (vectors.safetensors), and where the result is known. */
import { assertEquals, assertThrows } from "@std/assert";
import { sha256Hex } from "../../base/hash.ts";
import { referenceDevice } from "../../kernels/reference.ts";
import { loadModel } from "../../model/load.ts";
import { SchemeError } from "../error.ts";
import { packBits } from "../grids/bits.ts";
import { encodeBlocks, roundBlocks } from "../grids/blocks.ts";
import { floatFormats, floatValues, powerScales } from "../grids/float.ts";
import { bitsOf, floats, metadata, vector } from "../grids/float_testing.ts";
import { type Mx, mx, mxMethod, mxRule } from "./mx.ts";
import { quantizeRows, rtn } from "./rtn.ts";
import { tableWeight } from "../weights/table.ts";

const names: string[] = JSON.parse(metadata.get("mx.names") ?? "[]");
const shape = { rows: names.length, columns: 32 };
const x = await floats("mx.x");
const torchao = {
  e4m3: "fp8_e4m3",
  e5m2: "fp8_e5m2",
  e3m2: "fp6_e3m2",
  e2m3: "fp6_e2m3",
  e2m1: "fp4_e2m1",
} as const;
type Element = keyof typeof torchao;
const elements = Object.keys(torchao) as Element[];

/** Blocks in which rows of 32 numbers differ. */
function differing(a: ArrayLike<number>, b: ArrayLike<number>, width = 32): string[] {
  return names.filter((_, row) => {
    return Array.from({ length: width }, (_, j) => row * width + j).some((i) => a[i] !== b[i]);
  });
}

/** torchao's smallest scale divides by 2^-126 and stands for 2^-127. */
const atBottom = ["tiny", "scaleAtBottom"];

Deno.test("mx: scales and codes of torchao, block by block, but where its float32 logarithm is off", async () => {
  for (const element of elements) {
    for (const scaleRule of ["floor", "ceil", "even", "rceil"] as const) {
      const { codes, scales } = encodeBlocks(x, shape, mxRule(mx({ element, scaleRule })));
      const at = `mx.torchao.${torchao[element]}.${scaleRule}`;
      const expected = [await vector(`${at}.scale`), await vector(`${at}.codes`)];
      const logarithm = scaleRule === "rceil"
        ? names.filter((name) => /^justAbove|1\.7500001/.test(name))
        : [];
      const known = new Set([...atBottom, ...logarithm]);
      const wrong = [...differing(scales, expected[0], 1), ...differing(codes, expected[1])];
      assertEquals(wrong.filter((name) => !known.has(name)), [], at);
    }
  }
});

Deno.test("mx: roundings and integers of microxcaling, block by block, but where its float32 arithmetic is off", async () => {
  // Its logarithm is one too large just below some powers of two; -0 loses its sign; a half is added in float32.
  const known = new Set(["negativeZeros", "justBelow1024", "justBelow2^-10", "halfMinusUlp", ...atBottom]);
  const schemes: [string, Mx][] = elements.flatMap((element) => [
    [`${torchao[element]}.nearest`, mx({ element, rounding: "away" })],
    [`${torchao[element]}.even`, mx({ element })],
  ]);
  schemes.push(["int8.nearest", mx({ element: "int8", rounding: "away" })]);
  schemes.push(["int4.nearest", mx({ element: "int4", rounding: "away" })]);
  for (const [name, scheme] of schemes) {
    const got = x.slice();
    roundBlocks(got, shape, mxRule(scheme));
    const expected = await floats(`mx.microxcaling.${name}.y`);
    assertEquals(
      differing(bitsOf(got.map((y) => y + 0)), bitsOf(expected.map((y) => y + 0))).filter((one) =>
        !known.has(one)
      ),
      [],
      name,
    );
  }
});

Deno.test("mx: scales and values of compressed-tensors, block by block", async () => {
  for (const element of ["e2m1", "e2m3", "e4m3"] as const) {
    const rule = mxRule(mx({ element, scaleRule: "compressedTensors" })), got = x.slice();
    roundBlocks(got, shape, rule);
    const at = `mx.compressed-tensors.${torchao[element]}`;
    const { scales } = encodeBlocks(x, shape, rule);
    assertEquals(
      differing([...scales].map((byte) => powerScales[byte]), await floats(`${at}.scale`), 1),
      [],
      at,
    );
    const expected = await floats(`${at}.y`);
    assertEquals(differing(got.map((y) => y + 0), expected.map((y) => y + 0)), [], at);
  }
});

using llama = await loadModel("fixture:llama", { device: referenceDevice() });

Deno.test("mx: every byte of two weight matrices, as torchao stores them", async () => {
  for (const [role, name] of [["q", "q_proj"], ["down", "down_proj"]] as const) {
    const parameter = llama.linear(0, role), [rows, columns] = parameter.shape;
    const weight = { rows, columns, data: await parameter.values() };
    const ids = [...metadata.keys()].filter((key) => /^sha256\.mx.*\.codes$/.test(key) && key.includes(name));
    assertEquals(ids.length, 9);
    for (const id of ids) {
      const at = id.slice(0, -".codes".length);
      const [, element, scaleRule] = /mxfp[468](?:\.(e\dm\d))?\.w\.(\w+)\./.exec(at) ?? [];
      const stored = tableWeight(
        weight,
        mxRule(mx({ element: (element ?? "e2m1") as Element, scaleRule: scaleRule as "floor" | "rceil" })),
      );
      const codes = stored.bits === 4 ? packBits(stored.codes(), 4) : stored.codes();
      assertEquals(sha256Hex(codes), metadata.get(id), id);
      assertEquals(sha256Hex(Uint8Array.from(stored.scales)), metadata.get(`${at}.scale`), id);
    }
  }
});

Deno.test("mx: zeros, constants and what a format holds are exact; a block may be as long as the row", () => {
  for (const element of [...elements, "int8", "int4"] as const) {
    for (const scaleRule of ["floor", "ceil", "even", "rceil", "compressedTensors"] as const) {
      const values = floatValues(floatFormats[element]).filter((value) => Number.isFinite(value));
      // The absmax is the format's largest number, times a power of two.
      const data = values.map((value) => value * 2 ** -5);
      const exact = mx({ element, scaleRule, blockSize: data.length });
      if (scaleRule !== "ceil" && scaleRule !== "even" && scaleRule !== "compressedTensors") {
        const got = data.slice();
        roundBlocks(got, { rows: 1, columns: data.length }, mxRule(exact));
        assertEquals(bitsOf(got), bitsOf(data), `${element} ${scaleRule}`);
      }
      const constant = new Float32Array(64).fill(-0.125);
      roundBlocks(constant, { rows: 2, columns: 32 }, mxRule(mx({ element, scaleRule })));
      assertEquals(constant, new Float32Array(64).fill(-0.125));
      const { codes, scales } = encodeBlocks(new Float32Array(64), { rows: 1, columns: 64 }, mxRule(exact));
      assertEquals([new Set(codes), new Set(scales)], [new Set([0]), new Set([0])]);
    }
  }
});

Deno.test("mx: INT4 elements whose absmax is 1.75 times a power of two are symmetric INT4 round to nearest", () => {
  const data = Float32Array.from({ length: 320 }, (_, i) => i % 32 === 0 ? 1.75 : Math.sin(i * i) * 1.7);
  const weight = { rows: 10, columns: 32, data };
  const integers = quantizeRows(weight, rtn({ bits: 4, symmetric: true, granularity: "channel" }))
    .dequantize();
  const stored = tableWeight(weight, mxRule(mx({ element: "int4" })));
  // Signs of zeros apart.
  assertEquals(stored.dequantize().map((w) => w + 0), integers);
});

Deno.test("mx: half a byte of each code, a byte of each block; the last block of a row may be short", () => {
  const weight = { rows: 3, columns: 40, data: Float32Array.from({ length: 120 }, (_, i) => Math.cos(i)) };
  const stored = tableWeight(weight, mxRule(mx({ element: "e2m1" })));
  assertEquals(stored.byteLength, 60 + 6);
  const apart = [32, 8].flatMap((width, k) =>
    [0, 1, 2].map((row) => {
      const start = row * 40 + (k && 32), part = weight.data.slice(start, start + width);
      roundBlocks(part, { rows: 1, columns: width }, mxRule(mx({ element: "e2m1" })));
      return { start, part };
    })
  );
  const expected = new Float32Array(120);
  for (const { start, part } of apart) expected.set(part, start);
  assertEquals(stored.dequantize(), expected);
});

Deno.test("mx: activations are rounded in their blocks, each head's apart; NaN stays in its block", async () => {
  using device = referenceDevice();
  const data = Float32Array.from({ length: 4 * 48 }, (_, i) => Math.sin(i) * 10 ** (i % 5));
  data[5] = NaN;
  using buffer = device.upload(data);
  await mxMethod.operand.apply(device, buffer, { rows: 4, columns: 48, heads: 2 }, mx({ element: "e4m3" }));
  const expected = data.slice();
  roundBlocks(expected, { rows: 8, columns: 24 }, mxRule(mx({ element: "e4m3" })));
  const got = await device.read(buffer);
  assertEquals(bitsOf(got), bitsOf(expected));
  assertEquals([...got].map(Number.isNaN).lastIndexOf(true), 23);
});

Deno.test("mx: options that are not accepted are named", () => {
  // @ts-expect-error: no such element
  assertThrows(() => mx({ element: "e4m4" }), SchemeError, 'element is "e4m4": expected one of "e4m3"');
  assertThrows(() => mx({ element: "e2m1", blockSize: 0 }), SchemeError, "blockSize is 0");
  // @ts-expect-error: no such rule
  assertThrows(() => mx({ element: "e2m1", scaleRule: "down" }), SchemeError, 'scaleRule is "down"');
});
