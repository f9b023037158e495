/**
 * LAMBADA, Social IQa and the two versions of the harness: what 0.4.8 and 0.4.13 recorded on the fixture model, example by example.
 * Log-probabilities within 1e-3, as in `oracle_test.ts`: float32 sums of two implementations.
 */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { fixture } from "../../base/fixture.ts";
import type { JsonObject } from "../../base/json.ts";
import { loadModel } from "../../model/load.ts";
import { resultOf } from "./aggregate.ts";
import { compareTasks } from "./compare.ts";
import { taskEncoder } from "./encoder.ts";
import { TaskError } from "./error.ts";
import { evaluateTask, type TaskOptions } from "./evaluate.ts";
import { drawShots } from "./prompts.ts";
import { harnessFiles } from "./files/harness.ts";
import { encodePair } from "./requests.ts";
import { DataRow } from "./row.ts";
import { lambadaOpenai } from "./sets/lambada.ts";
import { StatisticsError } from "../statistics.ts";

interface Golden {
  readonly task: string;
  readonly results: Readonly<Record<string, number>>;
  readonly examples: readonly {
    readonly doc: JsonObject;
    readonly context?: string;
    readonly ctx_ids?: readonly number[];
    readonly requests: readonly {
      readonly context?: string;
      readonly ctx_ids?: readonly number[];
      readonly continuation: string;
      readonly cont_ids: readonly number[];
      readonly logprob: number;
      readonly is_greedy: boolean;
    }[];
    readonly metrics: Readonly<Record<string, number>>;
  }[];
}

const golden = async (name: string): Promise<Golden> =>
  JSON.parse(await Deno.readTextFile(await fixture(`expected/tasks/${name}.json`)));
const model = await loadModel("fixture:llama");
const bound = 1e-3;

const runs: readonly (readonly [file: string, options: TaskOptions])[] = [
  ["lambada_openai", {}],
  ["later/lambada_openai", { harness: "0.4.13" }],
  ["later/lambada_openai__nobos", { harness: "0.4.13", addBosToken: false }],
  ["later/lambada_openai__nobos", {}],
  ["files/social_iqa", { harness: "0.4.13" }],
  ["later/social_iqa__nobos", { harness: "0.4.13", addBosToken: false }],
  ["later/social_iqa__nobos", { harness: "0.4.8" }],
];
for (const [file, options] of runs) {
  Deno.test(`${file} with ${JSON.stringify(options)} is the harness', example by example`, async () => {
    const stored = await golden(file), { task } = stored;
    const examples = stored.examples.map(({ doc }) => doc);
    const found = await evaluateTask(model, task, { ...options, data: { examples } });
    assertEquals(found.examples.length, stored.examples.length);
    for (const [i, one] of found.examples.entries()) {
      assert(one.kind === "choice");
      const { requests, context, ctx_ids } = stored.examples[i];
      assertEquals(one.choices.length, requests.length);
      for (const [c, request] of requests.entries()) {
        const ours = one.choices[c];
        assertEquals(ours.context, request.context ?? context);
        assertEquals(ours.contextIds, request.ctx_ids ?? ctx_ids);
        assertEquals([ours.continuation, ours.continuationIds], [request.continuation, request.cont_ids]);
        assertAlmostEquals(ours.logProbability, request.logprob, bound);
        assertEquals(ours.isGreedy, request.is_greedy);
      }
      // The harness has the words of LAMBADA as 0 and 1, its perplexity as a log-probability.
      for (const [name, value] of Object.entries(stored.examples[i].metrics)) {
        assertAlmostEquals(one.metrics[name], value, name === "perplexity" ? bound : 0, name);
      }
    }
    const { results } = stored;
    assertAlmostEquals(found.metrics.acc, results["acc,none"], 1e-12);
    assertAlmostEquals(found.standardErrors.acc, results["acc_stderr,none"], 1e-12);
    if (task !== "lambada_openai") return;
    // A mean of logarithms within the bound is a perplexity within its exponential.
    const { "perplexity,none": perplexity } = results;
    assertAlmostEquals(found.metrics.perplexity, perplexity, perplexity * Math.expm1(bound));
  });
}

Deno.test("the standard error of LAMBADA's perplexity is the harness' bootstrap, draw for draw", async () => {
  for (const file of ["lambada_openai", "later/lambada_openai", "later/lambada_openai__nobos"]) {
    const { examples, results } = await golden(file);
    const found = resultOf(
      "lambada_openai",
      examples.map(({ metrics }, id) => ({
        ...{ kind: "choice" as const, id, where: "", choices: [], prediction: 0, gold: 0 },
        metrics,
      })),
    );
    for (const name of ["perplexity", "acc"]) {
      assertAlmostEquals(
        found.metrics[name] / results[`${name},none`] || 0,
        results[`${name},none`] && 1,
        1e-12,
      );
      const error = results[`${name}_stderr,none`];
      assertAlmostEquals(found.standardErrors[name], error, 1e-9 * error);
    }
  }
  assertEquals(
    resultOf("t", [{
      ...{ kind: "choice", id: 0, where: "", choices: [], prediction: 0, gold: 0 },
      metrics: { perplexity: -1 },
    }]).standardErrors.perplexity,
    NaN,
  );
});

