/**
 * What lm-evaluation-harness 0.4.8 recorded on the fixture model, example by example: the same prompts, tokens, predictions
 * and metrics, and log-probabilities within 1e-3 (float32 sums of two implementations).
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { onSoftwareGpu } from "../../kernels/conformance/software_gpu.ts";
import { loadModel } from "../../model/load.ts";
import type { JsonObject } from "../../base/json.ts";
import { readRows } from "./data.ts";
import { evaluateTask, type TaskOptions } from "./evaluate.ts";
import type { ChoiceRecord, GenerationRecord, TaskExample } from "./result.ts";

const expected = new URL("../../fixtures/expected/tasks/", import.meta.url);
const own = pathOf(new URL("../../fixtures/tasks/", import.meta.url));

interface Golden {
  readonly task: string;
  readonly limit: number;
  readonly num_fewshot: number;
  readonly dataset_rows: [string, string, Record<string, number>][];
  readonly config: { generation_kwargs?: { max_gen_toks: number } };
  readonly results: Record<string, number>;
  readonly examples: readonly GoldenExample[];
}

interface GoldenExample {
  readonly context: string;
  readonly ctx_ids: number[];
  readonly requests?: readonly GoldenRequest[];
  readonly pred: number;
  readonly gold: number;
  readonly generated_ids: number[];
  readonly response: string;
  readonly metrics: Record<string, { readonly filtered: string; readonly [score: string]: number | string }>;
}

interface GoldenRequest {
  readonly context?: string;
  readonly ctx_ids?: number[];
  readonly continuation: string;
  readonly cont_ids: number[];
  readonly logprob: number;
  readonly is_greedy: boolean;
}

async function golden(name: string): Promise<Golden> {
  return JSON.parse(await Deno.readTextFile(new URL(`${name}.json`, expected)));
}

const files = [
  "arc_challenge",
  "arc_easy",
  "arc_easy__5shot",
  "boolq",
  "gsm8k",
  "hellaswag",
  "mmlufx_geography",
  "mmlufx_geography__5shot",
  "piqa",
  "truthfulqa_gen",
  "truthfulqa_mc1",
  "truthfulqa_mc2",
  "winogrande",
  "winogrande__2shot",
];
/** Short enough for a GPU that is a program. */
const short = ["arc_easy"];

Deno.test("every stored example of the harness comes out the same", async (t) => {
  using model = await loadModel("fixture:llama");
  for (const file of files) {
    await t.step({
      name: file,
      ignore: onSoftwareGpu && !short.includes(file),
      async fn() {
        const stored = await golden(file);
        const { options, name } = await settings(stored);
        compare(await evaluateTask(model, name, options), stored);
      },
    });
  }
});

/** The run that the harness recorded: its worked examples came from the last rows of the same file. */
async function settings(stored: Golden): Promise<{ name: string; options: TaskOptions }> {
  const name = stored.task.replace("mmlufx", "mmlu");
  const base = name.replace("mmlu_", "mmlu.").replace(/_(mc1|mc2|gen)$/, "");
  const splits = stored.dataset_rows[0][2];
  const options = {
    limit: stored.limit,
    fewShot: stored.num_fewshot,
    maxNewTokens: stored.config.generation_kwargs?.max_gen_toks,
  };
  if (name.startsWith("mmlu") || name === "gsm8k") return { name, options: { ...options, data: own } };
  const rows: JsonObject[] = (await readRows(`${own}${base}.jsonl`)).map(({ values }) => values);
  return { name, options: { ...options, data: { examples: rows, shots: rows.slice(-(splits.train ?? 1)) } } };
}

