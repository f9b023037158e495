/** Magnitude, Wanda and SparseGPT against the runs of their code. */
import { checkGolden } from "./golden_testing.ts";

const quick: Readonly<Record<string, readonly string[]>> = {
  llama: ["wanda-50-variant", "sgpt-2:4"],
  "llama-outlier": ["mag-50"],
  opt: ["wanda-50"],
};

/** The original takes 2 of 4 equal magnitudes by no order of index (333 of 589,824 groups of `llama` are such): README of the group. */
const tied = /^mag-\d+:\d+$/;
/** Rounding in the same pass is as chaotic as GPTQ's: one rounding that flips changes everything after it, "only to 1 %" (README). */
const rounded = /-w\d$/;

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(`pruning: the original code's perplexities on ${model}`, async (t) => {
    await checkGolden(t, "sparse-obq", model, {
      covers: (_, method) => ["sparsegpt", "wanda", "magnitude"].includes(method),
      bound: (id) => rounded.test(id) ? 1e-2 : tied.test(id) ? 5e-4 : 1e-5,
      quick: ids,
    });
  });
}
