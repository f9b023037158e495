/** Evaluates a model on a task: reads the data, builds the prompts, runs each example, and takes the means. */
import { namesIn } from "../../base/file.ts";
import type { JsonObject } from "../../base/json.ts";
import type { Model } from "../../model/model.ts";
import { hashOf } from "../../base/hash.ts";
import { show } from "../../base/show.ts";
import { groupOf, resultOf } from "./aggregate.ts";
import { findFile, hubRows, isFile, ownTasks, readRows, readText, rowsOfObjects } from "./data.ts";
import { harnessLength, taskEncoder } from "./encoder.ts";
import type { ChatSettings } from "./chat.ts";
import { TaskError } from "./error.ts";
import { LikelihoodScorer } from "./likelihood.ts";
import { openLog } from "./log.ts";
import { type AnyExample, place, type TaskRows } from "./place.ts";
import { groups, taskOf } from "./registry.ts";
import type { TaskExample, TaskResult } from "./result.ts";
import {
  answer,
  askChoice,
  type Asked,
  askRolling,
  type Placed,
  runGeneration,
  type TaskRunner,
} from "./run.ts";
import type { ChoiceExample, GenerationExample, HarnessVersion, RollingExample, Task } from "./task.ts";

/** Data that a caller has: files or rows. */
export interface TaskData {
  /** The questions: a file, rows with the fields of the public set, or `"hub"` for that set itself. */
  readonly examples: string | readonly JsonObject[];
  /** What worked examples are drawn from (default: the questions); for `bbh` the file of worked chains. */
  readonly shots?: string | readonly JsonObject[];
}

const harnessVersions: readonly HarnessVersion[] = ["0.4.8", "0.4.13"];

/** How to evaluate. */
export interface TaskOptions {
  /**
   * A directory with files `task.ext` or `task.split.ext`, one file, data, or `"hub"` for the public set on the Hugging Face
   * hub (cached, see `HF_HOME`; default: the suite's own sets). The hub has no worked chains for `bbh`: a subtask takes
   * `{ examples: "hub", shots: "chains.txt" }`.
   */
  readonly data?: string | TaskData;
  /** Only so many first examples; of each member of a group. */
  readonly limit?: number;
  /** Worked examples before each question (default: as the task is usually reported). */
  readonly fewShot?: number;
  /** Seed of their choice (default 1234). */
  readonly seed?: number;
  /** Most tokens that the model is fed (default: its positions, or 2048 where the harness finds none in the configuration). */
  readonly maxLength?: number;
  /**
   * Which version's numbers (default `"0.4.8"`). `"0.4.13"` puts the beginning token where the tokenizer does, which moves
   * log-probabilities by nats; worked examples and `truthfulqa_mc2` differ where rows repeat and labels are unsorted.
   */
  readonly harness?: HarnessVersion;
  /**
   * Whether texts get the tokenizer's special tokens (`add_bos_token`). Default: in 0.4.8 only where the model's type contains
   * "gemma", in 0.4.13 always, but for a text that begins with that token.
   */
  readonly addBosToken?: boolean;
  /** The token before an empty context and before a page (`prefix_token_id`; default: the first token, else the end token). */
  readonly prefixToken?: number;
  /**
   * Whether prompts are conversations in the model's chat template (`--apply_chat_template`), or the name of one of its
   * templates. Answers then begin without a blank; pages stay as they are.
   */
  readonly chatTemplate?: boolean | string;
  /** With `chatTemplate`: whether each worked example is a turn of its own (`--fewshot_as_multiturn`), not all in one message. */
  readonly fewShotAsMultiturn?: boolean;
  /** The system prompt, before the task's description (`--system_instruction`). */
  readonly systemInstruction?: string;
  /** Most tokens of an answer (default: the task's). */
  readonly maxNewTokens?: number;
  /** Cut longer contexts from the left, as lm-evaluation-harness does silently, where the default is an error. */
  readonly truncate?: boolean;
  /** File for one line of JSON per example; a run that finds its own log goes on where that ends. A group adds its members' names. */
  readonly log?: string;
  /** Called after each example. */
  readonly onExample?: (example: TaskExample, done: number, total: number) => void;
}

/**
 * Evaluates a model on a task, or on all members of a group (`mmlu`, `bbh`). Prompts, token splits, draws of worked
 * examples, metrics and standard errors are those of lm-evaluation-harness, 0.4.8 or 0.4.13.
 *
 * @throws {TaskError} naming the file and line of what is wrong
 *
 * @example
 * ```ts
 * import { evaluateTask, loadModel } from "quantbook";
 * import { assert } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * const { metrics, examples } = await evaluateTask(model, "arc_easy", { limit: 20 });
 * assert(metrics.acc > 0.8 && examples.length === 20);
 * ```
 */
