/** The proof: says better of what is better, and of nothing else. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { rtn } from "../../quant/methods/rtn.ts";
import { loadModel } from "../../quant/published/load.ts";
import { quantize } from "../../quant/quantize.ts";
import { corpus } from "../corpus.ts";
import { perplexity } from "../metrics/perplexity.ts";
import { pairedDifference } from "../metrics/paired.ts";
import { AdvisorError } from "./error.ts";
import { prove, requireUnseen } from "./proof.ts";

Deno.test("better is what is nearer to the float model: not the reverse, not the same, and not one window's luck", async () => {
  using model = await loadModel("fixture:llama");
  using fine = await quantize(model, { weights: rtn({ bits: 4, groupSize: 64 }) });
  using coarse = await quantize(model, { weights: rtn({ bits: 2, groupSize: 64 }) });
  const windows = await corpus("sotu", { windows: 6, length: 32 });
  const forth = await prove(model, fine, coarse, windows), back = await prove(model, coarse, fine, windows);
  assertEquals([forth.better, back.better], [true, false]);
  assertEquals(forth.divergence.value, -back.divergence.value);
  assertEquals([forth.windows, forth.tokens], [6, 192]);
  const [low, high] = forth.divergence.interval;
  assert(low < forth.divergence.value && forth.divergence.value < high && high < 0);
  // The test of perplexities that the suite has.
  const { t, pValue } = pairedDifference(await perplexity(fine, windows), await perplexity(coarse, windows));
  assertEquals([forth.perplexity.t, forth.perplexity.pValue], [t, pValue]);
  const same = await prove(model, fine, fine, windows);
  assertEquals([same.better, same.divergence.value, same.divergence.pValue], [false, 0, 1]);
});

Deno.test("32 tokens in a row that were seen are found wherever they stand; fewer are not", () => {
  const seen = [
    Int32Array.from({ length: 100 }, (_, i) => i),
    Int32Array.from({ length: 50 }, (_, i) => 1000 + i),
  ];
  const sharing = (length: number) => [
    Int32Array.from({ length: 60 }, (_, i) => 5000 + i),
    Int32Array.from({ length: 60 }, (_, i) => i >= 7 && i < 7 + length ? 1000 + i : 9000 + i),
  ];
  requireUnseen(sharing(31), seen);
  assertThrows(
    () => requireUnseen(sharing(32), seen),
    AdvisorError,
    "proof[1] has tokens 7 to 38 from the text",
  );
});
