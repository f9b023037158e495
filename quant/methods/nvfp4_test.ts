/** NVFP4 against torchao, compressed-tensors and fouroversix (vectors.safetensors), and where the result is known. */
import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { referenceDevice } from "../../kernels/reference.ts";
import { loadModel } from "../../model/load.ts";
import { SchemeError } from "../error.ts";
import { absMax, encodeBlocks, roundBlocks } from "../grids/blocks.ts";
import { floatFormats, floatValues } from "../grids/float.ts";
import { bitsOf, floats, metadata, shapeOf, vector } from "../grids/float_testing.ts";
import { packBits } from "../grids/bits.ts";
import { parseScheme } from "../scheme.ts";
import { tableWeight } from "../weights/table.ts";
import { type Nvfp4, nvfp4, nvfp4Method, nvfp4Rule } from "./nvfp4.ts";

const tensors = ["plain", "tensorOutlier", "zeros", "fp16"] as const;
const elements = floatValues(floatFormats.e2m1), scales8 = floatValues(floatFormats.e4m3);

Deno.test("nvfp4: scales and codes of torchao, values to the last bit", async () => {
  for (
    const [library, scheme] of [
      ["torchao", nvfp4({ arithmetic: "torchao" })],
      ["torchao-single", nvfp4({ arithmetic: "torchao", tensorScale: "none" })],
    ] as const
  ) {
    for (const name of tensors) {
      // A tensor of zeros gives NaN in torchao.
      if (name === "zeros" && library === "torchao") continue;
      const x = await floats(`nvfp4.${name}.x`),
        shape = shapeOf(`nvfp4.${name}.x`),
        rule = nvfp4Rule(scheme, absMax(x));
      const { codes, scales } = encodeBlocks(x, shape, rule), at = `nvfp4.${name}.${library}`;
      assertEquals(scales, await vector(`${at}.scale`), at);
      assertEquals(codes, await vector(`${at}.codes`), at);
      roundBlocks(x, shape, rule);
      assertEquals(bitsOf(x), bitsOf(await floats(`${at}.yBits`)), at);
    }
  }
});

Deno.test("nvfp4: scales and values of compressed-tensors, to the last bit", async () => {
  for (const name of tensors) {
    const x = await floats(`nvfp4.${name}.x`),
      shape = shapeOf(`nvfp4.${name}.x`),
      rule = nvfp4Rule(nvfp4(), absMax(x));
    const { scales } = encodeBlocks(x, shape, rule), at = `nvfp4.${name}.compressed-tensors`;
    assertEquals([...scales].map((byte) => scales8[byte]), [...await floats(`${at}.scaleValueBits`)], at);
    roundBlocks(x, shape, rule);
    assertEquals(x.map((y) => y + 0), (await floats(`${at}.yBits`)).map((y) => y + 0), at);
  }
});

Deno.test("nvfp4: scales and elements of fouroversix, whatever it chooses by; products to an ulp", async () => {
  for (
    const [rule, target] of [["static_6", "six"], ["static_4", "four"], ["mse", "mse"], ["mae", "mae"], [
      "abs_max",
      "absMax",
    ]] as const
  ) {
    for (const name of tensors) {
      const x = await floats(`nvfp4.${name}.x`), shape = shapeOf(`nvfp4.${name}.x`);
      const grid = nvfp4Rule(nvfp4({ arithmetic: "fourOverSix", target }), absMax(x));
      const { codes, scales } = encodeBlocks(x, shape, grid), at = `nvfp4.${name}.fouroversix.${rule}`;
      assertEquals(scales, await vector(`${at}.scale`), at);
      assertEquals(
        [...codes].map((code) => elements[code] + 0),
        [...await vector(`${at}.values`)].map((y) => y + 0),
        at,
      );
      roundBlocks(x, shape, grid);
      // It multiplies by absmax and divides by 1536 after the product.
      for (const [i, y] of (await floats(`${at}.yBits`)).entries()) {
        assertLess(Math.abs(x[i] - y), 2 ** -22 * Math.abs(y) + 1e-45, `${at} ${i}`);
      }
    }
  }
});

using llama = await loadModel("fixture:llama", { device: referenceDevice() });

Deno.test("nvfp4: every byte of a weight matrix", async () => {
  const parameter = llama.linear(0, "q"), [rows, columns] = parameter.shape;
  const weight = { rows, columns, data: await parameter.values() };
  const schemes: Record<string, Nvfp4> = {
    "ao": nvfp4({ arithmetic: "torchao" }),
    "46-static_6": nvfp4({ arithmetic: "fourOverSix" }),
    "46-mse": nvfp4({ target: "mse" }),
  };
  assert(metadata.size > 0);
  for (const [name, scheme] of Object.entries(schemes)) {
    const stored = tableWeight(weight, nvfp4Rule(scheme, absMax(weight.data)));
    const at = `llama.nvfp4.w.${name}.layers.0.q_proj`;
    const expected = await vector(`${at}.codes`), scales = await vector(`${at}.scale`);
    assertEquals(packBits(stored.codes(), 4), expected, name);
    assertEquals(Uint8Array.from(stored.scales), scales, name);
  }
});

