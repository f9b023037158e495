/** HQQ against the runs of its code. */
import { checkGolden } from "./golden_testing.ts";

const quick: Readonly<Record<string, readonly string[]>> = {
  llama: ["hqq.b3.g16", "hqq.b2.g64.axis0", "hqq.b4.g64.meta16"],
  "llama-outlier": ["hqq.b4.row", "hqq.b3.g64.noopt-round"],
  opt: ["hqq.b2.g32"],
};

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(`HQQ: the original code's perplexities on ${model}`, async (t) => {
    await checkGolden(t, "formats", model, {
      covers: (_, method) => method === "hqq",
      bound: () => 1e-4,
      quick: ids,
    });
  });
}
