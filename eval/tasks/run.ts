/** Runs single examples of a task on a model. */
import type { Model } from "../../model/model.ts";
import { generateUntil } from "../generation/until.ts";
import { prefixOf, type TaskEncoder } from "./encoder.ts";
import { TaskError } from "./error.ts";
import type { Likelihood, LikelihoodScorer } from "./likelihood.ts";
import { encodePair, rollingWindows, type TokenPair, type TokenRequest, tokenRequest } from "./requests.ts";
import type { ChoiceRecord, GenerationRecord, RollingRecord } from "./result.ts";
import type { DataRow } from "./row.ts";
import type {
  ChoiceExample,
  ChoiceMetric,
  ChoiceTask,
  GenerationExample,
  GenerationTask,
  RollingExample,
  Task,
} from "./task.ts";
import { codePoints } from "./text.ts";

/** What examples are run with. */
export interface TaskRunner {
  /** The model. */
  readonly model: Model;
  /** Turns its texts into tokens. */
  readonly encoder: TaskEncoder;
  /** Scores its continuations. */
  readonly scorer: LikelihoodScorer;
  /** Most tokens that the model is fed. */
  readonly maxLength: number;
  /** What stands between a context and an answer. */
  readonly delimiter: "" | " ";
  /** Whether a longer context is cut from the left, or an error. */
  readonly truncate: boolean;
}

/** An example in its place. */
export interface Placed<E> {
  /** Position in the data. */
  readonly id: number;
  /** The row that it was read from. */
  readonly row: DataRow;
  /** What the task made of the row. */
  readonly example: E;
  /** Prompts with worked examples: one, or one for each choice. */
  readonly prompts: readonly string[];
}

/** What a model is asked of an example, and the record that likelihoods make of it. */
export interface Asked {
  /** What is scored, in order. */
  readonly requests: readonly TokenRequest[];
  /** From the likelihoods of all requests. */
  record(likelihoods: readonly Likelihood[]): ChoiceRecord | RollingRecord;
}

/** Asks for the answers of a question. */
export function askChoice(
  runner: TaskRunner,
  { id, row, example, prompts }: Placed<ChoiceExample>,
  { metrics, verbatim = false }: Pick<ChoiceTask, "metrics" | "verbatim">,
): Asked {
  const { encoder, maxLength, delimiter } = runner;
  const texts = example.continuations.map((one) => verbatim ? one : delimiter + one);
  const contexts = texts.map((_, i) => prompts[prompts.length === 1 ? 0 : i]);
  const pairs = texts.map((text, i) => encodePair(encoder, contexts[i], text));
  const requests = pairs.map((pair) => atRow(row, () => tokenRequest(pair, maxLength)));
  const truncated = pairs.map((pair, i) => lengthOf(pair) - 1 - requests[i].fed.length);
  refuseTruncation(runner, row, Math.max(...truncated) + maxLength);
  return {
    requests,
    record: (likelihoods) => {
      const logs = likelihoods.map(({ logProbability }) => logProbability);
      return {
        kind: "choice",
        id,
        where: row.where,
        choices: pairs.map((pair, i) => ({
          context: contexts[i],
          contextIds: [...pair.context],
          continuation: texts[i],
          continuationIds: [...pair.continuation],
          truncated: truncated[i],
          logProbability: likelihoods[i].logProbability,
          isGreedy: likelihoods[i].isGreedy,
        })),
        prediction: largest(logs),
        gold: example.gold,
        metrics: choiceMetrics(metrics, logs, { ...example, isGreedy: likelihoods[example.gold].isGreedy }),
      };
    },
  };
}

