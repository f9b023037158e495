import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import vectors from "../../fixtures/expected/methods2/rotation-w4a8/fptq.json" with { type: "json" };
import { defaultDevice } from "../../kernels/default.ts";
import { loadModel } from "../../model/load.ts";
import { activationMaxima } from "../calibration/activation_maxima.ts";
import { quantize } from "../quantize.ts";
import { fptq, fptqMethod, logarithmicFactors } from "./fptq.ts";

const ids = Int32Array.from({ length: 64 }, (_, i) => (i * 53 + 7) % 700);

Deno.test("factors are those of an independent implementation, and an equalized channel reaches log2(2 + a)", () => {
  const { absmax, s, equalised } = vectors["fptq.lae"];
  for (const [j, factor] of logarithmicFactors(Float32Array.from(absmax)).entries()) {
    assertAlmostEquals(factor, s[j], 1e-6 * s[j], `a = ${absmax[j]}`);
    if (absmax[j] > 0) assertAlmostEquals(absmax[j] / factor, equalised[j], 1e-5);
  }
});

Deno.test("ranges found anew for each token round as an independent implementation's", async () => {
  const { x, perToken } = vectors["w4a8.activation"], device = await defaultDevice();
  using buffer = device.upload(Float32Array.from(x.flat()));
  await fptqMethod.operand.apply(device, buffer, { rows: 4, columns: 4, heads: 1 }, fptq());
  for (const [i, value] of (await device.read(buffer)).entries()) {
    assertAlmostEquals(value, perToken.flat()[i], 1e-5);
  }
});

Deno.test("equalization keeps the function, between its thresholds only", async () => {
  using model = await loadModel("fixture:llama-outlier");
  using equalized = await quantize(model, { transforms: [fptq()] }, { calibration: [ids] });
  const [a, b] = [await model.logits(ids), await equalized.logits(ids)];
  const size = Math.sqrt(a.reduce((sum, value) => sum + value * value, 0) / a.length);
  assert(a.every((value, i) => Math.abs(value - b[i]) < 1e-4 * size));
  const sites = ["attention", "mlp", "down"] as const;
  const before = await activationMaxima(model, [ids], sites),
    after = await activationMaxima(equalized, [ids], sites);
  const reach = (maxima: Float32Array | undefined) => Math.max(...maxima ?? []);
  let changed = 0;
  for (const [key, maxima] of before) {
    const v = reach(maxima), between = v > 15 && v < 150 && !key.endsWith("down");
    // The largest channel is the largest afterwards too.
    const expected = between ? Math.log2(2 + v) : v;
    assertAlmostEquals(reach(after.get(key)), expected, 1e-3 * expected, key);
    if (between) changed++;
  }
  assert(changed > 0 && changed < before.size, `${changed} of ${before.size} sites were equalized`);
});

Deno.test("fixed ranges clamp what the calibration text did not reach", async () => {
  using model = await loadModel("fixture:llama");
  const own = { activations: fptq({ ranges: "static" }) };
  using wide = await quantize(model, own, { calibration: [ids] });
  using narrow = await quantize(model, own, { calibration: [ids.slice(0, 2)] });
  const [a, b] = [await wide.logits(ids), await narrow.logits(ids)];
  assert(a.some((value, i) => value !== b[i]));
  using token = await quantize(model, { activations: fptq({ ranges: "token" }) });
  assertEquals((await token.logits(ids)).every(Number.isFinite), true);
  await assertRejects(() => quantize(model, own), Error, "fptq needs calibration windows");
  await assertRejects(
    async () => {
      using headed = await quantize(model, { head: { activations: fptq() } }, { calibration: [ids] });
      await headed.logits(ids);
    },
    Error,
    "fptq has no calibrated range of head",
  );
});
