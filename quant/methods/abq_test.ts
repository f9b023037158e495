/** ABQ-LLM: loss, steps, gradients and logits of the original code; what must be exact; what is refused. */
import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import stored from "../../fixtures/expected/methods2/learned/abq.json" with { type: "json" };
import { assertWithin, type TinyRun, withTiny } from "../../eval/oracle/tiny_testing.ts";
import { loadModel } from "../../model/load.ts";
import { SchemeError } from "../error.ts";
import { quantize } from "../quantize.ts";
import { bitsPerWeight, storedWeight } from "../weights/linear.ts";
import { abq, abqVariant } from "./abq.ts";
import { abqLoss } from "./abq/loss.ts";
import { checkTinyRun, contextOf } from "./learned_testing.ts";
import { learnBlocks, learnOmni, omniquant } from "./omniquant.ts";
import { RealZeroWeight } from "../weights/real_zero.ts";

Deno.test("abq: the loss and its gradients are the original code's", () => {
  const { attnFp, attnQuant, target, target2, quant, loss, gradQuant, gradAttnQuant } = stored.loss;
  const flat = (values: readonly unknown[]) => Float32Array.from(values.flat(3) as number[]);
  const found = abqLoss({ cosine: true, maps: true })({
    output: flat(quant),
    targets: [flat(target), flat(target2)],
    maps: [{ found: flat(attnQuant), target: flat(attnFp) }],
    columns: quant[0][0].length,
  });
  assertLess(Math.abs(found.loss / loss - 1), 1e-5);
  assertWithin(found.gradient, gradQuant, 1e-5, "gradient of the output");
  assertWithin(found.maps?.[0] ?? [], gradAttnQuant, 1e-5, "gradient of attention");
});

for (const run of stored.runs as unknown as readonly TinyRun[]) {
  Deno.test(`abq ${run.model} ${run.config.id}: losses, norms, gradients, steps and logits of the original code`, async () => {
    await checkTinyRun(run, "ABQ-LLM", abqVariant, abqLoss({ cosine: true, maps: true }));
  });
}

Deno.test("abq: without its own parts it is OmniQuant; five levels are balanced and take 3 bits", async () => {
  const options = { bits: 3, clipRate: 0.1, activationBits: 8, epochs: 1 } as const;
  // Without a gate there are no scales between up and down projection.
  await withTiny("opt", async (model, windows) => {
    const bare = abq({ ...options, compensation: "none", cosine: false, maps: false, augmented: false });
    const own = await learnBlocks(model, bare, contextOf(windows), abqVariant(model, bare));
    assertEquals(own, await learnOmni(model, omniquant(options), contextOf(windows)));
    const still = abq({ ...options, bits: 2, compensationRate: 0, clipRate: 0, equivalentRate: 0 });
    const start = abq({ ...still, epochs: 0 }), runs = [];
    for (const weights of [still, start]) {
      using made = await quantize(model, { weights }, { calibration: windows });
      runs.push(await made.logits(windows[0]));
    }
    assertEquals(runs[0], runs[1]);
  });
  using model = await loadModel("fixture:llama");
  using balanced = await quantize(model, { weights: abq({ bits: 2, epochs: 0, clip: false }) });
  const weight = storedWeight(balanced, 0, "q");
  assert(weight instanceof RealZeroWeight);
  assertEquals(new Set(weight.codes()), new Set([0, 1, 2, 3, 4]));
  // 3 bits of a code, and 64 for each row of 256.
  assertEquals(bitsPerWeight(weight), 3.25);
});

Deno.test("abq refuses bad options by name", () => {
  assertThrows(() => abq({ bits: 1 }), SchemeError, "bits is 1: expected an integer from 2 to 8, or 16");
  // @ts-expect-error: no such place
  assertThrows(() => abq({ bits: 4, compensation: "all" }), SchemeError, "compensation");
});
