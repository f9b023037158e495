/** OmniQuant against its original code: perplexities, untrained, with the stored parameters, and trained here. */
import { checkGolden } from "./golden_testing.ts";
import { withWrittenOut } from "./written_out_testing.ts";

/**
 * The group's README: 1e-5 where only weights are rounded and nothing is learned; 1e-3 with what was learned given, whose zero points stand
 * half-way between codes in rows with equal logits and extremes; 3e-3 where it is learned here, since a step is the sign of a gradient; 1e-2
 * where activations have 4 bits, whose ties fall either way; 1e-3 with 6 and 8 bits.
 */
function bound(id: string): number {
  if (/a4/.test(id)) return 1e-2;
  if (/a6|a8/.test(id) || /^omni-lwc-w3$/.test(id)) return 1e-3;
  return /rtn|Init|lr0/.test(id) ? 1e-5 : 3e-3;
}

const covers = (_: string, method: string) => method === "OmniQuant";

/** Trained on a block that is not OPT's, and not stored: no scheme is. Heads that are shared stop the original. */
const refused = [
  "omni-letlwc-w4a4-untied",
  "omni-letlwc-w4a4",
  "omni-letlwc-w3",
  "omni-let-w4a4",
  "omni-letlwc-w6a6",
];

for (
  const [model, quick] of [
    ["llama", ["omni-lwc-w3"]],
    ["llama-outlier", ["omni-letlwc-w4a4"]],
    ["opt", ["omni-letlwc-w4a4-optFix"]],
  ] as const
) {
  Deno.test(`omniquant on ${model}: the original code's perplexity`, async (t) => {
    await checkGolden(t, "learned", model, { covers, bound, quick, refused: model === "opt" ? refused : [] });
  });
}

Deno.test("omniquant on llama with its heads written out: the original code's perplexity", async (t) => {
  await withWrittenOut("llama", async (float) => {
    await checkGolden(t, "learned", "llama-mha", { covers, bound, quick: ["omni-rtn-w4a4"], float });
  });
});
