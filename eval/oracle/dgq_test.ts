/** DGQ against its original code. */
import { decodeBf16, encodeBf16 } from "../../model/files/dtype.ts";
import { checkGolden } from "./golden_testing.ts";

/** Float activations: the README's 1e-4. With int8 beside them, codes fall to the other side of a tie; bfloat16 is good to half a percent (README). */
const bound = (id: string) => /bf16/.test(id) ? 5e-3 : /a16/.test(id) ? 1e-4 : 3e-3;

const bfloat16 = (value: number) => decodeBf16(encodeBf16(Float32Array.of(value)))[0];

/**
 * The model of such a row is bfloat16, ours the same settings in float32. But PyTorch takes the mean of 511 losses in bfloat16 too: it divides
 * their sum by 512, as 511 is no such number, and rounds the result to steps of 1/64. (That is 0.5% of a perplexity, in a twin in PyTorch as here.)
 */
const loss = (id: string) =>
  /bf16/.test(id)
    ? (value: number, tokens: number) => bfloat16(value * tokens / bfloat16(tokens))
    : undefined;

const quick: Readonly<Record<string, readonly string[]>> = {
  llama: ["dgq-naive-g64-a16"],
  "llama-outlier": ["dgq-search-g64-single-a16"],
  opt: [],
};

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(`DGQ: perplexities of the original code on ${model}`, async (t) => {
    await checkGolden(t, "rotation-w4a8", model, {
      covers: (_, method) => method === "dgq",
      bound,
      loss,
      quick: ids,
    });
  });
}
