/** OBQ's and OBS's original class on the fixture models. */
import { checkGolden } from "./golden_testing.ts";

/** The README of the group: 6e-5 under float32-sized noise for OBQ with 3 bits in all attention, 5e-7 for patterns; three times that, and of near ties. */
const bound = (id: string) => id.startsWith("obs") ? 1e-4 : 2e-4;
const covers = (id: string, method: string) =>
  (method === "obq" || method === "obs") && id.endsWith("-l0attn");

/** A minute each: the plain run compares one, beside the vectors of `quant/methods/obq_test.ts`. */
const quick: Readonly<Record<string, readonly string[]>> = {
  llama: ["obs-2:4-l0attn"],
  "llama-outlier": [],
  opt: [],
};

for (const [model, ids] of Object.entries(quick)) {
  const ignore = ids.length === 0 && Deno.env.get("QUANTBOOK_ORACLE") === undefined;
  Deno.test({ name: `OBQ and OBS on ${model}: the original class's perplexity`, ignore }, async (t) => {
    await checkGolden(t, "sparse-obq", model, { covers, bound, quick: ids });
  });
}
