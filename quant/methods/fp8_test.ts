/** FP8 against torchao and compressed-tensors (vectors.safetensors), and where the result is known. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { sha256Hex } from "../../base/hash.ts";
import { referenceDevice } from "../../kernels/reference.ts";
import { loadModel } from "../../model/load.ts";
import { SchemeError } from "../error.ts";
import { encodeBlocks, roundBlocks } from "../grids/blocks.ts";
import { bitsOf, floats, metadata, shapeOf, vector } from "../grids/float_testing.ts";
import { quantize } from "../quantize.ts";
import { parseScheme } from "../scheme.ts";
import { tableWeight } from "../weights/table.ts";
import { fp8, fp8Method, fp8Rule } from "./fp8.ts";

const x = await floats("fp8.x"), shape = shapeOf("fp8.x");
const blocks = {
  tensor: [Infinity, Infinity],
  channel: [1, Infinity],
  block2x4: [2, 4],
} as const;

Deno.test("fp8: scales, codes and values of torchao and compressed-tensors; a row of zeros has the latter's scale", async () => {
  for (const element of ["e4m3", "e5m2"] as const) {
    for (const [granularity, block] of Object.entries(blocks)) {
      const { codes, scales } = encodeBlocks(x, shape, fp8Rule(element, block));
      const at = `fp8.torchao.${element === "e4m3" ? "e4m3fn" : element}.${granularity}`;
      const expected = await vector(`${at}.codes`), ofScales = await floats(`${at}.scaleBits`);
      const width = shape.columns;
      for (const [i, code] of codes.entries()) {
        const zeros = granularity === "channel" && ofScales[Math.floor(i / width)] === 0;
        assertEquals(code, zeros ? 0 : expected[i], `${at} ${i}`);
      }
      assertEquals([...scales].map((scale) => scale === 2 ** -23 ? 0 : scale), [...ofScales]);
    }
  }
  for (
    const [name, block] of [["tensor", blocks.tensor], ["channel", blocks.channel], [
      "block",
      blocks.block2x4,
    ]] as const
  ) {
    const rule = fp8Rule("e4m3", block), got = x.slice();
    roundBlocks(got, shape, rule);
    const at = `fp8.compressed-tensors.e4m3fn.${name}`;
    assertEquals(bitsOf(got), bitsOf(await floats(`${at}.yBits`)), at);
    const { scales } = encodeBlocks(x, shape, rule);
    assertEquals(scales, await floats(`${at}.scaleBits`), at);
  }
});

using llama = await loadModel("fixture:llama", { device: referenceDevice() });

Deno.test("fp8: every byte of two weight matrices, as compressed-tensors and torchao store them", async () => {
  for (const [role, name] of [["q", "q_proj"], ["down", "down_proj"]] as const) {
    const parameter = llama.linear(0, role), [rows, columns] = parameter.shape;
    const weight = { rows, columns, data: await parameter.values() };
    for (
      const [id, element, block] of [
        ["fp8.e4m3.w.block128", "e4m3", [128, 128]],
        ["fp8.e4m3.w.channel", "e4m3", [1, Infinity]],
        ["fp8.e5m2.w.channel", "e5m2", [1, Infinity]],
      ] as const
    ) {
      const stored = tableWeight(weight, fp8Rule(element, block)), at = `sha256.${id}.layers.0.${name}`;
      assertEquals(sha256Hex(stored.codes()), metadata.get(`${at}.codes`), at);
      const { scales } = stored;
      assert(scales instanceof Float32Array);
      const digest = metadata.get(`${at}.scale`);
      if (digest) assertEquals(sha256Hex(new Uint8Array(scales.buffer)), digest, at);
    }
  }
});

Deno.test("fp8: what the format holds is exact, also in one block, and a block may be as long as the row", () => {
  const data = Float32Array.of(448, -416, 2 ** -9, 0, 1.875, -1.125, 2 ** -6, 240);
  for (const block of [[1, 8], [1, Infinity], [Infinity, Infinity], [128, 128]] as const) {
    const got = data.slice();
    roundBlocks(got, { rows: 1, columns: 8 }, fp8Rule("e4m3", block));
    assertEquals(got, data);
  }
  const constant = new Float32Array(12).fill(-0.7);
  roundBlocks(constant, { rows: 3, columns: 4 }, fp8Rule("e5m2", [1, Infinity]));
  const error = constant.map((y) => Math.abs(y / -0.7 - 1)).reduce((a, b) => Math.max(a, b));
  assert(error < 2 ** -22, "a constant is the largest number of the format, times its scale");
});

Deno.test("fp8: blocks of 128 are cut at the edges, and count a byte a weight and four a block", () => {
  const weight = {
    rows: 130,
    columns: 200,
    data: Float32Array.from({ length: 26000 }, (_, i) => Math.sin(i)),
  };
  const stored = tableWeight(weight, fp8Rule("e4m3", [128, 128]));
  assertEquals([stored.byteLength, stored.scales.length], [26000 + 16, 4]);
  const corner = Float32Array.from(
    { length: 2 * 72 },
    (_, i) => weight.data[(128 + Math.floor(i / 72)) * 200 + 128 + i % 72],
  );
  roundBlocks(corner, { rows: 2, columns: 72 }, fp8Rule("e4m3", [Infinity, Infinity]));
  const got = stored.dequantize();
  assertEquals(corner, corner.map((_, i) => got[(128 + Math.floor(i / 72)) * 200 + 128 + i % 72]));
});

Deno.test("fp8: tokens, groups and tensors of activations", async () => {
  using device = referenceDevice();
  const data = Float32Array.from({ length: 4 * 48 }, (_, i) => Math.sin(i) * 10 ** (i % 5));
  for (
    const [scheme, rows, columns, block] of [
      [fp8({ granularity: "token" }), 8, 24, [1, Infinity]],
      [fp8({ granularity: "group", groupSize: 8 }), 8, 24, [1, 8]],
      [fp8({ granularity: "tensor", element: "e5m2" }), 4, 48, [Infinity, Infinity]],
    ] as const
  ) {
    using buffer = device.upload(data);
    await fp8Method.operand.apply(device, buffer, { rows: 4, columns: 48, heads: 2 }, scheme);
    const expected = data.slice();
    roundBlocks(expected, { rows, columns }, fp8Rule(scheme.element, block));
    assertEquals(await device.read(buffer), expected);
  }
});

Deno.test("fp8: granularities that a part has not are refused, by type and by name", async () => {
  assertThrows(
    () => parseScheme({ weights: { method: "fp8", granularity: "token" } }),
    SchemeError,
    'granularity is "token": expected not "token" of weights',
  );
  assertThrows(
    () => parseScheme({ activations: { method: "fp8" } }),
    SchemeError,
    'granularity is "channel"',
  );
  assertThrows(
    () => fp8({ granularity: "tensor", groupSize: 4 }),
    SchemeError,
    'none with granularity "tensor"',
  );
  // @ts-expect-error: weights have no tokens
  const refused = quantize(llama, { weights: fp8({ granularity: "token" }) });
  assertEquals(await refused.catch((error) => error instanceof SchemeError), true);
});
