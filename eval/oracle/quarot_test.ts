/** QuaRot's original code on the fixture models. */
import { checkGolden } from "./golden_testing.ts";

/** A16 rows 1e-4, 3e-3 where activations or caches have 4 bits or GPTQ sums in float32 (the README of the group); A8 in between. */
function bound(id: string): number {
  return /a4|gptq|kv/.test(id) ? 3e-3 : /a8/.test(id) ? 1e-3 : 1e-4;
}

const covers = (_: string, method: string) => method === "quarot";

Deno.test("quarot on llama: the original code's perplexity", async (t) => {
  await checkGolden(t, "rotation-w4a8", "llama", {
    covers,
    bound,
    quick: ["quarot-rotate-fp", "quarot-w4a16-rtn", "quarot-w4a4kv4-rtn"],
  });
});

Deno.test("quarot on llama with planted outliers: the original code's perplexity", async (t) => {
  await checkGolden(t, "rotation-w4a8", "llama-outlier", { covers, bound, quick: ["quarot-w4a4-rtn"] });
});

Deno.test("quarot on opt: the original functions' perplexity", async (t) => {
  await checkGolden(t, "rotation-w4a8", "opt", {
    covers,
    bound,
    quick: ["quarot-rotate-online-vbias", "quarot-w4a8-rtn"],
    refused: ["quarot-rotate-ascoded", "quarot-rotate-online"],
  });
});
