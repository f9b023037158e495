/** Whether a record of Every Eval Ever is one: fields as schema 0.3.0 has them, and two files that agree. */
import { isJsonObject, type JsonObject, own, parseJson } from "../../../base/json.ts";
import { show } from "../../../base/show.ts";

/** A record: two files. */
export interface EveryEvalRecord {
  /** `data/COLLECTION/DEVELOPER/MODEL/UUID.json`. */
  readonly aggregate: { readonly path: string; readonly text: string };
  /** `UUID_samples.jsonl` beside it, one line an example. */
  readonly samples: { readonly path: string; readonly text: string };
}

/** What is wrong with each of the two files; empty where it is accepted. */
export interface EveryEvalProblems {
  /** Of the aggregate. */
  readonly aggregate: readonly string[];
  /** Of the samples. */
  readonly samples: readonly string[];
}

type Rule = (value: unknown, at: string, add: (problem: string) => void) => void;

const that = (expected: string, holds: (value: unknown) => boolean): Rule => (value, at, add) => {
  if (!holds(value)) add(`${at} is ${show(value)}: expected ${expected}`);
};
const text = that("a text", (value) => typeof value === "string");
const flag = that("true or false", (value) => typeof value === "boolean");
const number = that("a number", (value) => typeof value === "number");
const count = that("an integer from 0", (value) => Number.isSafeInteger(value) && Number(value) >= 0);
const anything: Rule = () => {};
const nothing = that("null", (value) => value === null);
const oneOf = (...values: readonly string[]) =>
  that(values.join(", "), (value) => typeof value === "string" && values.includes(value));
const bound = that(
  'a number, "Infinity" or "-Infinity"',
  (value) => typeof value === "number" || value === "Infinity" || value === "-Infinity",
);
const list = (rule: Rule): Rule => (value, at, add) => {
  if (!Array.isArray(value)) return add(`${at} is ${show(value)}: expected a list`);
  for (const [i, one] of value.entries()) rule(one, `${at}[${i}]`, add);
};
const texts: Rule = (value, at, add) => {
  if (!isJsonObject(value)) return add(`${at} is ${show(value)}: expected an object`);
  for (const [key, one] of Object.entries(value)) text(one, `${at}.${key}`, add);
};
/** An object; names that end in `?` may be missing or null, others may not, and there are no further ones. */
const object = (rules: Readonly<Record<string, Rule>>, further?: Rule): Rule => (value, at, add) => {
  if (!isJsonObject(value)) return add(`${at} is ${show(value)}: expected an object`);
  const path = (name: string) => at === "" ? name : `${at}.${name}`, names = new Set<string>();
  for (const [key, rule] of Object.entries(rules)) {
    const name = key.replace(/\?$/, ""), one = own(value, name);
    names.add(name);
    if (one === undefined || one === null && key !== name) {
      if (key === name) add(`${path(name)} is missing`);
    } else rule(one, path(name), add);
  }
  for (const [name, one] of Object.entries(value)) {
    if (names.has(name)) continue;
    if (further === undefined) add(`${path(name)} is no field`);
    else further(one, path(name), add);
  }
};

const details = { "additional_details?": texts };
const named = object({ name: text, "version?": text, ...details });
const uncertainty = object({
  "standard_error?": object({ value: number, "method?": text }),
  "confidence_interval?": object({
    lower: number,
    upper: number,
    "confidence_level?": number,
    "method?": text,
  }),
  "standard_deviation?": number,
  "num_samples?": count,
  "num_bootstrap_samples?": count,
});
const metricFields = object({
  ...{ "metric_id?": text, "metric_name?": text, "metric_kind?": text, "metric_unit?": text },
  "evaluation_description?": text,
  lower_is_better: flag,
  "score_type?": oneOf("binary", "continuous", "levels"),
  ...{ "min_score?": bound, "max_score?": bound, "level_names?": list(text), "has_unknown_level?": flag },
  ...details,
});
const metric: Rule = (value, at, add) => {
  metricFields(value, at, add);
  if (!isJsonObject(value)) return;
  const needed = { continuous: ["min_score", "max_score"], levels: ["level_names", "has_unknown_level"] };
  const type = own(value, "score_type");
  if (type !== "continuous" && type !== "levels") return;
  for (const name of needed[type]) {
    if ((own(value, name) ?? null) === null) add(`${at}.${name} is missing: ${type} scores have it`);
  }
};
const resultFields = object({
  "evaluation_result_id?": text,
  evaluation_name: text,
  source_data: object({ source_type: oneOf("url", "hf_dataset", "other"), "dataset_name?": text }, anything),
  "evaluation_timestamp?": text,
  metric_config: metric,
  score_details: object({ score: number, "uncertainty?": uncertainty, "details?": texts }),
  "generation_config?": object({ "generation_args?": anything, ...details }),
});
const result: Rule = (value, at, add) => {
  resultFields(value, at, add);
  const config = isJsonObject(value) ? own(value, "metric_config") : null;
  const scored = isJsonObject(value) ? own(value, "score_details") : null;
  if (!isJsonObject(config) || !isJsonObject(scored)) return;
  const score = own(scored, "score");
  if (typeof score !== "number") return;
  const limit = (name: string, absent: number) => Number(own(config, name) ?? absent);
  if (score >= limit("min_score", -Infinity) && score <= limit("max_score", Infinity)) return;
  add(`${at}.score_details.score is ${score}: expected one within the bounds of its metric`);
};

