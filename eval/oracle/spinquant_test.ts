/** SpinQuant's original code on the fixture models: its evaluation with drawn and learnt rotations, and its learning. */
import { checkGolden } from "./golden_testing.ts";

/** W16 rows 1e-4, 3e-3 where activations have 4 bits or GPTQ sums in float32; 8-bit activations in between. */
function bound(id: string): number {
  return /a4|gptq/.test(id) ? 3e-3 : /a8/.test(id) ? 1e-3 : 1e-4;
}

const covers = (_: string, method: string) => method === "spinquant";

Deno.test("spinquant on llama: the original code's perplexity", async (t) => {
  await checkGolden(t, "rotation-w4a8", "llama", {
    covers,
    bound,
    quick: ["spin-fp-learned", "spin-w4a8-g32-rtn-R0", "spin-w4a16-rtn-wasym-R0"],
  });
});

Deno.test("spinquant on llama with planted outliers: the original code's perplexity", async (t) => {
  await checkGolden(t, "rotation-w4a8", "llama-outlier", {
    covers,
    bound,
    quick: ["spin-w16a4kv4-learned"],
  });
});