export async function evaluateTask(
  model: Model,
  name: string,
  options: TaskOptions = {},
): Promise<TaskResult> {
  if (!Object.hasOwn(groups, name)) return await evaluateOne(model, taskOf(name), options);
  const members = await membersOf(name, options.data ?? await ownTasks());
  const subtasks: TaskResult[] = [];
  for (const part of members) {
    const log = options.log?.replace(/(\.[^./]*)?$/, (extension) => `.${part}${extension}`);
    subtasks.push(await evaluateOne(model, groups[name].member(part), { ...options, log }));
  }
  return groupOf(name, subtasks);
}

/** The members of a group whose data lies in a directory, in the order of the alphabet. */
async function membersOf(name: string, data: string | TaskData): Promise<readonly string[]> {
  const { published } = groups[name];
  if (data === "hub" && published !== undefined) return published;
  if (typeof data !== "string" || data === "hub" || await isFile(data)) {
    throw new TaskError(
      "option",
      `data must be a directory for the group ${name}, with files such as ${name}.part.test.jsonl`,
    );
  }
  const parts = new Set<string>();
  const pattern = new RegExp(`^${name}\\.(\\w+)(\\.${groups[name].split})?\\.(jsonl|json|csv|parquet)$`);
  for (const file of await namesIn(data)) {
    const found = pattern.exec(file);
    if (found !== null) parts.add(found[1]);
  }
  if (parts.size === 0) throw new TaskError("missing", `${data}: no files ${name}.<part>.jsonl`);
  return [...parts].sort();
}

async function evaluateOne(model: Model, task: Task, options: TaskOptions): Promise<TaskResult> {
  using open = await openTask(model, task, options);
  using log = options.log === undefined ? null : openLog(options.log, open.key);
  const examples: TaskExample[] = [];
  for (const one of open.placed) {
    const known = log?.done.get(one.id);
    const example = known ?? await runOne(open, one, options);
    if (known === undefined) log?.add(example);
    examples.push(example);
    options.onExample?.(example, examples.length, open.placed.length);
  }
  return open.resultOf(examples);
}

/** A task whose examples are in their places, and nothing has run. */
export interface OpenTask extends TaskRunner, Disposable {
  /** What it is. */
  readonly task: Task;
  /** Its examples. */
  readonly placed: readonly Placed<AnyExample>[];
  /** All that determines the results. */
  readonly key: Readonly<Record<string, unknown>> & { readonly examples: string };
  /** The result of examples. */
  resultOf(examples: readonly TaskExample[]): TaskResult;
}

/** Reads the data of a task and writes its prompts; `onRows` is the scorer's. */
export async function openTask(
  model: Model,
  task: Task,
  options: TaskOptions,
  onRows?: ConstructorParameters<typeof LikelihoodScorer>[1],
): Promise<OpenTask> {
  checkOptions(model, options);
  const { limit = Infinity, maxLength = harnessLength(model), truncate = false, harness = "0.4.8" } = options;
  const encoder = taskEncoder(model, options), { addBosToken, prefixToken } = encoder;
  const chat = chatSettings(options);
  const rows = await readData(task, options);
  const placed = await place(task, rows, limit, model.tokenizer, { ...options, chat });
  const key = {
    task: task.name,
    model: await model.hash(),
    examples: hashOf(placed.map(({ row, prompts }) => [row.values, prompts])),
    maxLength,
    truncate,
    maxNewTokens: newTokens(task, options),
    addBosToken,
    prefixToken,
    chat,
    ...harness === "0.4.13" && { harness },
  };
  const scorer = new LikelihoodScorer(model, onRows), delimiter = chat === null ? " " : "";
  return {
    ...{ model, task, placed, key, encoder, scorer, maxLength, truncate, delimiter },
    resultOf: (examples) => ({ ...resultOf(task.name, examples), asked: { harness, addBosToken } }),
    [Symbol.dispose]: () => scorer[Symbol.dispose](),
  };
}

async function runOne(open: OpenTask, one: Placed<AnyExample>, options: TaskOptions): Promise<TaskExample> {
  const { task } = open;
  if (task.kind === "generation") {
    return await runGeneration(open, task, one as Placed<GenerationExample>, newTokens(task, options) ?? 0);
  }
  const asked = ask(open, one);
  return asked.record(await answer(open, task, asked));
}

