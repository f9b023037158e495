/** The validator's verdicts on an accepted record and on 17 changes of it; our own records; what makes none. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import verdicts from "../../../fixtures/expected/tasks/files/verdicts.json" with { type: "json" };
import { fixture } from "../../../base/fixture.ts";
import { sha256Text } from "../../../base/hash.ts";
import { TaskError } from "../error.ts";
import { everyEvalRecord } from "./every_eval.ts";
import { checkEveryEval } from "./every_eval_check.ts";
import { recorded } from "./recorded_testing.ts";

const folder = "expected/tasks/files",
  read = async (name: string) => await Deno.readTextFile(await fixture(`${folder}/${name}`));
const [whole, lines] = [await read("every_eval.json"), await read("every_eval_samples.jsonl")];
const golden = JSON.parse(whole), path = golden.detailed_evaluation_results.file_path;
const filesOf = (aggregate: string, samples: string) => ({
  aggregate: { path: path.replace("_samples.jsonl", ".json"), text: aggregate },
  samples: { path, text: samples },
});

/** Every change of `verdicts.json`, in its words. */
const changes: Readonly<Record<string, (aggregate: typeof golden, rows: (typeof golden)[]) => void>> = {
  "model_info.additional_details.deployment_type missing": (a) =>
    delete a.model_info.additional_details.deployment_type,
  "an additional_details value that is a number, not a string": (a) =>
    a.model_info.additional_details.bits = 4,
  "score_type continuous without max_score": (a) => delete a.evaluation_results[0].metric_config.max_score,
  "score over max_score": (a) => a.evaluation_results[0].score_details.score = 1.7,
  "unknown top-level key": (a) => a.extra = 1,
  "total_rows differs from the number of lines": (a) => a.detailed_evaluation_results.total_rows = 9,
  "checksum wrong": (a) => a.detailed_evaluation_results.checksum = "0".repeat(64),
  "a line's evaluation_id differs": (_, rows) => rows[2].evaluation_id = "other/x/1",
  "a line's model_id differs": (_, rows) => rows[2].model_id = "quantbook/other",
  "single_turn without output": (_, rows) => rows[0].output = null,
  "messages given for single_turn": (_, rows) =>
    rows[0].messages = [{ turn_idx: 0, role: "user", content: "x" }],
  "schema_version 0.2.2": (a) => a.schema_version = "0.2.2",
  "is_correct missing": (_, rows) => delete rows[2].evaluation.is_correct,
  "NaN score": (a) => a.evaluation_results[0].score_details.score = "NaN",
  "empty samples": (_, rows) => rows.splice(0),
  "perplexity metric without bounds and without score_type": (a) => {
    for (const name of ["score_type", "min_score", "max_score"]) {
      delete a.evaluation_results[0].metric_config[name];
    }
    a.evaluation_results[0].score_details.score = 23.5;
  },
  "max_score the string Infinity": (a) => a.evaluation_results[0].metric_config.max_score = "Infinity",
};

Deno.test("the accepted record is accepted, and each of 17 changes has the validator's verdict on both files", () => {
  assertEquals(checkEveryEval(filesOf(whole, lines)), { aggregate: [], samples: [] });
  assertEquals(verdicts.length, 17);
  for (const { change, valid } of verdicts) {
    const aggregate = JSON.parse(whole), rows = lines.trim().split("\n").map((line) => JSON.parse(line));
    changes[change](aggregate, rows);
    const text = JSON.stringify(aggregate).replace('"score":"NaN"', '"score":NaN');
    const found = checkEveryEval(filesOf(text, rows.map((row) => JSON.stringify(row) + "\n").join("")));
    const ours = { aggregate: found.aggregate.length === 0, instance: found.samples.length === 0 };
    assertEquals(ours, valid, `${change}: ${[...found.aggregate, ...found.samples].join("; ")}`);
  }
});

const run = {
  ...{
    collection: "social_iqa_own",
    developer: "quantbook",
    model: "fixture-llama",
    organization: "quantbook",
  },
  ...{
    version: "0.1.0",
    id: "7f1f3a52-6d0c-4b7e-9a57-2f0c6c1f6a10",
    date: 1795984865.02,
    written: 1795985000,
  },
  settings: { num_fewshot: "0" },
};

Deno.test("our record of the same run says what the accepted one says", () => {
  const { aggregate, samples } = everyEvalRecord(recorded, run), ours = JSON.parse(aggregate.text);
  assertEquals(aggregate.path, path.replace("_samples.jsonl", ".json"));
  for (const name of ["schema_version", "evaluation_id", "evaluation_timestamp", "retrieved_timestamp"]) {
    assertEquals(ours[name], golden[name]);
  }
  assertEquals(ours.evaluation_results[0].score_details, golden.evaluation_results[0].score_details);
  assertEquals(ours.detailed_evaluation_results.checksum, sha256Text(samples.text));
  const rows = (text: string) =>
    text.trim().split("\n").map((line) => {
      const { sample_hash: _, metadata: __, ...rest } = JSON.parse(line);
      return rest;
    });
  assertEquals(rows(samples.text), rows(lines));
});

Deno.test("a task without choices and a score that no record holds are refused", () => {
  assertThrows(() => everyEvalRecord({ ...recorded, examples: [] }, run), TaskError, "has no given choices");
  const error = assertThrows(() => everyEvalRecord({ ...recorded, metrics: { acc: 70 } }, run), TaskError);
  assert(error.message.includes("score is 70: expected one within the bounds"), error.message);
});
