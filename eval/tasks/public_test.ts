/**
 * The harness on a second model and on public data, which are not part of the project: runs where these lie beside the
 * checkout (`QUANTBOOK_SHARED`), with `QUANTBOOK_ORACLE=all`.
 */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { loadModel } from "../../model/load.ts";
import type { JsonObject } from "../../base/json.ts";
import { evaluateTask, type TaskOptions, type TaskResult } from "../../mod.ts";
import { cutAt } from "../generation/until.ts";
import { bbh, workedChains } from "./sets/bbh.ts";
import { readRows } from "./data.ts";
import { gsm8k } from "./sets/gsm8k.ts";
import { DataRow } from "./row.ts";
import type { GenerationTask } from "./task.ts";
import { truthfulqaGen } from "./sets/truthfulqa.ts";

const shared = Deno.env.get("QUANTBOOK_SHARED") ?? pathOf(new URL("../../../shared", import.meta.url));
const golden = `${shared}/golden/tasks`;
const there = await Deno.stat(`${golden}/index.json`).then(() => true, () => false);
const ignore = !there || Deno.env.get("QUANTBOOK_ORACLE") !== "all";
if (!there) console.log(`tasks on public data: skipped, there is no ${golden} (set QUANTBOOK_SHARED)`);

/** What the harness printed about one example; which of the fields are there depends on the kind of task. */
interface StoredExample {
  readonly doc: JsonObject;
  readonly doc_id: number;
  readonly context: string;
  readonly context_sha256: string;
  readonly ctx_ids: number[];
  readonly truncated_left: number;
  readonly requests: {
    readonly context?: string;
    readonly ctx_ids?: number[];
    readonly cont_ids: number[];
    readonly truncated_left: number;
    readonly logprob: number;
  }[];
  readonly pred: number;
  readonly gold: number;
  readonly raw: string;
  readonly response: string;
  readonly stability: { readonly min_top2_logit_gap: number };
  /** By filter, by metric; `filtered` is the text that the filter found. */
  readonly metrics: Record<string, Record<string, number> & { readonly filtered: unknown }>;
  readonly page_words_split_ws: number;
  readonly page_utf8_bytes: number;
  readonly n_tokens: number;
  readonly logprob: number;
}

interface StoredRun {
  readonly examples: StoredExample[];
  readonly results: Record<string, number>;
  readonly eos_stop?: string;
}

const read = async (file: string): Promise<StoredRun> =>
  JSON.parse(await Deno.readTextFile(`${golden}/${file}`));
const docs = async (file: string): Promise<JsonObject[]> => (await read(file)).examples.map(({ doc }) => doc);

/** Its checkpoint holds the tied matrix under the head's name only. */
const tinyStories = `${shared}/data/tinystories-656k`;

const runs: Record<string, () => Promise<[string, TaskOptions]>> = {
  "arc_easy": async () => ["arc_easy", { data: { examples: await docs("tinystories-656k/arc_easy.json") } }],
  "boolq": async () => ["boolq", { data: { examples: await docs("tinystories-656k/boolq.json") } }],
  "hellaswag":
    async () => ["hellaswag", { data: { examples: await docs("tinystories-656k/hellaswag.json") } }],
  "openbookqa":
    async () => ["openbookqa", { data: { examples: await docs("tinystories-656k/openbookqa.json") } }],
  "piqa": async () => ["piqa", { data: { examples: await docs("tinystories-656k/piqa.json") } }],
  "winogrande":
    async () => ["winogrande", { data: { examples: await docs("tinystories-656k/winogrande.json") } }],
  "truthfulqa_mc1": async () => [
    "truthfulqa_mc1",
    { data: { examples: await docs("tinystories-656k/truthfulqa_mc1.json") } },
  ],
  "truthfulqa_mc2": async () => [
    "truthfulqa_mc2",
    { data: { examples: await docs("tinystories-656k/truthfulqa_mc2.json") } },
  ],
  "hellaswag__2shot": async () => {
    const rows = await docs("tinystories-656k/hellaswag.json");
    return ["hellaswag", { data: { examples: rows, shots: rows }, fewShot: 2, limit: 5 }];
  },
  "mmlu_econometrics": () => Promise.resolve(["mmlu_econometrics", { data: csv("econometrics"), limit: 12 }]),
  "mmlu_philosophy": () => Promise.resolve(["mmlu_philosophy", { data: csv("philosophy"), limit: 12 }]),
  "mmlu_abstract_algebra": () =>
    Promise.resolve(["mmlu_abstract_algebra", { data: csv("abstract_algebra"), limit: 12 }]),
  "gsm8k": () => Promise.resolve(["gsm8k", { data: gsm, limit: 6 }]),
  "bbh_cot_fewshot_boolean_expressions": () => Promise.resolve(bbhRun("boolean_expressions")),
  "bbh_cot_fewshot_word_sorting": () => Promise.resolve(bbhRun("word_sorting")),
  "truthfulqa_gen": async () => [
    "truthfulqa_gen",
    { data: { examples: await docs("tinystories-656k/truthfulqa_gen.json") }, maxNewTokens: 64 },
  ],
};

