/** FPTQ against an independent implementation. */
import { checkGolden } from "./golden_testing.ts";

/** Rounded activations move a perplexity by whole steps where a sum's last bit differs. */
const bound = (id: string) => /a16/.test(id) ? 1e-4 : 3e-3;

const quick: Readonly<Record<string, readonly string[]>> = {
  llama: [],
  "llama-outlier": ["fptq-lae-a16"],
};

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(`FPTQ: perplexities of an independent implementation on ${model}`, async (t) => {
    await checkGolden(t, "rotation-w4a8", model, {
      covers: (_, method) => method === "fptq",
      bound,
      quick: ids,
    });
  });
}
