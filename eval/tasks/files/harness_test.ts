/** The harness' own files, from the values that it recorded: samples byte for byte, results field by field. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { fixture } from "../../../base/fixture.ts";
import { TaskError } from "../error.ts";
import { harnessFiles } from "./harness.ts";
import { PythonFloat, pythonFloat, pythonJson } from "./python_json.ts";
import { docs, recorded, results } from "./recorded_testing.ts";

const run = {
  ...{ docs, model: "fixture-llama", modelArgs: { dtype: "float32" }, version: 0, fewShot: 0, limit: 10 },
  ...{ date: results.date, seconds: Number(results.total_evaluation_time_seconds) },
};

Deno.test("samples are the harness' file byte for byte", async () => {
  const expected = await Deno.readTextFile(await fixture("expected/tasks/files/samples.jsonl"));
  assertEquals(harnessFiles(recorded, run).samples.text, expected);
});

Deno.test("results agree with the harness' in every field that is known here", () => {
  const { results: { path, text } } = harnessFiles(recorded, run), ours = JSON.parse(text);
  const same = [
    "results",
    "group_subtasks",
    "versions",
    "n-shot",
    "higher_is_better",
    "n-samples",
    "date",
    "task_hashes",
  ] as const;
  for (
    const name of [...same, "model_name", "model_name_sanitized", "total_evaluation_time_seconds"] as const
  ) {
    assertEquals(ours[name], results[name], name);
  }
  for (const name of ["limit", "model_args", "numpy_seed", "fewshot_seed"] as const) {
    assertEquals(ours.config[name], results.config[name], name);
  }
  const { metric_list, output_type, num_fewshot } = results.configs.social_iqa,
    config = ours.configs.social_iqa;
  assertEquals([config.metric_list, config.output_type, config.num_fewshot], [
    metric_list,
    output_type,
    num_fewshot,
  ]);
  assert(/^fixture-llama\/results_2026-11-\d\dT\d\d-\d\d-\d\d\.\d{6}\.json$/.test(path), path);
});

Deno.test("Python's numbers and JSON", () => {
  const numbers = [1, -0, 0.1, 1e-5, 1.5e-7, 123456789012345680, 1e22, NaN, -Infinity];
  assertEquals(numbers.map(pythonFloat), [
    ...["1.0", "-0.0", "0.1", "1e-05", "1.5e-07", "1.2345678901234568e+17", "1e+22", "NaN", "-Infinity"],
  ]);
  const value = { a: [], b: {}, c: [1, new PythonFloat(1), null, true], d: "é\n" };
  assertEquals(pythonJson(value), '{"a": [], "b": {}, "c": [1, 1.0, null, true], "d": "é\\n"}');
  assertEquals(
    pythonJson({ a: [1, { b: 2 }] }, 2),
    '{\n  "a": [\n    1,\n    {\n      "b": 2\n    }\n  ]\n}',
  );
});

Deno.test("rows that are missing and tasks without choices are refused", () => {
  assertThrows(
    () => harnessFiles(recorded, { ...run, docs: [] }),
    TaskError,
    "docs has 0 entries: expected 10",
  );
  assertThrows(
    () => harnessFiles({ ...recorded, examples: [] }, run),
    TaskError,
    "social_iqa has no given choices",
  );
});
