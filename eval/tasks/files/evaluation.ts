/** An evaluation in the files of others: those of lm-evaluation-harness, and where it chooses among answers a record of Every Eval Ever. */
import { directoryOf, makeDirectory, writeAtomic } from "../../../base/file.ts";
import type { Model } from "../../../model/model.ts";
import { TaskError } from "../error.ts";
import { openTask, type TaskOptions } from "../evaluate.ts";
import { taskOf } from "../registry.ts";
import type { TaskResult } from "../result.ts";
import { everyEvalRecord } from "./every_eval.ts";
import { harnessFiles } from "./harness.ts";

/** What an evaluation does not know of itself. */
export interface EvaluationRun {
  /** As `evaluateTask` got them. */
  readonly options: TaskOptions;
  /** How the model is quantized, in words. */
  readonly quantization: string;
  /** Who says so. */
  readonly organization: string;
  /** Version of quantbook. */
  readonly version: string;
  /** A UUID: the name of the record. */
  readonly id: string;
  /** When the evaluation began, in seconds since 1970. */
  readonly date: number;
  /** Seconds that it took. */
  readonly seconds: number;
}

/** Versions of the harness' task files, 0.4.13. */
const versions: Readonly<Record<string, number>> = {
  ...{ boolq: 2, arc_easy: 1, arc_challenge: 1, hellaswag: 1, piqa: 1, winogrande: 1, openbookqa: 1 },
  ...{ social_iqa: 0, lambada_openai: 1, truthfulqa_mc1: 2, truthfulqa_mc2: 3 },
};

/**
 * Writes an evaluation under a directory, and returns the paths.
 *
 * @throws {TaskError} `option` where the task has no given choices, or is none of the harness' own
 */
export async function writeEvaluation(
  directory: string,
  model: Model,
  result: TaskResult,
  run: EvaluationRun,
): Promise<string[]> {
  const { options, quantization } = run, task = taskOf(result.task);
  const version = task.name.startsWith("mmlu_") ? 1 : versions[task.name];
  if (version === undefined) {
    const names = [...Object.keys(versions), "mmlu_<subject>"].join(", ");
    throw new TaskError("option", `${task.name} has no files of given choices: expected one of ${names}`);
  }
  using open = await openTask(model, task, options);
  const { addBosToken = false, harness = "0.4.8" } = result.asked ?? {};
  const fewShot = task.shots.draw === "never" ? 0 : options.fewShot ?? task.shots.count;
  const files = [...Object.values(harnessFiles(result, {
    docs: open.placed.map(({ row }) => row.values),
    model: model.name,
    modelArgs: { quantization, add_bos_token: addBosToken ? "True" : "False" },
    ...{ version, fewShot, limit: options.limit ?? null, date: run.date, seconds: run.seconds },
  }))];
  const [first] = result.examples;
  if (first?.kind === "choice" && first.choices.length > 1) {
    const { developer, name } = nameOf(model.name);
    files.push(...Object.values(everyEvalRecord(result, {
      ...{ collection: "quantbook", developer, model: name, organization: run.organization },
      ...{ version: run.version, quantization, id: run.id, date: run.date, written: run.date + run.seconds },
      settings: { num_fewshot: String(fewShot), add_bos_token: String(addBosToken), harness },
    })));
  }
  const paths: string[] = [];
  for (const { path, text } of files) {
    const target = `${directory}/${path}`;
    await makeDirectory(directoryOf(target));
    await writeAtomic(target, [new TextEncoder().encode(text)]);
    paths.push(target);
  }
  return paths;
}

/** `developer/model` of a name on the hub, a path or a fixture, in letters that paths have. */
function nameOf(name: string): { developer: string; name: string } {
  const parts = name.split(/[/\\:]/).filter((part) => part !== "").map((part) =>
    part.replaceAll(/[^\w.-]/g, "_")
  );
  return { developer: parts.at(-2) ?? "unknown", name: parts.at(-1) ?? "model" };
}
