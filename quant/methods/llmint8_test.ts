import { assert, assertEquals, assertLessOrEqual, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { oracle, oracleTensors, oracleWindows } from "../../eval/oracle.ts";
import vectors from "../../fixtures/vectors.json" with { type: "json" };
import type { Device } from "../../kernels/device.ts";
import { referenceDevice } from "../../kernels/reference.ts";
import { loadModel } from "../../model/load.ts";
import { Int8Linear, llmInt8, type LlmInt8Options } from "./llmint8.ts";
import { dequantizeSums, halfPrecision, int8Vectors, Int8Weight } from "../weights/int8.ts";
import { outlierColumns, outlierCounter } from "../calibration/outlier_columns.ts";
import { quantize } from "../quantize.ts";
import { storedWeight, weightStorage } from "../weights/linear.ts";
import { rtn } from "./rtn.ts";
import { parseScheme } from "../scheme.ts";
import { SchemeError } from "../error.ts";

const unsigned = (values: Iterable<number>) => Array.from(values, (value) => value + 0);

/** `x` `[rows, in]` through an int8 layer of the weight `[out, in]`. */
async function apply(
  device: Device,
  x: Float32Array,
  weight: Float32Array,
  out: number,
  options: LlmInt8Options,
  bias: Float32Array | null = null,
): Promise<Float32Array> {
  const inputs = weight.length / out, rows = x.length / inputs;
  const packed = new Int8Weight([out, inputs], int8Vectors(halfPrecision(weight), inputs));
  const scheme = llmInt8(options);
  using layer = new Int8Linear(device, packed, scheme, scheme.outliers === "original" ? weight : null, bias);
  using input = device.upload(x);
  using output = device.allocate(rows * out);
  await layer.run(input, output, rows);
  return await device.read(output);
}

/** Products of random shapes; some columns of `x` are large. */
const products = fc.record({
  rows: fc.integer({ min: 1, max: 5 }),
  inputs: fc.integer({ min: 1, max: 40 }),
  out: fc.integer({ min: 1, max: 6 }),
  seed: fc.integer({ min: 1, max: 1e6 }),
}).map(({ rows, inputs, out, seed }) => {
  let state = seed;
  const next = () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 31 - 1;
  const x = Float32Array.from(
    { length: rows * inputs },
    (_, i) => next() * ((i % inputs) % 7 === 3 ? 40 : 2),
  );
  const weight = Float32Array.from({ length: out * inputs }, next);
  return { rows, inputs, out, x, weight: halfPrecision(weight) };
});

Deno.test("the golden example: maxima, codes, outlier columns and integer sums", async () => {
  const { A, W, SCB, CB, outlier_cols, SCA, CA, acc_int32, out } = vectors.llmint8;
  const a = Float32Array.from(A.flat()), columns = W[0].length;
  const weight = int8Vectors(Float32Array.from(W.flat()), columns);
  assertEquals(weight.maxima, Float32Array.from(SCB));
  assertEquals(unsigned(weight.codes), CB.flat());
  const outliers = outlierColumns(a, columns, 6);
  assertEquals(outliers, outlier_cols);
  const { codes, maxima } = int8Vectors(a, columns, 6);
  assertEquals(maxima, Float32Array.from(SCA));
  assertEquals(unsigned(codes.map((code, i) => outliers.includes(i % columns) ? 0 : code)), CA.flat());

  using device = referenceDevice();
  using product = device.int8Weight(weight.codes, W.length, columns);
  const sums = await product.product(Int8Array.from(CA.flat()), A.length);
  assertEquals(Array.from(sums), acc_int32.flat());
  const packed = new Int8Weight([W.length, columns], weight);
  const high = packed.columns(outliers);
  for (const [i, value] of dequantizeSums(sums, maxima, packed.maxima, null).entries()) {
    const row = Math.floor(i / W.length) * columns, at = i % W.length * outliers.length;
    const apart = outliers.reduce((sum, column, k) => sum + a[row + column] * high[at + k], 0);
    // The vector multiplies by 6.200012e-5, 7 digits of 1 / 127^2.
    assertLessOrEqual(Math.abs(value + apart - out.flat()[i]), Math.abs(value) * 1e-6 + 2e-6);
  }
});

Deno.test("a product as bitsandbytes computes it: exact codes, its own constant aside", async () => {
  const tensors = await oracleTensors("llama");
  const tensor = (name: string) => Float32Array.from(tensors.get(`int8.vec.${name}`)?.data as Float32Array);
  const a = tensor("A"), w = tensor("W"), columns = 32, out = 5, rows = 6;
  const weight = int8Vectors(w, columns);
  assertEquals(weight.maxima, tensor("SCB"));
  assertEquals(unsigned(weight.codes), Array.from(tensor("CB")));
  const outliers = outlierColumns(a, columns, 6);
  assertEquals(outliers, Array.from(tensors.get("int8.vec.outlierCols")?.data as BigInt64Array, Number));
  const { codes, maxima } = int8Vectors(a, columns, 6);
  for (const column of outliers) for (let row = 0; row < rows; row++) codes[row * columns + column] = 0;
  assertEquals(maxima, tensor("SCA"));
  assertEquals(unsigned(codes), Array.from(tensor("CA")));

  using device = referenceDevice();
  using product = device.int8Weight(weight.codes, out, columns);
  const integer = dequantizeSums(await product.product(codes, rows), maxima, weight.maxima, null);
  const whole = await apply(device, a, w, out, {});
  const expected = tensor("outFp32");
  // Its portable kernel writes 6.200124e-5 for 1 / 127^2 = 6.200012e-5.
  const constant = 6.200124e-5 * 127 ** 2;
  for (const [i, value] of whole.entries()) {
    const apart = value - integer[i];
    const difference = Math.abs(apart + integer[i] * constant - expected[i]);
    // Sums of two columns and an integer part: a rounding of each, here and there.
    assertLessOrEqual(difference, 8 * 2 ** -24 * (Math.abs(apart) + Math.abs(integer[i])));
  }
});

Deno.test("weights of the fixture models have bitsandbytes' codes and maxima", async () => {
  for (const name of ["llama", "llama-outlier"]) {
    const tensors = await oracleTensors(name);
    using model = await loadModel(`fixture:${name}`);
    using quantized = await quantize(model, { linears: llmInt8() });
    for (const [role, key] of [["q", "q_proj"], ["down", "down_proj"]] as const) {
      const weight = storedWeight(quantized, 0, role);
      assert(weight instanceof Int8Weight);
      assertEquals(weight.maxima, tensors.get(`int8.layers.0.${key}.SCB`)?.data as Float32Array);
      const expected = tensors.get(`int8.layers.0.${key}.CB`)?.data as Int8Array;
      assertEquals(weight.codes.subarray(0, expected.length), expected);
    }
  }
});

Deno.test("outlier columns of the first window are bitsandbytes' own", async () => {
  const [window] = await oracleWindows("test");
  using model = await loadModel("fixture:llama-outlier");
  using quantized = await quantize(model, { linears: llmInt8() });
  const counts = new Map<string, number>();
  const observer = outlierCounter(
    model.device,
    6,
    (count, { layer, site }) => counts.set(`${layer}.${site}`, count),
  );
  for (const states of await quantized.hiddenStates([window], [observer])) states[Symbol.dispose]();
  const expected = (await oracle("llama-outlier", "int8-t6.0-fp32")).extra.outlierColumnsWindow0 as Record<
    string,
    number
  >;
  const sites = {
    attention: "self_attn.q_proj",
    output: "self_attn.o_proj",
    mlp: "mlp.up_proj",
    down: "mlp.down_proj",
  };
  for (const [site, module] of Object.entries(sites)) {
    for (let layer = 0; layer < 4; layer++) {
      // Two columns of 512 is what a largest magnitude beside the threshold may flip in layers behind the first.
      const slack = layer === 0 ? 0 : 2;
      assertLessOrEqual(
        Math.abs((counts.get(`${layer}.${site}`) ?? NaN) - expected[`${layer}.${module}`]),
        slack,
        `${layer}.${site}`,
      );
    }
  }
});

Deno.test("no column reaches a threshold above all: the same as no threshold, infinite or 0", async () => {
  using device = referenceDevice();
  await fc.assert(
    fc.asyncProperty(products, async ({ x, weight, out }) => {
      const plain = await apply(device, x, weight, out, { threshold: 0 });
      assertEquals(await apply(device, x, weight, out, { threshold: Infinity }), plain);
      assertEquals(await apply(device, x, weight, out, { threshold: 41 }), plain);
      assertEquals(await apply(device, x, weight, out, { threshold: 41, outliers: "original" }), plain);
    }),
    { numRuns: 40 },
  );
});

Deno.test("every column reaches the least threshold: the dense layer, of original or dequantized weights", async () => {
  using device = referenceDevice();
  await fc.assert(
    fc.asyncProperty(products, async ({ rows, inputs, out, x, weight }) => {
      const dense = async (values: Float32Array) => {
        using input = device.upload(x);
        using placed = device.weight(values, out, inputs);
        using output = device.allocate(rows * out);
        device.linear(input, placed, null, output, rows);
        return unsigned(await device.read(output));
      };
      const threshold = 1e-30;
      const original = await apply(device, x, weight, out, { threshold, outliers: "original" });
      assertEquals(unsigned(original), await dense(weight));
      const packed = new Int8Weight([out, inputs], int8Vectors(weight, inputs));
      assertEquals(
        unsigned(await apply(device, x, weight, out, { threshold })),
        await dense(packed.dequantize()),
      );
    }),
    { numRuns: 40 },
  );
});

Deno.test("inputs and weights on the int8 grid are multiplied exactly", async () => {
  using device = referenceDevice();
  // Maxima of 127 make every code the value itself.
  const x = Float32Array.of(127, -3, 0, 64, -127, 1, 2, 100), weight = Float32Array.of(-127, 5, 6, 7);
  const bias = Float32Array.of(0.5);
  const exact = Float32Array.of(-127 * 127 - 15 + 448 + 0.5, 127 * 127 + 5 + 12 + 700 + 0.5);
  const ours = await apply(device, x, weight, 1, { threshold: 0 }, bias);
  // Multiplied by 127^2 and by 1 / 127^2 again, each rounded.
  for (const [i, value] of ours.entries()) assertLessOrEqual(Math.abs(value / exact[i] - 1), 4 * 2 ** -24);
});

Deno.test("the result is within the rounding of both operands", async () => {
  using device = referenceDevice();
  await fc.assert(fc.asyncProperty(products, async ({ rows, inputs, out, x, weight }) => {
    const half = halfPrecision(x);
    const ours = await apply(device, x, weight, out, { threshold: 0 });
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < out; i++) {
        const a = half.subarray(row * inputs, (row + 1) * inputs),
          w = weight.subarray(i * inputs, (i + 1) * inputs);
        const steps = [a, w].map((v) => Math.max(...v.map(Math.abs)) / 127);
        let exact = 0, bound = 0;
        for (let j = 0; j < inputs; j++) {
          exact += a[j] * w[j];
          // Half a step of each operand, and a little for codes rounded in float32.
          bound += 1.001 *
            (Math.abs(a[j]) * steps[1] / 2 + Math.abs(w[j]) * steps[0] / 2 + steps[0] * steps[1] / 4);
        }
        assertLessOrEqual(Math.abs(ours[row * out + i] - exact), bound + 1e-6 * Math.abs(exact));
      }
    }
  }));
});

