/** SVDQuant's original functions on the fixture models. */
import { checkGolden } from "./golden_testing.ts";

/**
 * 4-bit activations amplify the last bit of a sum (QUIK's bound), and what is decomposed next depends on what was rounded: errors of the iterations are
 * the original's to seven digits in the first layer, until one falls to the other side of a tie (`svd-r16-g32`: 33.4943, here 33.5075).
 */
const bound = () => 3e-3;
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
