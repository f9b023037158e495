/** Distillation against the original code (DeepSpeed's quantizers, transformers' AdamW): loss curves and perplexities. */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { isCompared } from "./check_testing.ts";
import { onSoftwareGpu } from "../../kernels/conformance/software_gpu.ts";
import { loadModel } from "../../model/load.ts";
import { type Distill, distillModel } from "../../quant/methods/distill.ts";
import { distillLayer } from "../../quant/methods/distill/layer.ts";
import { layerInputs } from "../../quant/calibration/layer_inputs.ts";
import { quantize } from "../../quant/quantize.ts";
import { distillRuns, distillScheme } from "./schemes/distill.ts";
import { compareWithOracle, oracle, oracleWindows } from "../oracle.ts";
import { perplexity } from "../metrics/perplexity.ts";

const all = isCompared("distill", []);

/** Losses that the original code recorded; NaN is stored as a string. */
async function recordedLosses(model: string, id: string): Promise<number[]> {
  const { loss } = (await oracle(model, id)).extra;
  return (loss as (number | string)[]).map(Number);
}

function transformOf(id: string): Distill {
  const run = distillRuns().get(id);
  if (run === undefined) throw new Error(`no run ${id}`);
  return distillScheme(run).transforms?.[0] as unknown as Distill;
}

for (
  const [model, id, steps, bound] of [
    // Nothing is rounded on the fly: the curves agree to float32.
    ["llama", "zq-lkd-w4-8a16-lr1e-4-s50", 3, 2e-6],
    // Activations that land beside a rounding boundary flip codes, and steps of 1e-4 carry that on.
    ["llama-outlier", "zq-lkd-w4-8a8-lr5e-6-s50-causal", 2, 2e-3],
  ] as const
) {
  const title = `${model}: the first losses are the original code's (${id})`;
  Deno.test(title, { ignore: onSoftwareGpu }, async () => {
    using float = await loadModel(`fixture:${model}`);
    const scheme = { ...transformOf(id), steps };
    const windows = (await oracleWindows("calib")).slice(0, 4 * steps);
    const inputs = await layerInputs(float, windows);
    const { losses } = await distillLayer(float, 3, inputs[3], scheme);
    const expected = await recordedLosses(model, id);
    for (const [step, loss] of losses.entries()) {
      const relative = Math.abs(loss / expected[step] - 1);
      assertLessOrEqual(relative, bound, `step ${step}: ${loss}, original ${expected[step]}`);
    }
  });
}

for (const model of ["llama", "llama-outlier"]) {
  for (const [id, run] of distillRuns()) {
    Deno.test({
      name: `${model}: 50 steps give the original code's loss curve and perplexity (${id})`,
      ignore: !all,
      async fn() {
        const expected = await oracle(model, id);
        // The outlier model at W4A4 is NaN in the reference: nothing to compare.
        if (expected.ppl === null || !Number.isFinite(Number(expected.ppl))) return;
        using float = await loadModel(`fixture:${model}`);
        const calibration = await oracleWindows("calib");
        const scheme = distillScheme(run);
        const { model: changed, losses } = await distillModel(float, transformOf(id), calibration);
        using trained = changed;
        const ours = losses.get(3) ?? [], theirs = await recordedLosses(model, id);
        assertEquals(ours.length, theirs.length);
        const worst = Math.max(...ours.map((loss, i) => Math.abs(loss / theirs[i] - 1)));
        // Training is chaotic: noise of 1e-7 in our own hidden states moves losses by up to 7e-3 within 50 steps at rate
        // 1e-4 (W4/8A16), where AdamW takes full steps on gradients near zero and weights sit beside rounding boundaries.
        assertLessOrEqual(worst, 2e-2, `loss curve: ${worst}`);
        const { weights, activations } = scheme;
        using quantized = await quantize(trained, { weights, activations });
        const measured = await perplexity(quantized, await oracleWindows("test"));
        const { agrees, relative } = compareWithOracle(measured, expected, 5e-3);
        assert(agrees, `${model} ${id}: ${measured.value}, original ${expected.ppl}, relative ${relative}`);
      },
    });
  }
}