const aggregateRule = object({
  schema_version: text,
  evaluation_id: text,
  "evaluation_timestamp?": text,
  retrieved_timestamp: text,
  source_metadata: object({
    "source_name?": text,
    source_type: oneOf("evaluation_run", "documentation"),
    source_organization_name: text,
    evaluator_relationship: oneOf("first_party", "third_party", "collaborative", "other"),
    ...{ "source_organization_url?": text, "source_organization_logo_url?": text },
    ...details,
  }),
  eval_library: object({ name: text, version: text, ...details }),
  model_info: object({
    ...{ name: text, id: text, "developer?": text, "inference_platform?": text, "inference_engine?": named },
    additional_details: object({
      deployment_type: oneOf("self_deployed", "externally_managed", "unknown"),
      model_availability: oneOf("open_weights", "closed_weights", "unknown"),
    }, text),
  }),
  evaluation_results: list(result),
  "detailed_evaluation_results?": object({
    format: oneOf("jsonl"),
    file_path: text,
    ...{ "hash_algorithm?": text, "checksum?": text, "total_rows?": count },
    ...details,
  }),
});

const sampleFields = object({
  ...{ schema_version: text, evaluation_id: text, model_id: text, evaluation_name: text },
  "evaluation_result_id?": text,
  sample_id: text,
  "sample_hash?": text,
  interaction_type: oneOf("single_turn", "multi_turn", "agentic"),
  input: object({ raw: text, "formatted?": text, reference: list(text), "choices?": list(text) }),
  "output?": object({ raw: list(text) }, anything),
  "messages?": list(anything),
  answer_attribution: list(object({
    ...{ turn_idx: count, source: text, extracted_value: text, extraction_method: text, is_terminal: flag },
  })),
  evaluation: object({ score: number, is_correct: flag }, anything),
  ...{ "token_usage?": anything, "performance?": anything, "error?": anything, "metadata?": texts },
});
const sample: Rule = (value, at, add) => {
  sampleFields(value, at, add);
  if (!isJsonObject(value)) return;
  const single = own(value, "interaction_type") === "single_turn";
  const [needed, other] = single ? ["output", "messages"] : ["messages", "output"];
  if ((own(value, needed) ?? null) === null) add(`${at}.${needed} is missing`);
  nothing(own(value, other) ?? null, `${at}.${other}`, add);
};

/** Holds both files to the schema, and one to the other. Checksums and the version's number are not looked at, as by the project's own check. */
export function checkEveryEval({ aggregate: whole, samples: lines }: EveryEvalRecord): EveryEvalProblems {
  const aggregate: string[] = [], samples: string[] = [];
  const both = (problem: string) => void (aggregate.push(problem), samples.push(problem));
  const read = (source: string, fail: (problem: string) => void): JsonObject | null => {
    try {
      const value = parseJson(source);
      if (isJsonObject(value)) return value;
      fail("not an object");
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error));
    }
    return null;
  };
  // Samples cannot be held to an aggregate that nobody can read.
  const record = read(whole.text, (problem) => both(`${whole.path}: ${problem}`));
  if (record === null) return { aggregate, samples };
  aggregateRule(record, "", (problem) => aggregate.push(problem));
  const rows = lines.text.split("\n").filter((line) => line.trim() !== "");
  if (rows.length === 0) both(`${lines.path} has no lines`);
  const model = own(record, "model_info"), id = isJsonObject(model) ? own(model, "id") : undefined;
  for (const [i, row] of rows.entries()) {
    const value = read(row, (problem) => samples.push(`line ${i + 1}: ${problem}`));
    if (value === null) continue;
    sample(value, `line ${i + 1}`, (problem) => samples.push(problem));
    for (const [name, ours] of [["evaluation_id", own(record, "evaluation_id")], ["model_id", id]] as const) {
      if (own(value, name) !== ours) {
        both(`line ${i + 1}: ${name} is ${show(own(value, name))}: expected ${show(ours)}`);
      }
    }
  }
  const detailed = own(record, "detailed_evaluation_results");
  if (isJsonObject(detailed)) {
    const total = own(detailed, "total_rows") ?? rows.length, path = own(detailed, "file_path");
    if (total !== rows.length) {
      both(`detailed_evaluation_results.total_rows is ${show(total)}: expected ${rows.length}`);
    }
    if (path !== lines.path) {
      both(`detailed_evaluation_results.file_path is ${show(path)}: expected ${lines.path}`);
    }
  }
  return { aggregate, samples };
}
