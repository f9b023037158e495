/** From examples to the numbers of a task, and from tasks to those of a group, as lm-evaluation-harness has them. */
import { meanOf, pooledStandardError } from "../statistics.ts";
import type { TaskExample, TaskResult } from "./result.ts";

/** Means and standard errors; perplexities of pages are weighted by their words and bytes. */
export function resultOf(task: string, examples: readonly TaskExample[]): TaskResult {
  const pages = examples.filter((one) => one.kind === "rolling");
  if (pages.length > 0) return { task, ...perplexities(pages), examples };
  const metrics: Record<string, number> = {}, standardErrors: Record<string, number> = {};
  for (const name of Object.keys(examples[0]?.metrics ?? {})) {
    const { mean, standardError } = meanOf(examples.map((one) => one.metrics[name]));
    metrics[name] = mean;
    standardErrors[name] = standardError;
  }
  return { task, metrics, standardErrors, examples };
}

function perplexities(
  pages: readonly { readonly logProbability: number; readonly words: number; readonly bytes: number }[],
): Pick<TaskResult, "metrics" | "standardErrors"> {
  const total = (key: "logProbability" | "words" | "bytes") =>
    pages.reduce((sum, page) => sum + page[key], 0);
  const perByte = -total("logProbability") / total("bytes");
  return {
    metrics: {
      word_perplexity: Math.exp(-total("logProbability") / total("words")),
      byte_perplexity: Math.exp(perByte),
      bits_per_byte: perByte / Math.LN2,
    },
    standardErrors: { word_perplexity: NaN, byte_perplexity: NaN, bits_per_byte: NaN },
  };
}

/** Each example of a group counts once: means are weighted by the sizes of the tasks, their variances are pooled. */
export function groupOf(task: string, subtasks: readonly TaskResult[]): TaskResult {
  const sizes = subtasks.map(({ examples }) => examples.length);
  const all = sizes.reduce((sum, n) => sum + n, 0);
  const metrics: Record<string, number> = {}, standardErrors: Record<string, number> = {};
  for (const name of Object.keys(subtasks[0]?.metrics ?? {})) {
    metrics[name] = subtasks.reduce((sum, one, i) => sum + one.metrics[name] * sizes[i], 0) / all;
    standardErrors[name] = pooledStandardError(subtasks.map((one) => one.standardErrors[name]), sizes);
  }
  return { task, metrics, standardErrors, examples: subtasks.flatMap(({ examples }) => examples), subtasks };
}
