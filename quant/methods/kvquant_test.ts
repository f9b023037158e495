import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLessOrEqual,
  assertRejects,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import vectors from "../../fixtures/vectors.json" with { type: "json" };
import { oracleTensors } from "../../eval/oracle.ts";
import type { KeyValueCache } from "../../model/decoder/cache.ts";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { uniformCodebook } from "../grids/codebook.ts";
import { type KvQuant, kvquant, type KvQuantOptions, withKvQuant } from "./kvquant.ts";
import type { LayerQuantizers } from "../caches/kvquant.ts";
import { keyInliers, valueInliers } from "./kvquant/calibration.ts";
import { exemptRow, rowBytes, RowQuantizer, scaleOf } from "../caches/kvquant/rows.ts";
import { quantize } from "../quantize.ts";
import { SchemeError } from "../error.ts";

const ids = Int32Array.from({ length: 48 }, (_, i) => (i * 37 + 11) % 2000);
const calibration = [0, 1].map((w) => Int32Array.from({ length: 40 }, (_, i) => (i * 53 + w * 977) % 2000));

function decoded(quantizer: RowQuantizer, row: ReturnType<RowQuantizer["value"]>, width: number) {
  const into = new Float32Array(width);
  quantizer.decode(row, null, into);
  return into;
}

Deno.test("rows of keys and values agree with the golden vectors", () => {
  const { lut, y, key, value } = vectors.kvquant;
  const centroids = Float32Array.from(lut);
  const quantizer = new RowQuantizer(2, { centroids, outputs: centroids }, "float32");
  const thresholds = { lower: Float32Array.from(key.lower), upper: Float32Array.from(key.upper) };
  const scale = scaleOf(thresholds);
  for (const [t, values] of y.entries()) {
    const row = Float32Array.from(values);
    if (t >= key.first_few_fp16) {
      const quantized = quantizer.key(row, thresholds, scale, 0.01);
      const mask = row.map((_, j) => quantized.channels.includes(j) ? 1 : 0);
      assertEquals(Array.from(mask), key.outlier_mask[t]);
      const into = new Float32Array(row.length);
      quantizer.decode(quantized, scale, into);
      for (const [j, x] of into.entries()) assertAlmostEquals(x, key.recon[t][j], 1e-6);
    }
    const quantized = quantizer.value(row, 2 * (1 - value.thresh));
    assertEquals(
      Array.from(row, (_, j) => quantized.channels.includes(j) ? 1 : 0),
      value.outlier_mask[t],
    );
    for (const [j, x] of decoded(quantizer, quantized, row.length).entries()) {
      assertAlmostEquals(x, value.recon[t][j], 1e-6);
    }
  }
});

for (const name of ["llama", "llama-outlier"]) {
  Deno.test(`${name}: rows agree with the original code's on its own codebooks`, async () => {
    const tensors = await oracleTensors(name);
    const get = (key: string) => tensors.get(`kvquant4.${key}`)?.data as Float32Array;
    const part = (projection: string, what: string) => get(`model.layers.0.self_attn.${projection}.${what}`);
    const book = (projection: string) => {
      const centroids = part(projection, "centroids").toSorted();
      return new RowQuantizer(4, { centroids, outputs: centroids }, "float32");
    };
    const keys = book("k_proj"), values = book("v_proj");
    const thresholds = { lower: part("k_proj", "lower"), upper: part("k_proj", "upper") };
    const scale = scaleOf(thresholds), width = 128;
    const [k, kq, kOut] = ["k", "kq", "kOut"].map((x) => get(`layer0.tok0_32.${x}`));
    const [v, vq, vOut] = ["v", "vq", "vOut"].map((x) => get(`layer0.tok0_32.${x}`));
    const into = new Float32Array(width);
    // The first token is exempt in the original.
    for (let t = 1; t < 32; t++) {
      const at = (x: Float32Array) => x.subarray(t * width, (t + 1) * width);
      const key = keys.key(at(k), thresholds, scale, 0.01), value = values.value(at(v), 0.01);
      for (
        const [row, quantizer, expected, mask] of [[key, keys, kq, kOut], [value, values, vq, vOut]] as const
      ) {
        assertEquals(Array.from(into, (_, j) => row.channels.includes(j) ? 1 : 0), Array.from(at(mask)));
        quantizer.decode(row, row === key ? scale : null, into);
        for (const [j, x] of at(expected).entries()) assertAlmostEquals(into[j], x, 2e-6 * (1 + Math.abs(x)));
      }
    }
  });
}

