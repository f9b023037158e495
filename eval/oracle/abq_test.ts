/** ABQ-LLM against its original code: perplexities, untrained, with the stored parameters, and trained here. */
import { checkGolden } from "./golden_testing.ts";

/** The group's README: 1e-5 untrained with weights alone, 1e-2 with activations in 4 bits, 3e-3 (3 times what 8 bits may take) otherwise. */
function bound(id: string): number {
  if (/a4/.test(id)) return 1e-2;
  return /rtn/.test(id) ? 1e-5 : 3e-3;
}

const covers = (_: string, method: string) => method === "ABQ-LLM";

for (
  const [model, quick, refused] of [
    ["llama", ["abq-rtn-w2"], []],
    ["llama-outlier", ["abq-rtn-w2"], []],
    // Trained on a block that is not OPT's.
    ["opt", ["abq-rtn-w2"], ["abq-w4a4"]],
  ] as const
) {
  Deno.test(`abq on ${model}: the original code's perplexity`, async (t) => {
    await checkGolden(t, "learned", model, { covers, bound, quick, refused });
  });
}
