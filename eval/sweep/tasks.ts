/** Accuracies of models and schemes on choice tasks, stored as the rows of a sweep are: what published task tables list. */
import { environmentVariable } from "../../base/environment.ts";
import { defaultDevice } from "../../kernels/default.ts";
import { loadModel } from "../../quant/published/load.ts";
import { quantize } from "../../quant/quantize.ts";
import { ownCode } from "../../quant/quantize/code.ts";
import { resolveScheme } from "../../quant/quantize/resolve.ts";
import { parseScheme } from "../../quant/scheme.ts";
import { resultsLocation, sourceHash } from "../store/key.ts";
import { readBytes } from "../../base/file.ts";
import { hashOf, sha256Hex } from "../../base/hash.ts";
import type { TokenWindows } from "../windows.ts";
import { openStore } from "../store.ts";
import { storedOr } from "../store/contract.ts";
import { type Cell, storeOf } from "./cell.ts";
import { evaluateTask } from "../tasks/evaluate.ts";
import { TaskError } from "../tasks/error.ts";
import { choiceTasks, groups, taskOf } from "../tasks/registry.ts";

/** A share of right answers in percent. */
export interface Accuracy {
  /** Percent. */
  readonly value: number;
  /** Its standard error, in percent. */
  readonly standardError: number;
}

/** The accuracies of one cell. */
export interface TaskRow extends Cell {
  /** By task. */
  readonly accuracies: Readonly<Record<string, Accuracy>>;
  /** Their mean; its standard error is that of a mean of independent numbers. */
  readonly average: Accuracy;
  /** Hash of all that determines the values above. */
  readonly key: string;
  /** What of the model's files was not used, if there is anything (`Model.notices`). */
  readonly notices?: readonly string[];
}

/** What a sweep over tasks runs with. */
export interface TaskSweepOptions {
  /** Tasks that have an accuracy (default: the six that papers average over). */
  readonly tasks?: readonly string[];
  /** First examples of each task that are asked (default 25). */
  readonly limit?: number;
  /** Windows for methods that calibrate. */
  readonly calibration?: TokenWindows;
  /** Where rows are stored (default `QUANTBOOK_CACHE` or `.quantbook/results`); null stores nothing. */
  readonly results?: string | null;
  /** Whether a row that is not stored is an error instead of being measured (default: when `QUANTBOOK_STORED` is set). */
  readonly storedOnly?: boolean;
  /** Called after each cell. */
  readonly onRow?: (row: TaskRow) => void;
}

/**
 * Asks each model, quantized as its cell says, the first questions of each task; accuracies are lm-evaluation-harness' `acc`.
 *
 * @throws {TaskError} `task`, when there are no tasks or one has no accuracy
 * @throws {ResultsError} `missing`, when only stored rows are wanted and one is not there
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { rtn, taskSweep } from "quantbook";
 *
 * const cells = [{}, { weights: rtn({ bits: 2 }) }].map((scheme, i) => ({ model: "fixture:llama", scheme, label: `${i}` }));
 * const [float, coarse] = await taskSweep(cells, { tasks: ["arc_easy", "piqa"], limit: 10, results: null });
 * assert(float.average.value > coarse.average.value);
 * ```
 */
export async function taskSweep(cells: readonly Cell[], options: TaskSweepOptions = {}): Promise<TaskRow[]> {
  const { tasks = choiceTasks, limit = 25, calibration = [], onRow = () => {} } = options;
  requireAccuracies(tasks);
  const location = options.results === undefined ? resultsLocation() : options.results;
  const store = location === null ? null : await openStore(location);
  const device = await defaultDevice();
  const shared = {
    code: await sourceHash(["eval/sweep/measurement.ts", "eval/tasks/evaluate.ts"], ["fixtures/tasks"]),
    device: device.name,
    tasks,
    limit,
    calibration: calibration.map((ids) => Array.from(ids)),
  };
  const rows: TaskRow[] = [];
  for (const cell of cells) {
    const scheme = parseScheme(cell.scheme);
    using model = await loadModel(cell.model, { device });
    const code = await ownCode(resolveScheme(scheme));
    const own = Object.keys(code.code).length > 0 ? { methods: code.code } : {};
    const tokenizer = await tokenizerHash(model.checkpoint.directory);
    const key = hashOf({ ...shared, model: await model.hash(), tokenizer, scheme, ...own });
    const make = async () => {
      using quantized = await quantize(model, scheme, { calibration });
      const accuracies: Record<string, Accuracy> = {};
      for (const task of tasks) {
        const { metrics, standardErrors } = await evaluateTask(quantized, task, { limit });
        accuracies[task] = { value: 100 * metrics.acc, standardError: 100 * standardErrors.acc };
      }
      const { notices } = model, average = averageOf(Object.values(accuracies));
      return { ...cell, accuracies, average, key, ...notices.length > 0 && { notices } };
    };
    const wanted = {
      what: `tasks of ${cell.model} ${cell.label}`,
      storedOnly: options.storedOnly ?? environmentVariable("QUANTBOOK_STORED") !== undefined,
    };
    const { value } = await storedOr(storeOf(store, code, wanted), key, make, wanted);
    const row = { ...value, ...cell };
    rows.push(row);
    onRow(row);
  }
  return rows;
}

/** Files whose contents decide how texts become tokens; a GGUF file holds its own, and is part of the model's hash. */
const tokenizerFiles = [
  ...["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"],
  ...["vocab.json", "merges.txt", "tokenizer.model"],
];

async function tokenizerHash(directory: string): Promise<string> {
  const contents = tokenizerFiles.map((name) =>
    readBytes(`${directory}/${name}`).then(sha256Hex, () => null)
  );
  return hashOf(await Promise.all(contents));
}

function requireAccuracies(tasks: readonly string[]): void {
  if (tasks.length === 0) throw new TaskError("task", "tasks is empty: expected at least one");
  for (const name of tasks) {
    const task = groups[name]?.member("any") ?? taskOf(name);
    if (task.kind === "choice" && task.metrics.includes("acc")) continue;
    throw new TaskError(
      "task",
      `tasks has ${name}, which has no accuracy: expected ${choiceTasks.join(", ")} or the like`,
    );
  }
}

function averageOf(all: readonly Accuracy[]): Accuracy {
  const value = all.reduce((sum, one) => sum + one.value, 0) / all.length;
  return { value, standardError: Math.hypot(...all.map(({ standardError }) => standardError)) / all.length };
}
