/** OBQ's and OBS's original class on the fixture models. */
import { checkGolden } from "./golden_testing.ts";

/** The README of the group: 6e-5 under float32-sized noise for OBQ with 3 bits in all attention, 5e-7 for patterns; three times that, and of near ties. */
const bound = (id: string) => id.startsWith("obs") ? 1e-4 : 2e-4;
const covers = (id: string, method: string) =>
  (method === "obq" || method === "obs") && id.endsWith("-l0attn");

const quick: Readonly<Record<string, readonly string[]>> = {
  llama: ["obs-2:4-l0attn", "obq-w3-l0attn"],
  "llama-outlier": ["obq-w3-l0attn"],
  opt: ["obq-w3-l0attn"],
};

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(`OBQ and OBS on ${model}: the original class's perplexity`, async (t) => {
    await checkGolden(t, "sparse-obq", model, { covers, bound, quick: ids });
  });
}