const row = fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 8, maxLength: 96 })
  .map((list) => Float32Array.from(list));
const bits = fc.integer({ min: 1, max: 8 });

Deno.test("a decoded value is off by at most half a step of the range, an outlier by nothing", () => {
  fc.assert(
    fc.property(row, bits, fc.constantFrom(0, 0.01, 0.1, 0.4), (values, bits, sparsity) => {
      const quantizer = new RowQuantizer(bits, uniformCodebook(2 ** bits), "float32");
      const quantized = quantizer.value(values, sparsity);
      const back = decoded(quantizer, quantized, values.length);
      const range = quantized.scale?.[1] ?? 0;
      for (const [j, x] of values.entries()) {
        if (quantized.channels.includes(j)) assertEquals(back[j], x);
        else {
          // Centre, range, product and sum are rounded, each by half of the least float32 where they are subnormal.
          const bound = range / (2 ** bits - 1) + 1e-5 * (range + Math.abs(x)) + 4 * 2 ** -150;
          assertLessOrEqual(Math.abs(back[j] - x), bound);
        }
      }
      assertEquals(quantized.codes.byteLength, Math.ceil(values.length * bits / 8));
    }),
    { examples: [[Float32Array.of(-17 * 2 ** -149, 0, 0, 2 ** -148, 0, 2 ** -148, 0, 2 ** -149), 1, 0.4]] },
  );
});

Deno.test("float16 storage: a row costs its codes, two bytes for each outlier's channel and value, and its range", () => {
  const quantizer = new RowQuantizer(3, uniformCodebook(8), "float16");
  const values = Float32Array.from({ length: 128 }, (_, i) => Math.sin(i * i));
  assertEquals(rowBytes(quantizer.value(values, 0)), 128 * 3 / 8 + 4);
  assertEquals(rowBytes(quantizer.value(values, 0.01)), 128 * 3 / 8 + 4 + 2 + 2 * (2 + 2));
  assertEquals(rowBytes(exemptRow(values, "float16")), 256);
});

Deno.test("keys beyond their thresholds are clipped without sparsity and kept with it", () => {
  const thresholds = { lower: Float32Array.of(-1, -1), upper: Float32Array.of(1, 1) };
  const quantizer = new RowQuantizer(4, uniformCodebook(16), "float32"), scale = scaleOf(thresholds);
  const into = new Float32Array(2), extreme = Float32Array.of(5, -0.2);
  quantizer.decode(quantizer.key(extreme, thresholds, scale, 0), scale, into);
  assertEquals(into[0], 1);
  quantizer.decode(quantizer.key(extreme, thresholds, scale, 0.01), scale, into);
  assertEquals(into[0], 5);
});

Deno.test("a constant channel and a constant row are exact", () => {
  const thresholds = { lower: Float32Array.of(3, 3), upper: Float32Array.of(3, 3) };
  const quantizer = new RowQuantizer(2, uniformCodebook(4), "float32"), scale = scaleOf(thresholds);
  const into = new Float32Array(2);
  quantizer.decode(quantizer.key(Float32Array.of(3, 3), thresholds, scale, 0), scale, into);
  assertEquals(into, Float32Array.of(3, 3));
  quantizer.decode(quantizer.value(Float32Array.of(7, 7), 0), null, into);
  assertEquals(into, Float32Array.of(7, 7));
});