/** What a model is asked of an example of a task that generates nothing. */
export function ask(open: OpenTask, one: Placed<AnyExample>): Asked {
  const { task } = open;
  return task.kind === "choice"
    ? askChoice(open, one as Placed<ChoiceExample>, task)
    : askRolling(open, one as Placed<RollingExample>);
}

function newTokens(task: Task, { maxNewTokens }: TaskOptions): number | undefined {
  return task.kind === "generation" ? maxNewTokens ?? task.maxNewTokens : undefined;
}

async function readData(task: Task, { data: given, fewShot }: TaskOptions): Promise<TaskRows> {
  const data = given ?? await ownTasks();
  const prefixOf = task.kind === "generation" ? task.prefix : undefined;
  if (typeof data === "string" && data !== "hub" && !(await isFile(data))) {
    const file = await findFile(data, task.base, "test") ?? await findFile(data, task.base, "");
    if (file === undefined) {
      throw new TaskError(
        "missing",
        `${data}: no file ${task.base}.test.jsonl or ${task.base}.jsonl (or .json, .csv, .parquet)`,
      );
    }
    const chains = `${data}/${task.base}.${task.shots.split}.txt`;
    const shots = task.shots.split === "" ? undefined : await findFile(data, task.base, task.shots.split);
    return {
      questions: await readRows(file),
      pool: shots === undefined ? null : await readRows(shots),
      prefix: prefixOf !== undefined && await isFile(chains) ? prefixOf(await readText(chains)) : null,
    };
  }
  // Nobody downloads a training set for no examples.
  const published = data === "hub" && (fewShot ?? task.shots.count) > 0 && task.hub.shots !== undefined
    ? "hub"
    : undefined;
  if (data === "hub" && prefixOf !== undefined) {
    throw new TaskError("option", `data is "hub": ${task.name} needs a file of worked chains as data.shots`);
  }
  const { examples, shots } = typeof data === "string" ? { examples: data, shots: published } : data;
  const { split, shots: shotsSplit = split, ...set } = task.hub;
  const rows = (source: string | readonly JsonObject[], name: string, part: string) => {
    if (source === "hub") return hubRows({ ...set, split: part });
    return typeof source === "string" ? readRows(source) : rowsOfObjects(name, source);
  };
  const questions = await rows(examples, "data.examples", split);
  if (shots === undefined) return { questions, pool: null, prefix: null };
  if (prefixOf !== undefined && typeof shots === "string") {
    return { questions, pool: null, prefix: prefixOf(await readText(shots)) };
  }
  return { questions, pool: await rows(shots, "data.shots", shotsSplit), prefix: null };
}

/** @throws {TaskError} `option` */
function chatSettings(
  { chatTemplate = false, fewShotAsMultiturn = false }: TaskOptions,
): ChatSettings | null {
  if (chatTemplate !== false) {
    return { template: chatTemplate === true ? undefined : chatTemplate, multiturn: fewShotAsMultiturn };
  }
  if (fewShotAsMultiturn) throw new TaskError("option", "fewShotAsMultiturn needs chatTemplate");
  return null;
}

function checkOptions(model: Model, options: TaskOptions): void {
  const { limit, fewShot, maxLength, maxNewTokens, prefixToken, harness = "0.4.8" } = options;
  if (!harnessVersions.includes(harness)) {
    throw new TaskError("option", `harness is ${show(harness)}: expected ${harnessVersions.join(" or ")}`);
  }
  if (harness === "0.4.13" && (options.chatTemplate ?? false) !== false) {
    throw new TaskError(
      "option",
      "chatTemplate: conversations are known of harness 0.4.8 alone, not of 0.4.13",
    );
  }
  const { maxPositions, vocabularySize } = model.architecture;
  const check = (name: string, value: number | undefined, least: number, most = Number.MAX_SAFE_INTEGER) => {
    if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
    const accepted = most === Number.MAX_SAFE_INTEGER ? `an integer from ${least}` : `${least} to ${most}`;
    throw new TaskError("option", `${name} is ${value}: expected ${accepted}`);
  };
  check("limit", limit, 1);
  check("fewShot", fewShot, 0);
  check("maxLength", maxLength, 2, maxPositions);
  check("maxNewTokens", maxNewTokens, 1);
  check("prefixToken", prefixToken, 0, vocabularySize - 1);
}
