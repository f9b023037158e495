/** QRazor against the original code, in both of its versions, on every configuration that was run. */
import { checkAgainstOracle } from "./oracle_check.ts";
import { qrazorSchemes } from "./qrazor_reference.ts";

const quick = {
  "llama": ["head-qrazor-w4a4-g8", "june-qrazor-w4a4kv4-g128", "june-qrazor-gptq-w4-g32-act"],
  "llama-outlier": ["head-qrazor-w4a8-g16", "june-qrazor-w4a8-token-g32"],
  "opt": ["head-qrazor-w4a4kv4-g16"],
};

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(`${model}: QRazor gives the original code's perplexities`, async (t) => {
    await checkAgainstOracle(t, model, qrazorSchemes(), { tolerance: 5e-3, quick: ids });
  });
}
