/** GPTAQ's repository on the fixture models: its GPTAQ, its GPTQ, its rotation. */
import { checkGolden } from "./golden_testing.ts";
import { goldenResults } from "./golden.ts";

/** Rows of the other repositories of the group. */
const own = async (model: string) => {
  const results = (await goldenResults("sparse-obq", model)).values();
  return new Set(results.filter(({ config }) => config.asym_calibrate !== undefined).map(({ id }) => id));
};

/** Float64 sums move GPTQ and GPTAQ at 3 bits by 1e-3 to 5e-3 (the README of the group), the rotated float model by 1e-5. */
const bound = (id: string) => id === "rot-fp" ? 1e-5 : 5e-3;

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
