/** The files that lm-evaluation-harness 0.4.13 writes of an evaluation: `samples_TASK_*.jsonl` and `results_*.json`. */
import { sha256Text } from "../../../base/hash.ts";
import type { JsonObject } from "../../../base/json.ts";
import { TaskError } from "../error.ts";
import type { ChoiceRecord, TaskResult } from "../result.ts";
import { PythonFloat, pythonFloat, pythonJson } from "./python_json.ts";

/** What an evaluation does not know of itself. */
export interface HarnessRun {
  /** The rows of the data, in the order of the examples. */
  readonly docs: readonly JsonObject[];
  /** What the task's template makes of each answer (default: the index of the right choice, as most have it, or the only one). */
  readonly targets?: readonly string[];
  /** Name of the model: the files lie in a folder of that name, `/` as `__`. */
  readonly model: string;
  /** What else was said of the model: `dtype`, `quantization`. */
  readonly modelArgs?: Readonly<Record<string, string>>;
  /** Version of the task (lm-evaluation-harness: `metadata.version`). */
  readonly version: number;
  /** Worked examples that were shown. */
  readonly fewShot: number;
  /** First examples that were asked; null for all. */
  readonly limit: number | null;
  /** Rows of the data (default: as many as were asked). */
  readonly original?: number;
  /** When the evaluation began, in seconds since 1970. */
  readonly date: number;
  /** Seconds that it took. */
  readonly seconds: number;
}

/** One evaluation as the harness' files, by their paths. */
export interface HarnessFiles {
  /** `MODEL/results_TIME.json`. */
  readonly results: { readonly path: string; readonly text: string };
  /** `MODEL/samples_TASK_TIME.jsonl`. */
  readonly samples: { readonly path: string; readonly text: string };
}

/**
 * The harness' files of a task with given choices. Of `configs` they hold what is known here; machine and versions of Python's packages
 * are not told.
 *
 * @throws {TaskError} `option` where rows or targets are missing, or the task has no choices
 */
export function harnessFiles(result: TaskResult, run: HarnessRun): HarnessFiles {
  const examples = choicesOf(result, run), metrics = Object.keys(result.metrics);
  // Of a single answer the harness keeps a likelihood, and counts in integers what it counts.
  const scored = examples.every(({ choices }) => choices.length === 1);
  const written = (name: string, value: number) => scored && name === "acc" ? value : new PythonFloat(value);
  const samples = examples.map((example, i) => {
    const doc = run.docs[i];
    const target = run.targets?.[i] ?? (scored ? example.choices[0].continuation : String(example.gold));
    const answers = example.choices.map(({ logProbability, isGreedy }) => [
      pythonFloat(logProbability),
      isGreedy ? "True" : "False",
    ]);
    return {
      doc_id: example.id,
      doc,
      target,
      arguments: Object.fromEntries(
        example.choices.map((
          { context, continuation },
          c,
        ) => [`gen_args_${c}`, { arg_0: context, arg_1: continuation }]),
      ),
      resps: answers.map((one) => [one]),
      filtered_resps: answers,
      filter: "none",
      metrics,
      doc_hash: sha256Text(pythonJson(doc, 2)),
      prompt_hash: sha256Text(example.choices[0].context),
      target_hash: sha256Text(target),
      ...Object.fromEntries(metrics.map((name) => [name, written(name, example.metrics[name])])),
    };
  });
  const hash = sha256Text(samples.map((one) => one.doc_hash + one.prompt_hash + one.target_hash).join(""));
  const { task } = result, args = { pretrained: run.model, ...run.modelArgs };
  const time = new Date(run.date * 1000).toISOString().replace(/Z$/, "000").replaceAll(":", "-");
  const folder = run.model.replaceAll("/", "__");
  const results = {
    results: {
      [task]: {
        name: task,
        alias: task,
        sample_len: examples.length,
        ...Object.fromEntries(metrics.flatMap((name) => [
          [`${name},none`, new PythonFloat(result.metrics[name])],
          [`${name}_stderr,none`, new PythonFloat(result.standardErrors[name])],
        ])),
      },
    },
    group_subtasks: {},
    configs: {
      [task]: {
        task,
        num_fewshot: run.fewShot,
        metric_list: metrics.map((metric) => ({
          metric,
          aggregation: metric === "perplexity" ? metric : "mean",
          higher_is_better: metric !== "perplexity",
        })),
        output_type: scored ? "loglikelihood" : "multiple_choice",
        repeats: 1,
        metadata: { version: new PythonFloat(run.version), ...args },
      },
    },
    versions: { [task]: new PythonFloat(run.version) },
    "n-shot": { [task]: run.fewShot },
    higher_is_better: { [task]: Object.fromEntries(metrics.map((name) => [name, name !== "perplexity"])) },
    "n-samples": { [task]: { original: run.original ?? examples.length, effective: examples.length } },
    config: {
      model: "quantbook",
      model_args: Object.entries(args).map((pair) => pair.join("=")).join(","),
      batch_size: 1,
      limit: run.limit,
      random_seed: 0,
      numpy_seed: 1234,
      torch_seed: 1234,
      fewshot_seed: 1234,
    },
    date: new PythonFloat(run.date),
    task_hashes: { [task]: hash },
    model_source: "quantbook",
    model_name: run.model,
    model_name_sanitized: folder,
    total_evaluation_time_seconds: pythonFloat(run.seconds),
  };
  return {
    results: { path: `${folder}/results_${time}.json`, text: pythonJson(results, 2) },
    samples: {
      path: `${folder}/samples_${task}_${time}.jsonl`,
      text: samples.map((one) => pythonJson(one) + "\n").join(""),
    },
  };
}

function choicesOf({ task, examples }: TaskResult, { docs, targets }: HarnessRun): ChoiceRecord[] {
  const choices = examples.flatMap((one) => one.kind === "choice" ? [one] : []);
  if (choices.length !== examples.length || choices.length === 0) {
    throw new TaskError("option", `${task} has no given choices: expected a task of kind choice`);
  }
  for (const [name, list] of Object.entries({ docs, targets })) {
    if (list === undefined || list.length === examples.length) continue;
    throw new TaskError(
      "option",
      `${name} has ${list.length} entries: expected ${examples.length}, one an example`,
    );
  }
  return choices;
}
