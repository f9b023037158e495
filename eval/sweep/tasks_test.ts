/** Accuracies of a sweep over tasks are those of the tasks, and stored rows are found again. */
import { assertAlmostEquals, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { variantOf } from "../../model/checkpoint/variant_testing.ts";
import { loadModel } from "../../model/load.ts";
import { quantize } from "../../quant/quantize.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { ResultsError } from "../store/contract.ts";
import { TaskError } from "../tasks/error.ts";
import { taskSweep } from "./tasks.ts";
import { evaluateTask } from "../tasks/evaluate.ts";

Deno.test("a row has the accuracies of its tasks, is stored, and another limit is another row", async () => {
  const results = await Deno.makeTempDir(), scheme = { weights: rtn({ bits: 2 }) };
  const cells = [{ model: "fixture:llama", label: "W2", scheme }], tasks = ["arc_easy", "piqa"];
  try {
    const [row] = await taskSweep(cells, { tasks, limit: 12, results });
    using model = await loadModel("fixture:llama");
    using coarse = await quantize(model, scheme);
    const found = await Promise.all(tasks.map((task) => evaluateTask(coarse, task, { limit: 12 })));
    for (const [i, { metrics, standardErrors }] of found.entries()) {
      assertEquals(row.accuracies[tasks[i]].value, 100 * metrics.acc);
      assertEquals(row.accuracies[tasks[i]].standardError, 100 * standardErrors.acc);
    }
    const [a, b] = found.map(({ standardErrors }) => 100 * standardErrors.acc);
    assertAlmostEquals(row.average.value, 50 * (found[0].metrics.acc + found[1].metrics.acc), 1e-12);
    assertAlmostEquals(row.average.standardError, Math.sqrt(a * a + b * b) / 2, 1e-12);
    // What is stored is believed: a changed file shows that nothing was asked again.
    const path = `${results}/${row.key}.json`, text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.replace(/"average":\{"value":[^,]+/, '"average":{"value":-1'));
    const [again] = await taskSweep(cells, { tasks, limit: 12, results });
    assertEquals([again.average.value, again.accuracies], [-1, row.accuracies]);
    const [other] = await taskSweep(cells, { tasks, limit: 8, results });
    assertEquals(other.key === row.key, false);
    const missing = () => taskSweep(cells, { tasks, limit: 7, results, storedOnly: true });
    assertEquals((await assertRejects(missing, ResultsError, "tasks of fixture:llama W2")).code, "missing");
  } finally {
    await Deno.remove(results, { recursive: true });
  }
});

Deno.test("other tokens are another row, though the weights are the same", async () => {
  await using files = await variantOf("models/llama", {});
  const keyOf = async () => {
    const cells = [{ model: files.directory, label: "float", scheme: {} }];
    const [row] = await taskSweep(cells, { tasks: ["piqa"], limit: 1, results: null });
    return row.key;
  };
  const first = await keyOf();
  assertEquals(await keyOf(), first);
  const path = `${files.directory}/tokenizer_config.json`;
  const config = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, JSON.stringify({ ...config, bos_token: "<|system|>" }));
  assertNotEquals(await keyOf(), first);
});

Deno.test("tasks without an accuracy are refused before anything runs", async () => {
  const cells = [{ model: "fixture:llama", label: "float", scheme: {} }];
  for (const tasks of [[], ["piqa", "gsm8k"], ["truthfulqa_mc2"], ["wikitext"], ["bbh"], ["nonsense"]]) {
    const error = await assertRejects(() => taskSweep(cells, { tasks, limit: 2, results: null }), TaskError);
    assertEquals(error.code, "task");
  }
});
