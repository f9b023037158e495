/** What users of other harnesses reported of evaluations, tried here: the addresses stand in `docs/field.md`. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { loadModel } from "../../model/load.ts";
import { divergence, windowDivergence } from "../metrics/divergence.ts";
import { perplexity } from "../metrics/perplexity.ts";
import { meanOfGroups } from "../statistics.ts";
import { evaluateTask } from "./evaluate.ts";
import { choiceMetrics } from "./run.ts";

const question = (text: string) => ({
  question: text,
  choices: { text: [`the ${text}`, "soap"], label: ["A", "B"] },
  answerKey: "A",
});

Deno.test("a question is never shown with its own answer, whatever the seed", async () => {
  using model = await loadModel("fixture:llama");
  const rows = ["bell", "boat", "cow"].map(question);
  for (let seed = 0; seed < 8; seed++) {
    const { examples } = await evaluateTask(model, "arc_easy", {
      data: { examples: rows },
      fewShot: 2,
      seed,
    });
    for (const [i, one] of examples.entries()) {
      assert(one.kind === "choice");
      const { context } = one.choices[0], answer = `Answer: the ${rows[i].question}`;
      assertEquals(context.split("Answer: ").length, 3, context);
      assert(!context.includes(answer), context);
    }
  }
});

Deno.test("one seed after another draws as each does alone", async () => {
  using model = await loadModel("fixture:llama");
  const rows = Array.from({ length: 10 }, (_, i) => question(`thing ${i}`));
  const run = async (seed: number) => {
    const { examples } = await evaluateTask(model, "arc_easy", {
      data: { examples: rows.slice(0, 2), shots: rows.slice(2) },
      fewShot: 2,
      seed,
    });
    return examples.map((one) => one.kind === "choice" ? one.choices[0].context : "");
  };
  const alone = await run(3);
  await run(1);
  await run(2);
  assertEquals(await run(3), alone);
});

Deno.test("acc_norm divides by characters as Python counts them: not by bytes, not by halves of surrogate pairs", () => {
  // Per character -2 and -1.9; per UTF-16 unit -1, per byte -0.5 for the first.
  const continuations = ["\u{1f404}\u{1f404}", "abc"];
  const metrics = choiceMetrics(["acc", "acc_norm"], [-4, -5.7], { continuations, gold: 1 });
  assertEquals(metrics, { acc: 0, acc_norm: 1 });
});

Deno.test("tokens that both models exclude leave the divergence alone", () => {
  const p = Float32Array.of(Math.log(0.25), Math.log(0.75), -Infinity);
  const q = Float32Array.of(Math.log(0.5), Math.log(0.5), -Infinity);
  const expected = 0.25 * Math.log(0.25 / 0.5) + 0.75 * Math.log(0.75 / 0.5);
  assertAlmostEquals(windowDivergence(p, q, [3, 3]).kl, expected, 1e-7);
  assertEquals(windowDivergence(p, p, [3, 3]), { kl: 0, agreement: 1 });
});

Deno.test("windows of different lengths count by their tokens", async () => {
  using model = await loadModel("fixture:llama");
  const ids = model.tokenizer.encode(
    "Fellow-Citizens of the Senate and of the House of Representatives: among the",
  );
  const windows = [ids.slice(0, 12), ids.slice(0, 4)];
  const [long, short] = (await perplexity(model, windows)).windowNll;
  const { value, tokens } = await perplexity(model, windows);
  assertEquals(tokens, 14);
  assertAlmostEquals(value, Math.exp((11 * long + 3 * short) / 14), 1e-9 * value);
  assertEquals((await divergence(model, model, windows)).top1Agreement, 1);
});

Deno.test("the error of a mean over groups of different sizes is that of the ratio estimator, here against a jackknife", () => {
  const means = [1.2, 0.7, 1.9, 1.1, 0.4, 1.6], sizes = [40, 12, 33, 8, 25, 30];
  const ratio = (left: number) => {
    const kept = means.map((_, i) => i).filter((i) => i !== left);
    return kept.reduce((sum, i) => sum + means[i] * sizes[i], 0) / kept.reduce((sum, i) => sum + sizes[i], 0);
  };
  const { mean, standardError } = meanOfGroups(means, sizes);
  assertAlmostEquals(mean, ratio(-1), 1e-12);
  const without = means.map((_, i) => ratio(i)), middle = without.reduce((a, b) => a + b) / 6;
  const jackknife = Math.sqrt(5 / 6 * without.reduce((sum, one) => sum + (one - middle) ** 2, 0));
  // The two agree to first order.
  assert(Math.abs(standardError / jackknife - 1) < 0.2, `${standardError}, jackknife ${jackknife}`);
});