Deno.test("nvfp4: zeros stay zeros, what the format holds is exact, a constant is the largest number", () => {
  for (const arithmetic of ["compressedTensors", "torchao", "fourOverSix"] as const) {
    const rule = (data: Float32Array) => nvfp4Rule(nvfp4({ arithmetic }), absMax(data));
    const zeros = new Float32Array(32);
    roundBlocks(zeros, { rows: 2, columns: 16 }, rule(zeros));
    assertEquals(zeros, new Float32Array(32), arithmetic);
    // The largest number of the tensor is 448 * 6: its scale is 1.
    const data = Float32Array.of(
      2688,
      ...[-1792, 448, 672].map((x) => x),
      ...Array.from({ length: 12 }, () => 224),
    );
    data.set(elements.slice(1, 8).map((x) => -x * 4), 4);
    const wide = Float32Array.of(
      ...data.slice(0, 4),
      ...new Float32Array(12),
      24,
      ...data.slice(4, 11),
      ...new Float32Array(8),
    );
    const got = wide.slice();
    roundBlocks(got, { rows: 1, columns: 32 }, rule(wide));
    assertEquals(got, wide, arithmetic);
    const constant = new Float32Array(48).fill(0.3);
    roundBlocks(constant, { rows: 1, columns: 48 }, rule(constant));
    for (const y of constant) assertLess(Math.abs(y / 0.3 - 1), 2 ** -21);
  }
});

Deno.test("nvfp4: one block has the largest scale, and so E2M1's numbers times a sixth of its absmax", () => {
  const data = Float32Array.of(
    -3.1,
    0.2,
    0.26,
    1.1,
    1.3,
    2.6,
    -0.7,
    3.1,
    0,
    0.51,
    2.1,
    -1.8,
    0.9,
    0.05,
    1.6,
    2.9,
  );
  const numbers = [0, 0.5, 1, 1.5, 2, 3, 4, 6], step = 3.1 / 6;
  for (const arithmetic of ["compressedTensors", "torchao"] as const) {
    const got = data.slice();
    roundBlocks(got, { rows: 1, columns: 16 }, nvfp4Rule(nvfp4({ arithmetic }), absMax(data)));
    for (const [i, x] of data.entries()) {
      const nearest = numbers.reduce((a, b) =>
        Math.abs(b * step - Math.abs(x)) < Math.abs(a * step - Math.abs(x)) ? b : a
      );
      assertLess(Math.abs(got[i] - Math.sign(x) * nearest * step), 1e-6, `${arithmetic} ${x}`);
    }
  }
});

Deno.test("nvfp4: four over six takes 4 where that has the smaller error, and 6 where they are equal", () => {
  // The last block sets the tensor's scale: those of 6 and of 4 are numbers of E4M3. 3 and 1.5 are numbers of E2M1, 4.5 is only 3 of 4.
  const blocks = [[6, 3, 1.5, 0], [6, 4.5, 4.5, 4.5], [12, 12, 12, 12]];
  const data = Float32Array.from(
    blocks.flatMap((block) => Array.from({ length: 16 }, (_, i) => block[i % 4])),
  );
  for (const target of ["mse", "mae", "absMax"] as const) {
    const { codes } = encodeBlocks(
      data,
      { rows: 1, columns: 48 },
      nvfp4Rule(nvfp4({ target }), absMax(data)),
    );
    assertEquals([0, 16, 32].map((at) => elements[codes[at]]), [6, 4, 6], target);
    assertEquals(elements[codes[17]], 3, "4.5 of 6 is 3 of 4");
  }
});

Deno.test("nvfp4: half a byte a code, a byte a block, four for the tensor", () => {
  const weight = { rows: 4, columns: 64, data: Float32Array.from({ length: 256 }, (_, i) => Math.cos(i)) };
  const stored = nvfp4Method.weights.quantize(
    weight,
    nvfp4(),
    { layer: 0, role: "q", name: "w" },
    null,
    llama.device,
  );
  assert(!(stored instanceof Promise));
  assertEquals(stored.byteLength, 128 + 16 + 4);
});

Deno.test("nvfp4: options that do not go together are refused", () => {
  assertThrows(
    () => nvfp4({ target: "mse", arithmetic: "torchao" }),
    SchemeError,
    'arithmetic is "torchao": expected "fourOverSix" with target "mse"',
  );
  assertThrows(
    () => parseScheme({ weights: { method: "nvfp4", tensorScale: "calibrated" } }),
    SchemeError,
    'tensorScale is "calibrated": expected "dynamic" or "none" of weights',
  );
});
