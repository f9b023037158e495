/** What an evaluation returns: numbers, their errors, and every example that they come from. */
import type { HarnessVersion } from "./task.ts";

/** Fields that every example has. */
export interface CommonExample {
  /** Position in the data, from 0. */
  readonly id: number;
  /** File and line that it was read from. */
  readonly where: string;
  /** By metric, 0 to 1 unless the metric says otherwise. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** One answer that was scored. */
export interface ScoredChoice {
  /** The text before the answer. */
  readonly context: string;
  /** Its tokens, before any are cut off. */
  readonly contextIds: readonly number[];
  /** The answer, with the blank that precedes it. */
  readonly continuation: string;
  /** Its tokens. */
  readonly continuationIds: readonly number[];
  /** Tokens of the context that did not fit and were left out. */
  readonly truncated: number;
  /** Natural log-probability of the continuation. */
  readonly logProbability: number;
  /** Whether each of its tokens is the likeliest one. */
  readonly isGreedy: boolean;
}

/** A question with given answers. */
export interface ChoiceRecord extends CommonExample {
  /** The tag of the union. */
  readonly kind: "choice";
  /** In the order of the data. */
  readonly choices: readonly ScoredChoice[];
  /** Index of the likeliest answer. */
  readonly prediction: number;
  /** Index of the right answer. */
  readonly gold: number;
}

/** A question that was answered freely. */
export interface GenerationRecord extends CommonExample {
  /** The tag of the union. */
  readonly kind: "generation";
  /** The prompt. */
  readonly context: string;
  /** Its tokens, before any are cut off. */
  readonly contextIds: readonly number[];
  /** Tokens of the context that did not fit and were left out. */
  readonly truncated: number;
  /** New tokens, the end token not included. */
  readonly generatedIds: readonly number[];
  /** Their text up to the first stop string. */
  readonly response: string;
  /** What each filter took out of the response. */
  readonly filtered: Readonly<Record<string, string>>;
}

/** A page whose every token was predicted. */
export interface RollingRecord extends CommonExample {
  /** The tag of the union. */
  readonly kind: "rolling";
  /** Tokens of the page. */
  readonly tokens: number;
  /** Natural log-probability of the page. */
  readonly logProbability: number;
  /** Words of the page as published. */
  readonly words: number;
  /** UTF-8 bytes of the page as published. */
  readonly bytes: number;
}

/** One example of any kind. */
export type TaskExample = ChoiceRecord | GenerationRecord | RollingRecord;

/** The outcome of a task. */
export interface TaskResult {
  /** Name of the task. */
  readonly task: string;
  /** Means over the examples, by metric; perplexities for `wikitext`. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Standard errors of the metrics as lm-evaluation-harness computes them; NaN where it gives none. */
  readonly standardErrors: Readonly<Record<string, number>>;
  /** In the order of the data. */
  readonly examples: readonly TaskExample[];
  /** Whose habits, and whether texts got the tokenizer's special tokens. */
  readonly asked?: { readonly harness: HarnessVersion; readonly addBosToken: boolean };
  /** The members of a group. */
  readonly subtasks?: readonly TaskResult[];
}
