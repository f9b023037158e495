/** CrossQuant against an independent implementation in float64. */
import { checkGolden } from "./golden_testing.ts";

/** A rounded activation moves a perplexity by whole steps where a sum's last bit differs (README of the group, `noise`). */
const bound = (id: string) => /a\d\.alpha/.test(id) ? 3e-3 : 1e-4;

const quick: Readonly<Record<string, readonly string[]>> = {
  llama: ["cross.w8a8.alpha0.15.folded", "cross.w4g128"],
  "llama-outlier": ["cross.w8a8.alpha0.15"],
  opt: ["cross.w4g128a4.alpha0.15"],
};

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(`CrossQuant: perplexities of an independent implementation on ${model}`, async (t) => {
    await checkGolden(t, "formats", model, {
      covers: (_, method) => method === "crossquant",
      bound,
      quick: ids,
    });
  });
}
