/** SVDQuant's original functions on the fixture models. */
import { checkGolden } from "./golden_testing.ts";

/** Three times what the README of the group measured under float32-sized noise (0.02%, of r16-s5); the first 2 decimals of it. */
const bound = () => 6e-4;
const covers = (_: string, method: string) => method === "SVDQuant";

const quick: Readonly<Record<string, readonly string[]>> = {
  llama: ["svd-r0", "svd-r0-w3a8", "svd-r16-i1"],
  "llama-outlier": ["svd-r0", "svd-r0-s5"],
  opt: ["svd-r0"],
};

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(`SVDQuant on ${model}: the original functions' perplexity`, async (t) => {
    await checkGolden(t, "mixed-lowrank-mamba", model, { covers, bound, quick: ids });
  });
}
