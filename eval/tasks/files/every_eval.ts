/** An evaluation as a record of Every Eval Ever, schema 0.3.0: an aggregate and its samples. */
import { sha256Text } from "../../../base/hash.ts";
import type { JsonObject } from "../../../base/json.ts";
import { TaskError } from "../error.ts";
import type { ChoiceRecord, TaskResult } from "../result.ts";
import { checkEveryEval, type EveryEvalRecord } from "./every_eval_check.ts";
import { PythonFloat, pythonJson } from "./python_json.ts";

/** What an evaluation does not know of itself. */
export interface EveryEvalRun {
  /** Name of the collection: the first folder. */
  readonly collection: string;
  /** Who made the model. */
  readonly developer: string;
  /** Name of the model. */
  readonly model: string;
  /** Who says so. */
  readonly organization: string;
  /** Version of quantbook. */
  readonly version: string;
  /** How the model is quantized, in words (default `none`). */
  readonly quantization?: string;
  /** A UUID: the name of the files. */
  readonly id: string;
  /** When the evaluation began, in seconds since 1970. */
  readonly date: number;
  /** When the record was written, in seconds since 1970. */
  readonly written: number;
  /** What else is known of how questions were asked: `num_fewshot`, `add_bos_token`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Metrics that a record can hold, by our names. */
const known: Readonly<Record<string, { readonly id: string; readonly name: string }>> = {
  acc: { id: "accuracy", name: "Accuracy" },
  acc_norm: { id: "accuracy_per_character", name: "Accuracy by log-probability per character" },
  mc2: { id: "mc2", name: "Probability of true answers" },
};

/**
 * The record of a task with given choices. It is checked by the project's own rules before it is returned.
 *
 * @throws {TaskError} `option` where the task has no choices, or a name makes no record
 */
export function everyEvalRecord(
  { task, metrics, standardErrors, examples }: TaskResult,
  run: EveryEvalRun,
): EveryEvalRecord {
  const choices = examples.flatMap((one) => one.kind === "choice" ? [one] : []);
  if (choices.length !== examples.length || choices.length === 0) {
    throw new TaskError("option", `${task} has no given choices: expected a task of kind choice`);
  }
  if (choices.some((one) => one.choices.length < 2)) {
    throw new TaskError(
      "option",
      `${task} has one answer to a question: a record here is of tasks that choose`,
    );
  }
  const { collection, developer, model } = run, whole = (seconds: number) => String(Math.floor(seconds));
  const evaluationId = `${collection}/${developer}_${model}/${whole(run.written)}`,
    modelId = `${developer}/${model}`;
  const folder = `data/${collection}/${modelId}`, names = Object.keys(metrics), first = names[0];
  const lines = choices.map((one) =>
    JSON.stringify({
      schema_version: "0.3.0",
      evaluation_id: evaluationId,
      model_id: modelId,
      evaluation_name: task,
      evaluation_result_id: `${task}.${first}`,
      sample_id: String(one.id),
      ...sampleOf(one, first),
    })
  );
  const samples = {
    path: `${folder}/${run.id}_samples.jsonl`,
    text: lines.map((line) => `${line}\n`).join(""),
  };
  const aggregate = {
    schema_version: "0.3.0",
    evaluation_id: evaluationId,
    evaluation_timestamp: whole(run.date),
    retrieved_timestamp: whole(run.written),
    source_metadata: {
      source_name: "quantbook",
      source_type: "evaluation_run",
      source_organization_name: run.organization,
      evaluator_relationship: "first_party",
    },
    eval_library: { name: "quantbook", version: run.version },
    model_info: {
      ...{ name: model, id: modelId, developer },
      inference_engine: { name: "quantbook", version: run.version },
      additional_details: {
        deployment_type: "self_deployed",
        model_availability: "open_weights",
        quantization: run.quantization ?? "none",
      },
    },
    evaluation_results: names.map((name) => ({
      evaluation_result_id: `${task}.${name}`,
      evaluation_name: task,
      source_data: { dataset_name: task, source_type: "other" },
      metric_config: {
        metric_id: known[name]?.id ?? name,
        metric_name: known[name]?.name ?? name,
        metric_unit: "proportion",
        lower_is_better: false,
        ...{ score_type: "continuous", min_score: 0, max_score: 1 },
      },
      score_details: {
        score: metrics[name],
        uncertainty: {
          // The error of a single example is unknown: NaN is no JSON.
          ...Number.isNaN(standardErrors[name])
            ? {}
            : { standard_error: { value: standardErrors[name], method: "analytic" } },
          num_samples: choices.length,
        },
      },
      ...run.settings && { generation_config: { additional_details: run.settings } },
    })),
    detailed_evaluation_results: {
      format: "jsonl",
      file_path: samples.path,
      hash_algorithm: "sha256",
      checksum: sha256Text(samples.text),
      total_rows: choices.length,
    },
  };
  const record = {
    aggregate: { path: `${folder}/${run.id}.json`, text: JSON.stringify(aggregate, null, 2) },
    samples,
  };
  const [wrong] = [...checkEveryEval(record).aggregate, ...checkEveryEval(record).samples];
  if (wrong !== undefined) {
    throw new TaskError("option", `the record of ${task} would not be accepted: ${wrong}`);
  }
  return record;
}

function sampleOf({ choices, prediction, gold, metrics }: ChoiceRecord, metric: string): JsonObject {
  const texts = choices.map(({ continuation }) => continuation.trim()), [{ context }] = choices;
  const logProbabilities = choices.map(({ logProbability }) => new PythonFloat(logProbability));
  return {
    sample_hash: sha256Text(JSON.stringify([context, texts, gold])),
    interaction_type: "single_turn",
    input: { raw: context, formatted: context, reference: [texts[gold]], choices: texts },
    output: { raw: [pythonJson({ log_likelihoods: logProbabilities })] },
    messages: null,
    answer_attribution: [{
      turn_idx: 0,
      source: "output.raw",
      extracted_value: texts[prediction],
      extraction_method: "argmax_log_likelihood",
      is_terminal: true,
    }],
    evaluation: { score: metrics[metric], is_correct: prediction === gold },
  };
}