/** The metrics of one question from the log-probabilities of its answers. */
export function choiceMetrics(
  metrics: readonly ChoiceMetric[],
  logs: readonly number[],
  { continuations, gold, truths = 1, isGreedy = false }:
    & Pick<ChoiceExample, "continuations" | "gold" | "truths">
    & { readonly isGreedy?: boolean },
): Record<string, number> {
  const isTrue = (i: number) => typeof truths === "number" ? i < truths : truths[i];
  const compute: Record<ChoiceMetric, () => number> = {
    acc: () => Number(largest(logs) === gold),
    acc_norm: () => Number(largest(logs.map((one, i) => one / codePoints(continuations[i]))) === gold),
    mc2: () => {
      // No shift by the largest, as in the harness: tiny probabilities vanish there too, and give NaN.
      const masses = logs.map(Math.exp);
      const sum = (values: readonly number[]) => values.reduce((total, one) => total + one, 0);
      return sum(masses.filter((_, i) => isTrue(i))) / sum(masses);
    },
    // The perplexity of a task is taken over all of its examples.
    perplexity: () => logs[gold],
    greedy: () => Number(isGreedy),
  };
  // The harness calls mc2's share an accuracy, and that of words that the model would say.
  const named = (name: ChoiceMetric) => name === "mc2" || name === "greedy" ? "acc" : name;
  return Object.fromEntries(metrics.map((name) => [named(name), compute[name]()]));
}

/** Lets the model answer. */
export async function runGeneration(
  runner: TaskRunner,
  task: GenerationTask,
  { id, row, example, prompts: [context] }: Placed<GenerationExample>,
  maxNewTokens: number,
): Promise<GenerationRecord> {
  const { model, encoder, maxLength } = runner;
  const { tokenizer } = model;
  const contextIds = encoder.encode(context);
  const room = maxLength - maxNewTokens;
  if (room < 1) {
    throw new TaskError(
      "length",
      `maxNewTokens is ${maxNewTokens}: the model has only ${maxLength} positions`,
    );
  }
  const truncated = Math.max(0, contextIds.length - room);
  refuseTruncation(runner, row, contextIds.length + maxNewTokens);
  const end = tokenizer.eos === undefined ? [] : [tokenizer.decode([tokenizer.eos])];
  const stop = [...new Set([...task.stop, ...end])];
  const { ids, text } = await generateUntil(model, contextIds.slice(truncated), { stop, maxNewTokens });
  return {
    kind: "generation",
    id,
    where: row.where,
    context,
    contextIds: [...contextIds],
    truncated,
    generatedIds: ids,
    response: text,
    filtered: example.extract?.(text) ?? {},
    metrics: example.score(text),
  };
}

/** Asks for every token of a page; a special token that the page begins with is one of them, after the prefix. */
export function askRolling(
  { encoder, maxLength }: TaskRunner,
  { id, row, example: { text, words, bytes } }: Placed<RollingExample>,
): Asked {
  const ids = encoder.encode(text), start = prefixOf(encoder, "A page");
  return {
    requests: rollingWindows(ids, start, maxLength).map((one) =>
      atRow(row, () => tokenRequest(one, maxLength))
    ),
    record: (likelihoods) => ({
      kind: "rolling",
      id,
      where: row.where,
      tokens: ids.length,
      logProbability: likelihoods.reduce((sum, one) => sum + one.logProbability, 0),
      words,
      bytes,
      metrics: {},
    }),
  };
}

/** Scores what is asked: the answers of a question together, since they share its context; a page's windows one by one. */
export async function answer({ scorer }: TaskRunner, task: Task, { requests }: Asked): Promise<Likelihood[]> {
  if (task.kind === "choice") return await scorer.score(requests);
  const found: Likelihood[] = [];
  for (const request of requests) found.push(...await scorer.score([request]));
  return found;
}

/** The index of the largest value, the first of equals. */
function largest(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}

function lengthOf({ context, continuation }: TokenPair): number {
  return context.length + continuation.length;
}

function refuseTruncation({ truncate, maxLength }: TaskRunner, row: DataRow, needed: number): void {
  if (truncate || needed <= maxLength) return;
  row.fail(
    "length",
    `the example takes ${needed} tokens, the model has ${maxLength}: pass truncate: true to cut its beginning off`,
  );
}

/** Errors of the tokens get the place of the row. */
function atRow<T>(row: DataRow, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    throw new TaskError(error.code, `${row.where}: ${error.message}`, { cause: error });
  }
}