Deno.test("rows of zeros give zeros; NaN and values beyond float16 make their token NaN, not the others", async () => {
  using device = referenceDevice();
  const x = Float32Array.of(0, 0, NaN, 1, 1e5, 1, 1, 2), weight = Float32Array.of(1, 2, 0, 0);
  const ours = await apply(device, x, weight, 2, { threshold: 0 });
  assertEquals(unsigned(ours.subarray(0, 2)), [0, 0]);
  assert(ours.subarray(2, 6).every(Number.isNaN));
  // The second output feature has no weights.
  assertLessOrEqual(Math.abs(ours[6] - 5), 0.05);
  assertEquals(ours[7], 0);
});

Deno.test("storage is 8 bits and the maxima; 16 bits more where original weights are kept", async () => {
  using model = await loadModel("fixture:llama");
  const { hiddenSize } = model.architecture;
  using quantized = await quantize(model, { linears: llmInt8() });
  const { bitsPerWeight } = weightStorage(quantized);
  assert(bitsPerWeight > 8 && bitsPerWeight <= 8 + 32 / hiddenSize);
  using kept = await quantize(model, { linears: llmInt8({ outliers: "original" }) });
  assertEquals(weightStorage(kept).bitsPerWeight, bitsPerWeight + 16);
  const weight = storedWeight(quantized, 1, "up");
  assertEquals(await quantized.linear(1, "up").values(), weight?.dequantize());
});

Deno.test("options outside what is accepted are refused, and parts beside linears", async () => {
  assertThrows(() => llmInt8({ threshold: -1 }), SchemeError, "threshold is -1");
  assertThrows(() => llmInt8({ threshold: NaN }), SchemeError, "threshold is NaN");
  // @ts-expect-error not an accepted value
  assertThrows(() => llmInt8({ outliers: "float" }), SchemeError, "outliers is");
  const unknown = { threshold: 6, bits: 8 };
  assertThrows(() => llmInt8(unknown), SchemeError, 'no option "bits"');
  const scheme = { linears: llmInt8({ threshold: Infinity }) };
  assertEquals(parseScheme(JSON.parse(JSON.stringify(scheme))), scheme);
  using model = await loadModel("fixture:llama");
  await assertRejects(
    () => quantize(model, { linears: llmInt8(), weights: rtn({ bits: 8 }) }),
    SchemeError,
    "linears",
  );
});
