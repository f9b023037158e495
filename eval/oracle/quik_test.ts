/** QUIK's original code on the fixture models. */
import ties from "../../fixtures/expected/methods2/rotation-w4a8/quik-ties.json" with { type: "json" };
import type { InputSite } from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import { activationMaxima } from "../../quant/calibration/activation_maxima.ts";
import type { CalibrationMemory } from "../../quant/method.ts";
import { oracleWindows } from "../oracle.ts";
import { checkGolden } from "./golden_testing.ts";

/** 4-bit activations amplify the last bit of a sum, and GPTQ's sums are float32 there (the README of the group). */
const bound = () => 3e-3;

const covers = (_: string, method: string) => method === "quik";

/**
 * Heads that share keys and values give a window's first token the same output, so that channels of two heads reach the same largest
 * magnitude. Which of them the original takes first is up to its unstable sort; it moves a perplexity by up to 1%. So columns go in its order.
 */
async function originalOrder(
  model: Model,
  orders: Readonly<Record<string, readonly number[]>>,
): Promise<CalibrationMemory> {
  const sites: InputSite[] = ["attention", "output", "mlp", "down"];
  const maxima = await activationMaxima(model, await oracleWindows("calib"), sites);
  for (const [site, order] of Object.entries(orders)) {
    const ranks = new Float32Array(order.length);
    for (const [rank, column] of order.entries()) ranks[column] = rank + 1;
    maxima.set(site, ranks);
  }
  return { get: (key) => key.startsWith("site maxima") ? maxima : undefined, set() {} };
}

Deno.test("quik on llama: the original code's perplexity", async (t) => {
  const memory = (model: Model) => originalOrder(model, ties.llama);
  await checkGolden(t, "rotation-w4a8", "llama", { covers, bound, memory, quick: ["quik-w16a4-out16"] });
});

Deno.test("quik on llama with planted outliers: the original code's perplexity", async (t) => {
  const memory = (model: Model) => originalOrder(model, ties["llama-outlier"]);
  const quick = ["quik-w16a4-out16", "quik-w4a4-out16-asym"];
  await checkGolden(t, "rotation-w4a8", "llama-outlier", { covers, bound, memory, quick });
});
