import {
  assert,
  assertEquals,
  assertLess,
  assertLessOrEqual,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { divergence } from "../../eval/metrics/divergence.ts";
import { oracleWindows } from "../../eval/oracle.ts";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { kivi, type KiviOptions } from "./kivi.ts";
import { quantize } from "../quantize.ts";
import { rtn } from "./rtn.ts";
import { parseScheme } from "../scheme.ts";
import { SchemeError } from "../error.ts";

const [window] = await oracleWindows("test");

async function logitsOf(model: Model, options: KiviOptions, ids: Int32Array): Promise<Float32Array> {
  using quantized = await quantize(model, { kv: kivi(options) });
  return await quantized.logits(ids);
}

Deno.test("a scheme survives JSON with all its defaults", () => {
  const scheme = { kv: kivi({ keyBits: 4, groupSize: 16 }) };
  assertEquals(parseScheme(JSON.parse(JSON.stringify(scheme))), scheme);
  assertEquals(scheme.kv, {
    method: "kivi",
    keyBits: 4,
    valueBits: 2,
    groupSize: 16,
    residualLength: 128,
    prefill: "quantized",
    keyAxis: "channel",
    precision: "float16",
    execution: "packed",
  });
});

Deno.test("options that make no sense are refused, by name", () => {
  const wrong: [unknown, string][] = [
    [{ bits: 0 }, "keyBits is 0"],
    [{ bits: 9 }, "keyBits is 9"],
    [{ keyBits: 2.5 }, "keyBits is 2.5"],
    [{ valueBits: "2" }, "valueBits is"],
    [{ groupSize: 0 }, "groupSize is 0"],
    [{ groupSize: 32, residualLength: 100 }, "residualLength is 100"],
    [{ prefill: "vanilla" }, "prefill is"],
    [{ keyAxis: "row" }, "keyAxis is"],
    [{ precision: "bfloat16" }, "precision is"],
    [{ execution: "fused" }, "execution is"],
    [{ group: 32 }, '"group"'],
  ];
  for (const [options, message] of wrong) {
    const error = assertThrows(() => kivi(options as KiviOptions), SchemeError, message);
    assertEquals(error.code, "option");
  }
});

Deno.test("a group size that does not divide a head is refused", async () => {
  using model = await loadModel("fixture:llama");
  const scheme = { kv: kivi({ groupSize: 48, residualLength: 96 }) };
  const error = await assertRejects(() => quantize(model, scheme), SchemeError, "48 does not divide 64");
  assertEquals(error.code, "shape");
});

Deno.test("prompts shorter than the residual, groups of one value, and a full prompt change nothing", async () => {
  using model = await loadModel("fixture:llama");
  const ids = window.slice(0, 160);
  const float = await model.logits(ids);
  // A group of one value is its own minimum; in float32 nothing is rounded away.
  const single = { groupSize: 1, residualLength: 32, precision: "float32" } as const;
  assertEquals(await logitsOf(model, single, ids), float);
  assertEquals(await logitsOf(model, { residualLength: 192, precision: "float32" }, ids), float);
  assertEquals(await logitsOf(model, { prefill: "full" }, ids), float);
});

Deno.test("a prompt's quantized keys and values do change it, less with more bits", async () => {
  using model = await loadModel("fixture:llama");
  const windows = [window.slice(0, 256)];
  const kl: number[] = [];
  for (const bits of [2, 3, 4, 6, 8]) {
    using quantized = await quantize(model, { kv: kivi({ bits }) });
    kl.push((await divergence(quantized, model, windows)).value);
  }
  for (let i = 1; i < kl.length; i++) assertLess(kl[i], kl[i - 1] / 2);
  assert(kl[0] > 1e-3 && kl[kl.length - 1] > 0);
});

for (const bits of [4, 2]) {
  Deno.test(`${bits} bits: decoding over packed codes gives the logits of the simulated cache, 200 tokens`, async () => {
    using model = await loadModel("fixture:llama");
    const settings = { bits, precision: "float32" } as const;
    using packed = await quantize(model, { kv: kivi({ ...settings, execution: "packed" }) });
    using simulated = await quantize(model, { kv: kivi({ ...settings, execution: "simulated" }) });
    using a = packed.createCache(400);
    using b = simulated.createCache(400);
    assert(a !== null && b !== null);
    await packed.step(window.slice(0, 200), a);
    await simulated.step(window.slice(0, 200), b);
    for (let t = 200; t < 400; t++) {
      const ids = window.slice(t, t + 1);
      const found = await packed.step(ids, a), expected = await simulated.step(ids, b);
      // Sums of up to 400 float32 products err by about sqrt(400) = 20 units of their largest term, for scores and for
      // values, and norms and projections pass that on: 64 units in each of the four layers. No code may differ: one
      // step of a 2-bit key changes logits by more than a thousand times that.
      const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      const bound = 4 * 64 * 2 ** -24 * largest;
      found.forEach((x, i) => assertLessOrEqual(Math.abs(x - expected[i]), bound, `token ${t}, logit ${i}`));
    }
    assertEquals(a.byteLength, b.byteLength);
  });
}

Deno.test("quantized attention operands work together with the cache", async () => {
  using model = await loadModel("fixture:llama");
  const eight = rtn({ bits: 8, granularity: "token" });
  using quantized = await quantize(model, { query: eight, scores: eight, kv: kivi({ bits: 4 }) });
  using cache = quantized.createCache(140);
  assert(cache !== null);
  await quantized.step(window.slice(0, 136), cache);
  const logits = await quantized.step(window.slice(136, 137), cache);
  assert(logits.every(Number.isFinite));
  using alone = await quantize(model, { kv: kivi({ bits: 4 }) });
  using other = alone.createCache(140);
  assert(other !== null);
  await alone.step(window.slice(0, 136), other);
  assert((await alone.step(window.slice(136, 137), other)).some((x, i) => x !== logits[i]));
});
