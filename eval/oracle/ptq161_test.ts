/** PTQ1.61's original code on the fixture models, without training. */
import { checkGolden } from "./golden_testing.ts";

/** Three times what the README of the group measured under float32-sized noise (0.1%: signs near a mean turn). */
const bound = () => 3e-3;
const covers = (id: string, method: string) => method === "PTQ1.61" && id.endsWith("-e0");

const quick: Readonly<Record<string, readonly string[]>> = {
  llama: ["ptq161-mix-e0"],
  "llama-outlier": ["ptq161-mix-w2-e0"],
  opt: ["ptq161-low-e0"],
};

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(`PTQ1.61 on ${model}: the original code's perplexity`, async (t) => {
    await checkGolden(t, "mixed-lowrank-mamba", model, { covers, bound, quick: ids });
  });
}
