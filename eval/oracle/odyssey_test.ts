/** OdysseyLLM against an independent implementation. */
import { assert, assertLessOrEqual } from "@std/assert";
import { defaultDevice } from "../../kernels/default.ts";
import { loadModel } from "../../model/load.ts";
import { odysseyWeight } from "../../quant/methods/odyssey.ts";
import type { Odyssey } from "../../quant/methods/odyssey.ts";
import { learnClipping } from "../../quant/methods/odyssey/clipping.ts";
import { oracleWindows } from "../oracle.ts";
import { goldenResults, goldenRun, goldenTensors } from "./golden.ts";
import { checkGolden } from "./golden_testing.ts";
import { firstLayerProblems } from "./problems.ts";

/** Int8 activations move a perplexity by whole steps where a sum's last bit differs; compensated codes by near ties. */
const bound = (id: string) => /a16/.test(id) ? 1e-4 : 3e-3;

for (const model of ["llama", "llama-outlier"]) {
  Deno.test(`OdysseyLLM: perplexities of an independent implementation on ${model}`, async (t) => {
    const covers = (_: string, method: string) => method === "odyssey";
    await checkGolden(t, "rotation-w4a8", model, { covers, bound, quick: [] });
  });
}

Deno.test("OdysseyLLM: clipping and codes of an independent implementation in the first layer", async () => {
  const id = "odyssey-lwc-gptq", result = (await goldenResults("rotation-w4a8", "llama-outlier")).get(id);
  assert(result !== undefined);
  const tensors = await goldenTensors("rotation-w4a8", "llama-outlier"), device = await defaultDevice();
  const { scheme: { weights }, calibrationWindows } = goldenRun("rotation-w4a8", result),
    own = weights as Odyssey;
  using float = await loadModel("fixture:llama-outlier");
  const windows = (await oracleWindows("calib")).slice(0, calibrationWindows);
  for (const { role, weight, statistics } of await firstLayerProblems(float, windows)) {
    const part = (name: string) => tensors.get(`${id}.layers.0.${role}_proj.${name}`)?.data;
    const codes = part("codes") as Int8Array | undefined, scales = part("scale") as Float32Array;
    if (codes === undefined) continue;
    const found = await learnClipping(weight, statistics, own, device),
      logits = part("clipLogits") as Float32Array;
    const largest = (a: ArrayLike<number>, b: Float64Array) =>
      b.reduce((most, value, i) => Math.max(most, Math.abs(value - a[i])), 0);
    const share = (far: number) =>
      scales.filter((one, i) => Math.abs(found.scales[i] / one - 1) > far).length / scales.length;
    const gradient = part("clipGrad0") as Float32Array | undefined;
    if (gradient !== undefined) {
      const size = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      // Sums of products with moments in float32, some of which nearly cancel.
      assertLessOrEqual(largest(gradient, found.firstGradient), 1e-3 * size);
    }
    const { codes: all } = { codes: (await odysseyWeight(weight, statistics, own, device)).codes() };
    const other = codes.filter((code, i) => all[i] - 8 !== code).length / codes.length;
    console.log(
      `${role}: logits ${largest(logits, found.logits)}, scales ${
        share(1e-5)
      } beyond 1e-5, codes ${other} differ`,
    );
    // A step of Adam is as long for a gradient near 0 as for any: where float32 turns its sign, a row goes another way.
    assertLessOrEqual(share(1e-4), 0.02);
    assertLessOrEqual(other, 0.02);
  }
});
