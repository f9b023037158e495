/** LLM-FP4 against its original code. */
import { checkGolden } from "./golden_testing.ts";

/**
 * A search that decides between near ties by sums in float32 takes another candidate where their last bits differ, and a rounded activation
 * moves a perplexity by whole steps (README of the group, `noise`): where no search is, 3e-3 as for CrossQuant.
 */
const bound = (id: string) => id.startsWith("minmax") ? 3e-3 : 1e-2;

/** A search of all layers takes a minute and more: those run with `QUANTBOOK_ORACLE=all`, and the method's own test has whole searches of one. */
const quick: Readonly<Record<string, readonly string[]>> = {
  llama: ["minmax.w4a8e4"],
  "llama-outlier": [],
  opt: ["minmax.w4a4.linears"],
};

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(`LLM-FP4: perplexities of the original code on ${model}`, async (t) => {
    await checkGolden(t, "formats", model, {
      covers: (_, method) => method === "llm-fp4",
      bound,
      quick: ids,
    });
  });
}