function compare(result: Awaited<ReturnType<typeof evaluateTask>>, stored: Golden): void {
  assertEquals(result.examples.length, stored.examples.length);
  for (const [i, example] of result.examples.entries()) {
    if (example.kind === "choice") compareChoices(example, stored.examples[i]);
    if (example.kind === "generation") compareGeneration(example, stored.examples[i]);
  }
  for (const [key, value] of Object.entries(stored.results)) {
    const name = key.replace(",none", "").replace("_stderr", "");
    const ours = key.includes("_stderr") ? result.standardErrors[name] : result.metrics[name];
    // Probabilities and BLEU follow from log-probabilities and texts; all others are counts.
    assertAlmostEquals(ours, value, stored.task === "truthfulqa_mc2" ? 1e-3 : 1e-9, key);
  }
}

function compareChoices(example: ChoiceRecord, stored: GoldenExample): void {
  assertEquals(example.choices.length, stored.requests?.length);
  for (const [j, request] of (stored.requests ?? []).entries()) {
    const ours = example.choices[j];
    assertEquals(ours.context, request.context ?? stored.context);
    assertEquals(ours.contextIds, request.ctx_ids ?? stored.ctx_ids);
    assertEquals(ours.continuation, request.continuation);
    assertEquals(ours.continuationIds, request.cont_ids);
    assertAlmostEquals(ours.logProbability, request.logprob, 1e-3);
    assertEquals(ours.isGreedy, request.is_greedy);
  }
  assertEquals([example.prediction, example.gold], [stored.pred, stored.gold]);
}

function compareGeneration(example: GenerationRecord, stored: GoldenExample): void {
  assertEquals(example.context, stored.context);
  assertEquals(example.contextIds, stored.ctx_ids);
  // The harness keeps the end token.
  const end = stored.generated_ids.at(-1) === 1 ? -1 : undefined;
  assertEquals(example.generatedIds, stored.generated_ids.slice(0, end));
  assertEquals(example.response, stored.response);
  for (const [filter, { filtered, ...scores }] of Object.entries(stored.metrics)) {
    // Without a filter the whole response is scored.
    assertEquals(example.filtered[filter] ?? example.response, filtered);
    for (const [metric, score] of Object.entries(scores)) {
      assertAlmostEquals(
        example.metrics[filter === "none" ? metric : `${metric},${filter}`],
        Number(score),
        1e-9,
      );
    }
  }
}

Deno.test("a group weighs its tasks by their sizes and pools their variances", async () => {
  using model = await loadModel("fixture:llama");
  const text = await Deno.readTextFile(new URL("mmlu_group.json", expected));
  const stored: {
    group_results: { mmlufx: Record<string, number> };
    examples: { task: string; n: number; logprobs: number[][]; acc: number; acc_stderr: number }[];
  } = JSON.parse(text);
  const directory = await Deno.makeTempDir();
  try {
    for (const { task, n } of stored.examples) {
      const file = `${task.replace("mmlufx_", "mmlu.")}.test.jsonl`;
      const lines = (await Deno.readTextFile(own + file)).split("\n").slice(0, n);
      await Deno.writeTextFile(`${directory}/${file}`, lines.join("\n"));
    }
    const result = await evaluateTask(model, "mmlu", { data: directory });
    for (const [i, subtask] of (result.subtasks ?? []).entries()) {
      const { acc, acc_stderr, logprobs, task } = stored.examples[i];
      assertEquals(subtask.task, task.replace("fx", ""));
      assertAlmostEquals(subtask.metrics.acc, acc, 1e-12);
      assertAlmostEquals(subtask.standardErrors.acc, acc_stderr, 1e-12);
      const ours = subtask.examples.map((one: TaskExample) =>
        one.kind === "choice" ? one.choices.map(({ logProbability }) => logProbability) : []
      );
      for (const [j, logs] of logprobs.entries()) {
        logs.forEach((log, k) => assertAlmostEquals(ours[j][k], log, 1e-3));
      }
    }
    assertAlmostEquals(result.metrics.acc, stored.group_results.mmlufx["acc,none"], 1e-12);
    assertAlmostEquals(result.standardErrors.acc, stored.group_results.mmlufx["acc_stderr,none"], 1e-12);
    assert(result.subtasks?.length === 5);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