Deno.test("inliers are normalized to [-1, 1] by channel (keys) and by token (values)", () => {
  const rows = Float32Array.from({ length: 64 * 32 }, (_, i) => (i % 32 + 1) * Math.sin(i * i));
  const samples = { rows, weights: null, width: 32 };
  const lower = new Float32Array(32).map((_, j) => -(j + 1)), upper = lower.map((x) => -x);
  const keys = keyInliers(samples, { lower, upper }).values;
  assertEquals(keys.length, rows.length);
  for (const [i, x] of keys.entries()) assertAlmostEquals(x, Math.sin(i * i), 1e-6);
  const values = valueInliers(samples, 0.1).values;
  assert(values.length < rows.length && values.every((x) => Math.abs(x) <= 1));
  assertEquals(valueInliers(samples, 0).values.length, rows.length);
});

/** Quantizers that need no calibration: thresholds of +-20 and an evenly spaced codebook. */
function plainQuantizers(model: Model, bits: number): LayerQuantizers[] {
  const { layers, kvHeads, headDim } = model.architecture;
  const lower = new Float32Array(kvHeads * headDim).fill(-20), upper = lower.map((x) => -x);
  const book = uniformCodebook(2 ** bits);
  return Array.from({ length: layers }, () => ({ thresholds: { lower, upper }, keys: book, values: book }));
}

/** A prompt of `prompt` tokens, then one token at a time: logits of each step. */
async function decodeSteps(
  model: Model,
  prompt: number,
): Promise<{ logits: Float32Array[]; cache: KeyValueCache }> {
  const cache = model.createCache(ids.length);
  if (cache === null) throw new Error("the model has no cache");
  const logits = [await model.step(ids.subarray(0, prompt), cache)];
  for (let t = prompt; t < ids.length; t++) logits.push(await model.step(ids.subarray(t, t + 1), cache));
  return { logits, cache };
}

async function variant(model: Model, options: KvQuantOptions): Promise<Model> {
  const scheme: KvQuant = kvquant(options);
  return await withKvQuant(model, scheme, plainQuantizers(model, scheme.bits));
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i])), 0);
}

Deno.test("packed and simulated execution give the same bits", async () => {
  for (const name of ["llama", "opt"]) {
    using model = await loadModel(`fixture:${name}`);
    for (const keys of ["beforeRotary", "afterRotary"] as const) {
      for (const prefill of ["quantized", "full"] as const) {
        using packed = await variant(model, { bits: 3, keys, prefill });
        using simulated = await variant(model, { bits: 3, keys, prefill, execution: "simulated" });
        const a = await decodeSteps(packed, 40), b = await decodeSteps(simulated, 40);
        for (const [i, logits] of a.logits.entries()) assertEquals(largestDifference(logits, b.logits[i]), 0);
        assertEquals(a.cache.byteLength, b.cache.byteLength);
        a.cache[Symbol.dispose]();
        b.cache[Symbol.dispose]();
      }
    }
  }
});

Deno.test("nothing is quantized when all tokens are first ones, or outliers, or seen before they are quantized", async () => {
  using model = await loadModel("fixture:llama");
  const expected = await model.logits(ids);
  using first = await variant(model, { bits: 2, firstTokens: 1000, storage: "float32" });
  assertLessOrEqual(largestDifference(await first.logits(ids), expected), 1e-4);
  using full = await variant(model, { bits: 2, prefill: "full" });
  assertLessOrEqual(largestDifference(await full.logits(ids), expected), 1e-4);
  // Thresholds that no key lies between make every key an outlier.
  const none = plainQuantizers(model, 1).map((layer) => {
    const nowhere = new Float32Array(layer.thresholds.lower.length).fill(1e9);
    return { ...layer, thresholds: { lower: nowhere, upper: nowhere } };
  });
  const scheme = kvquant({ bits: 1, storage: "float32" });
  using outliers = await withKvQuant(model, scheme, none);
  using coarse = await withKvQuant(model, scheme, plainQuantizers(model, 1));
  assert(
    largestDifference(await outliers.logits(ids), expected) <
      largestDifference(await coarse.logits(ids), expected),
  );
});

