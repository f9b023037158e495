/** From examples to the numbers of a task, and from tasks to those of a group, as lm-evaluation-harness has them. */
import { PythonRandom } from "../../base/random.ts";
import { meanOf, pooledStandardError } from "../statistics.ts";
import type { TaskExample, TaskResult } from "./result.ts";

/** Means and standard errors; perplexities of pages are weighted by their words and bytes. */
export function resultOf(task: string, examples: readonly TaskExample[]): TaskResult {
  const pages = examples.filter((one) => one.kind === "rolling");
  if (pages.length > 0) return { task, ...perplexities(pages), examples };
  const metrics: Record<string, number> = {}, standardErrors: Record<string, number> = {};
  for (const name of Object.keys(examples[0]?.metrics ?? {})) {
    const values = examples.map((one) => one.metrics[name]), { mean, standardError } = meanOf(values);
    metrics[name] = name === "perplexity" ? Math.exp(-mean) : mean;
    standardErrors[name] = name === "perplexity" ? bootstrapOfPerplexity(values) : standardError;
  }
  return { task, metrics, standardErrors, examples };
}

/**
 * The standard deviation of the perplexity of 100,000 samples, drawn with Python's numbers in chunks of a thousand, each with its own
 * seed (`bootstrap_stderr` in the harness' api/metrics.py). One example is its own only sample: NaN, as where the harness has none.
 */
function bootstrapOfPerplexity(logs: readonly number[]): number {
  const n = logs.length, values = Float64Array.from(logs), found = new Float64Array(100_000);
  if (n < 2) return NaN;
  for (let chunk = 0; chunk < 100; chunk++) {
    const random = new PythonRandom(chunk);
    for (let i = 0; i < 1000; i++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += values[Math.floor(random.random() * n)];
      found[1000 * chunk + i] = Math.exp(-sum / n);
    }
  }
  const mean = found.reduce((sum, one) => sum + one, 0) / found.length;
  return Math.sqrt(found.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (found.length - 1));
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
  const asked = subtasks[0]?.asked;
  return {
    task,
    metrics,
    standardErrors,
    ...asked && { asked },
    examples: subtasks.flatMap(({ examples }) => examples),
    subtasks,
  };
}
