/** Two models on the questions of one task, paired. */
import type { TaskResult } from "./result.ts";
import { fail, type PairedTest, pairedTest, StatisticsError } from "../statistics.ts";

/**
 * Whether two evaluations of one task differ, example by example.
 *
 * @param metric default: the first of the task
 * @throws {StatisticsError} `pairs` when they are not of the same examples
 *
 * @example
 * ```ts
 * import { compareTasks, evaluateTask, loadModel, quantize, rtn } from "quantbook";
 * import { assert } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * using coarse = await quantize(model, { weights: rtn({ bits: 2 }) });
 * const [a, b] = [await evaluateTask(coarse, "piqa", { limit: 30 }), await evaluateTask(model, "piqa", { limit: 30 })];
 * const { value, pValue } = compareTasks(a, b);
 * assert(value < 0 && pValue < 0.05);
 * ```
 */
export function compareTasks(a: TaskResult, b: TaskResult, metric?: string): PairedTest {
  const name = metric ?? Object.keys(a.metrics)[0];
  const same = a.task === b.task && a.examples.length === b.examples.length &&
    a.examples.every(({ id, where }, i) => id === b.examples[i].id && where === b.examples[i].where);
  if (!same) throw new StatisticsError("pairs", `${a.task} and ${b.task} were not run on the same examples`);
  const asked = ({ asked: one }: TaskResult) => one && `${one.harness} with addBosToken ${one.addBosToken}`;
  if (a.asked !== undefined && b.asked !== undefined && asked(a) !== asked(b)) {
    throw new StatisticsError("pairs", `${a.task} was asked as in ${asked(a)}, and as in ${asked(b)}`);
  }
  const values = ({ examples }: TaskResult) => examples.map(({ metrics }) => metrics[name]);
  if (values(a).some((value) => value === undefined)) fail("metric", name, Object.keys(a.metrics).join(", "));
  return pairedTest(values(a), values(b));
}
