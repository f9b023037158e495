/** GPTAQ's repository on the fixture models: its GPTAQ, its GPTQ, its rotation. */
import { checkGolden } from "./golden_testing.ts";
import { goldenResults } from "./golden.ts";

/** Rows of the other repositories of the group. */
const own = async (model: string) => {
  const results = (await goldenResults("sparse-obq", model)).values();
  return new Set(results.filter(({ config }) => config.asym_calibrate !== undefined).map(({ id }) => id));
};

/**
 * One rounding that a sum in float64 flips changes all after it: the README of the group has up to 5e-3 measured, and tests "sequential 3-bit
 * quantisation only to 1 %". Of 4-bit activations it says nothing: what was measured. The rotated float model 1e-5.
 */
const bound = (id: string) => id === "rot-fp" ? 1e-5 : id.includes("w4a4") ? 5e-3 : 1e-2;

const quick: Readonly<Record<string, readonly string[]>> = {
  llama: ["gptaq-w3-g32-n8", "rot-fp"],
  "llama-outlier": ["gptaq-w3-act-n8"],
  opt: ["gptaq-w3-n8"],
};

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(`gptaq on ${model}: the original code's perplexity`, async (t) => {
    const covered = await own(model);
    await checkGolden(t, "sparse-obq", model, { covers: (id) => covered.has(id), bound, quick: ids });
  });
}