Deno.test("LAMBADA's samples are the harness' file byte for byte, from the values that it recorded", async () => {
  const { examples, results } = await golden("later/lambada_openai");
  const recorded = resultOf(
    "lambada_openai",
    examples.map(({ requests: [one], metrics }, id) => ({
      ...{ kind: "choice" as const, id, where: "", prediction: 0, gold: 0, metrics },
      choices: [{
        ...{
          context: one.context ?? "",
          contextIds: [],
          continuation: one.continuation,
          continuationIds: [],
        },
        ...{ truncated: 0, logProbability: one.logprob, isGreedy: one.is_greedy },
      }],
    })),
  );
  const run = {
    ...{ model: "fixture-llama", version: 1, fewShot: 0, limit: 10, date: 0, seconds: 1 },
    docs: examples.map(({ doc }) => doc),
  };
  const { samples, results: { text } } = harnessFiles(recorded, run);
  const expected = await fixture("expected/tasks/later/lambada_openai.samples.jsonl");
  assertEquals(samples.text, await Deno.readTextFile(expected));
  const written = JSON.parse(text), { metric_list, output_type } = written.configs.lambada_openai;
  assertAlmostEquals(written.results.lambada_openai["perplexity,none"], results["perplexity,none"], 1e-9);
  assertEquals([metric_list, output_type], [
    [
      { metric: "perplexity", aggregation: "perplexity", higher_is_better: false },
      { metric: "acc", aggregation: "mean", higher_is_better: true },
    ],
    "loglikelihood",
  ]);
});

Deno.test("0.4.13: a text that begins with the first token gets no other; an empty context takes it from the answer", () => {
  const later = taskEncoder(model, { harness: "0.4.13" }), bos = model.tokenizer.bos ?? -1;
  const first = model.tokenizer.decode([bos]), plain = taskEncoder(model), { tokenizer } = model;
  const bare = [...tokenizer.encode(" key", { addSpecialTokens: false })];
  assertEquals([...later.encode(" key")], [bos, ...bare]);
  assertEquals([...plain.encode(" key")], bare);
  const begun = `${first} key`;
  assertEquals([...later.encode(begun)], [...tokenizer.encode(begun, { addSpecialTokens: false })]);
  assertEquals(later.encode(begun).filter((id) => id === bos).length, 1);
  const own = encodePair(later, "", begun), other = encodePair(later, "", " key");
  assertEquals([[...own.context], [...other.context]], [[bos], [bos]]);
  assertEquals([...other.continuation], bare);
  assertEquals([bos, ...own.continuation], [...later.encode(begun)]);
});

Deno.test("0.4.13: a question that was drawn twice is left out of a second draw", () => {
  // Five equal rows among eight: three draws hold the question more than once most of the time.
  const pool = [0, 0, 0, 0, 0, 1, 2, 3].map((values) => new DataRow({ values }, "here"));
  const plan = { pool, count: 2, draw: "random", spare: true, seed: 1234 } as const;
  const questions = Array.from({ length: 20 }, () => pool[0]);
  const before = drawShots(questions, plan), after = drawShots(questions, { ...plan, again: true });
  assert(before.some(({ length }) => length < 2));
  for (const drawn of after) assertEquals([drawn.length, drawn.every((i) => i >= 5)], [2, true]);
});

Deno.test("0.4.13: truthfulqa_mc2 takes true answers by their labels", async () => {
  const choices = ["yes", "no", "perhaps"], question = "Is it so?";
  const run = (labels: number[], harness: "0.4.8" | "0.4.13") =>
    evaluateTask(model, "truthfulqa_mc2", {
      harness,
      addBosToken: false,
      data: { examples: [{ question, mc2_targets: { choices, labels } }] },
    });
  const [sorted, before] = [await run([1, 0, 0], "0.4.13"), await run([1, 0, 0], "0.4.8")];
  assertEquals(sorted.metrics, before.metrics);
  const [late, cut] = [await run([1, 0, 1], "0.4.13"), await run([1, 0, 1], "0.4.8")];
  assertEquals(cut.metrics, before.metrics);
  const [one] = late.examples;
  assert(one.kind === "choice");
  const masses = one.choices.map(({ logProbability }) => Math.exp(logProbability));
  const share = (masses[0] + masses[2]) / (masses[0] + masses[1] + masses[2]);
  assertAlmostEquals(late.metrics.acc, share, 1e-12);
  await assertRejects(() => run([0, 1, 1], "0.4.8"), TaskError, "expected true answers, then false ones");
});

Deno.test("results say whose habits they have; two of different habits are not compared", async () => {
  const limit = 2;
  const [a, b] = [
    await evaluateTask(model, "social_iqa", { limit }),
    await evaluateTask(model, "social_iqa", { limit, harness: "0.4.13" }),
  ];
  assertEquals(a.asked, { harness: "0.4.8", addBosToken: false });
  assertEquals(b.asked, { harness: "0.4.13", addBosToken: true });
  let message = "";
  try {
    compareTasks(a, b);
  } catch (error) {
    assert(error instanceof StatisticsError);
    message = error.message;
  }
  assertEquals(
    message,
    "social_iqa was asked as in 0.4.8 with addBosToken false, and as in 0.4.13 with addBosToken true",
  );
});

Deno.test("what is not known of a version, and passages without a last word, are refused", async () => {
  const refused = async (options: unknown, message: string) => {
    const error = await assertRejects(
      () => evaluateTask(model, "lambada_openai", options as TaskOptions),
      TaskError,
      message,
    );
    assert(error.message.length < 200);
  };
  await refused({ harness: "0.4.9" }, 'harness is "0.4.9": expected 0.4.8 or 0.4.13');
  await refused({ harness: "0.4.13", chatTemplate: true }, "conversations are known of harness 0.4.8 alone");
  await refused({ data: { examples: [{ text: "word" }] } }, "expected a passage and its last word");
  await refused(
    { data: { examples: [{ text: "ends with a blank " }] } },
    "expected a passage and its last word",
  );
  assertEquals(lambadaOpenai.example(new DataRow({ text: "a  b" }, "here")).context, "a ");
});
