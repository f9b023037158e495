/** AffineQuant against its original code: perplexities with the stored parameters, and trained here. */
import { checkGolden } from "./golden_testing.ts";
import { withWrittenOut } from "./written_out_testing.ts";

/** The group's README: 1e-2 with activations in 4 bits; 3e-3 where weights alone are rounded and something is learned. */
const bound = (id: string) => /a4/.test(id) ? 1e-2 : 3e-3;

const covers = (_: string, method: string) => method === "AffineQuant";

for (
  const [model, source, quick] of [
    ["llama-mha", "llama", ["affine-w4a4"]],
    ["llama-outlier-mha", "llama-outlier", []],
  ] as const
) {
  Deno.test(`affine on ${source} with its heads written out: the original code's perplexity`, async (t) => {
    await withWrittenOut(source, async (float) => {
      await checkGolden(t, "learned", model, { covers, bound, quick, float });
    });
  });
}

Deno.test("affine on opt: the original code's perplexity", async (t) => {
  await checkGolden(t, "learned", "opt", { covers, bound, quick: [] });
});