Deno.test("8 bits are close to float, and closer than 2", async () => {
  using model = await loadModel("fixture:llama");
  const expected = await model.logits(ids);
  using fine = await quantize(model, { kv: kvquant({ bits: 8, nonUniform: false }) }, { calibration });
  using coarse = await quantize(model, { kv: kvquant({ bits: 2, nonUniform: false }) }, { calibration });
  const near = largestDifference(await fine.logits(ids), expected);
  const far = largestDifference(await coarse.logits(ids), expected);
  assert(near < far / 10, `8 bits differ by ${near}, 2 bits by ${far}`);
});

Deno.test("decoding token by token sees what one pass sees, up to float32 rounding", async () => {
  using model = await loadModel("fixture:llama");
  using quantized = await variant(model, { bits: 4 });
  const whole = await quantized.logits(ids);
  const { logits } = await decodeSteps(quantized, 1);
  const last = whole.subarray(whole.length - logits[0].length);
  assertLessOrEqual(largestDifference(logits[logits.length - 1], last), 1e-3);
});

Deno.test("the reference protects the first token of every pass, so that generated tokens stay as they are", async () => {
  using model = await loadModel("fixture:llama");
  const bytes = async (firstTokensOf: "sequence" | "pass") => {
    using quantized = await variant(model, { bits: 2, firstTokensOf });
    const { cache } = await decodeSteps(quantized, 40);
    return cache.byteLength;
  };
  const { layers, kvHeads, headDim } = model.architecture;
  const width = kvHeads * headDim;
  // 8 generated tokens: keys and values of all layers in float16 instead of 2 bits with ranges and outliers.
  const most = 8 * layers * 2 * (2 * width - width / 4);
  const difference = await bytes("pass") - await bytes("sequence");
  assert(difference > 0.8 * most && difference <= most, `${difference} of ${most} bytes`);
});

Deno.test("calibrated: measured bits, Fisher weights and Q-norm change the codebooks, the same call gives the same model", async () => {
  using model = await loadModel("fixture:llama");
  const run = async (options: KvQuantOptions) => {
    using quantized = await quantize(model, { kv: kvquant(options) }, { calibration });
    return await quantized.logits(ids);
  };
  const base = await run({ bits: 2 });
  assertEquals(largestDifference(base, await run({ bits: 2 })), 0);
  for (const options of [{ weighting: "none" }, { qNorm: true }, { keys: "afterRotary" }] as const) {
    assert(largestDifference(base, await run({ bits: 2, ...options })) > 1e-3, JSON.stringify(options));
  }
  using quantized = await quantize(model, { kv: kvquant({ bits: 3 }) }, { calibration });
  const { cache } = await decodeSteps(quantized, 40);
  const { layers, kvHeads, headDim } = model.architecture;
  const perValue = 8 * cache.byteLength / (2 * layers * kvHeads * headDim * ids.length);
  assert(perValue > 3 && perValue < 5, `${perValue} bits per value`);
});

Deno.test("wrong options are refused by name, value and what is accepted", async () => {
  for (
    const options of [
      { bits: 9 },
      { bits: 2.5 },
      { sparsity: -0.1 },
      { sparsity: NaN },
      { firstTokens: -1 },
      { samples: 0 },
      { prefill: "none" },
      { keys: "rotated" },
      { storage: "float64" },
      { colour: 1 },
    ]
  ) {
    const error = assertThrows(() => kvquant(options as unknown as KvQuantOptions), SchemeError);
    assert(error.message.includes("expected"), error.message);
  }
  using model = await loadModel("fixture:llama");
  await assertRejects(() => quantize(model, { kv: kvquant({}) }), SchemeError, "calibration");
  await assertRejects(
    () => quantize(model, { kv: kvquant({ firstTokens: 64, nonUniform: false }) }, { calibration }),
    SchemeError,
    "after the first 64",
  );
});