const csv = (subject: string) => ({
  examples: `${shared}/data/mmlu/test/${subject}_test.csv`,
  shots: `${shared}/data/mmlu/dev/${subject}_dev.csv`,
});
const gsm = { examples: `${shared}/data/gsm8k/test.jsonl`, shots: `${shared}/data/gsm8k/train.jsonl` };
const chains = (subtask: string) => `${shared}/data/bbh/cot-prompts/${subtask}.txt`;
const bbhRun = (subtask: string): [string, TaskOptions] => [
  `bbh_${subtask}`,
  {
    data: { examples: `${shared}/data/bbh/bbh/${subtask}.json`, shots: chains(subtask) },
    limit: 12,
    maxNewTokens: 64,
  },
];

Deno.test({
  name: "a second model on public data: each example as the harness has it",
  ignore,
  fn: async (t) => {
    using model = await loadModel(tinyStories);
    for (const [file, make] of Object.entries(runs)) {
      await t.step(file, async () => {
        const [name, options] = await make();
        const result = await evaluateTask(model, name, { truncate: true, ...options });
        compare(result, await read(`tinystories-656k/${file}.json`));
      });
    }
    await t.step("wikitext", async () => {
      const stored = await read("tinystories-656k/wikitext.json");
      const result = await evaluateTask(model, "wikitext", {
        data: `${shared}/data/wikitext2-raw-test/wiki.test.raw`,
        limit: 8,
      });
      for (const [i, example] of result.examples.entries()) {
        const { page_words_split_ws, page_utf8_bytes, n_tokens, logprob } = stored.examples[i];
        if (example.kind !== "rolling") throw new Error("wikitext is not rolling");
        assertEquals([example.words, example.bytes, example.tokens], [
          page_words_split_ws,
          page_utf8_bytes,
          n_tokens,
        ]);
        // Some 5e-6 per token.
        assertAlmostEquals(example.logProbability, logprob, 1e-5 * n_tokens);
      }
    });
  },
});

function compare(result: TaskResult, stored: StoredRun): void {
  for (const [i, example] of result.examples.entries()) {
    const expected = stored.examples[i];
    if (example.kind === "choice") {
      for (const [j, choice] of example.choices.entries()) {
        const request = expected.requests[j];
        assertEquals(choice.context, request.context ?? expected.context);
        assertEquals(choice.contextIds, request.ctx_ids ?? expected.ctx_ids);
        assertEquals(choice.continuationIds, request.cont_ids);
        assertEquals(choice.truncated, request.truncated_left);
        assertAlmostEquals(choice.logProbability, request.logprob, 1e-3);
      }
      assertEquals([example.prediction, example.gold], [expected.pred, expected.gold]);
    } else if (example.kind === "generation") {
      assertEquals(example.context, expected.context);
      assertEquals(example.contextIds, expected.ctx_ids);
      assertEquals(example.truncated, expected.truncated_left);
      // Two logits as near as rounding may change places.
      if (expected.stability.min_top2_logit_gap > 1e-3) assertEquals(example.response, expected.response);
    }
  }
  for (const [key, value] of Object.entries(stored.results)) {
    const name = key.replace(",none", "").replace("_stderr", "");
    assertAlmostEquals(
      (key.includes("_stderr") ? result.standardErrors : result.metrics)[name],
      value,
      1e-3,
      key,
    );
  }
}

Deno.test({
  name: "scripted answers: stop strings, filters and metrics with scores above zero",
  ignore,
  fn: async (t) => {
    const tasks: Record<string, GenerationTask> = {
      gsm8k,
      truthfulqa_gen: truthfulqaGen,
      ...Object.fromEntries(
        ["boolean_expressions", "date_understanding", "word_sorting"].map((
          name,
        ) => [`bbh_cot_fewshot_${name}`, bbh(name)]),
      ),
    };
    for (const [name, task] of Object.entries(tasks)) {
      await t.step(name, async () => {
        const stored = await read(`scripted/${name}.json`);
        for (const { doc, raw, response, metrics } of stored.examples) {
          assertEquals(cutAt(raw, [...task.stop, stored.eos_stop ?? "</s>"]), response);
          const example = task.example(new DataRow(doc, name));
          const ours = example.score(response);
          for (const [filter, scores] of Object.entries(metrics)) {
            if (filter !== "none") {
              assertEquals(example.extract?.(response)[filter], scores.filtered);
            }
            for (const [metric, value] of Object.entries(scores)) {
              if (metric === "filtered") continue;
              assertAlmostEquals(
                ours[filter === "none" ? metric : `${metric},${filter}`],
                Number(value),
                1e-9,
              );
            }
          }
        }
      });
    }
  },
});

Deno.test({
  name: "worked chains: the harness' prompts of three subtasks, by their hash",
  ignore,
  fn: async () => {
    for (const subtask of ["boolean_expressions", "date_understanding", "word_sorting"]) {
      const { examples } = await read(`scripted/bbh_cot_fewshot_${subtask}.json`);
      const prefix = workedChains(subtask, await Deno.readTextFile(chains(subtask)));
      const rows = await readRows(`${shared}/data/bbh/bbh/${subtask}.json`);
      for (const { doc_id, context_sha256 } of examples) {
        const context = prefix + bbh(subtask).example(rows[doc_id]).question;
        const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(context));
        assertEquals(new Uint8Array(digest).toHex(), context_sha256);
      }
    }
  },
});
