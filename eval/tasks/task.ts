/** What a task is: how a row of data becomes a prompt, and which numbers come out of an answer. */
import type { DataRow } from "./row.ts";

/** How a task shows worked examples before the question. */
export interface Shots {
  /** Worked examples when the caller asks for no number. */
  readonly count: number;
  /** Drawn at random for every question, the first ones of the pool, or never any, whatever the caller asks for. */
  readonly draw: "random" | "first" | "never";
  /** The split that they come from, when there is such a file; else the questions themselves. */
  readonly split: string;
  /** Whether one more is drawn in case the question itself is among them, as the harness does for these tasks. */
  readonly spare?: boolean;
}

/** Where the public set of a task lies on the hub. */
export interface PublicSet {
  /** Name of the data set: `allenai/ai2_arc`. */
  readonly name: string;
  /** Its configuration: `ARC-Easy`. */
  readonly config: string;
  /** The split of the questions. */
  readonly split: string;
  /** The split of the worked examples; without one they come from the questions. */
  readonly shots?: string;
}

interface Common {
  /** Name as lm-evaluation-harness has it. */
  readonly name: string;
  /** Data files are called `base.split.ext` or `base.ext`. */
  readonly base: string;
  /** The worked examples. */
  readonly shots: Shots;
  /** The public set, as the harness reads it. */
  readonly hub: PublicSet;
  /** Stands before everything else. */
  readonly description?: string;
}

/** A question whose possible answers are scored by their log-probability. */
export interface ChoiceExample {
  /** What stands before the answer; one text for each choice where they differ. */
  readonly context: string | readonly string[];
  /** The possible answers, without the blank that precedes them. */
  readonly continuations: readonly string[];
  /** Index of the right answer. */
  readonly gold: number;
  /** For `mc2`: so many of the continuations, the first ones, are true; or of each whether it is. */
  readonly truths?: number | readonly boolean[];
}

/**
 * `acc`: the likeliest answer; `acc_norm`: per character; `mc2`: the probability that true answers take of all; of a single answer
 * `perplexity`, and `greedy`: whether each of its tokens is the likeliest one.
 */
export type ChoiceMetric = "acc" | "acc_norm" | "mc2" | "perplexity" | "greedy";

/** A version of lm-evaluation-harness whose numbers are measured here. */
export type HarnessVersion = "0.4.8" | "0.4.13";

/** A task that chooses among given answers. */
export interface ChoiceTask extends Common {
  /** The tag of the union. */
  readonly kind: "choice";
  /** What is reported. */
  readonly metrics: readonly ChoiceMetric[];
  /** Whether continuations bring what precedes them along. */
  readonly verbatim?: boolean;
  /** Reads a row; `harness` where its versions read it differently. */
  example(row: DataRow, harness?: HarnessVersion): ChoiceExample;
}

/** A question that the model answers in its own words. */
export interface GenerationExample {
  /** The question, up to where the answer begins. */
  readonly question: string;
  /** The answer as a worked example shows it. */
  readonly answer: string;
  /** The scores of a response, by metric. */
  score(response: string): Readonly<Record<string, number>>;
  /** What the filters take out of a response, by filter; for the log. */
  extract?(response: string): Readonly<Record<string, string>>;
}

/** A task that generates text. */
export interface GenerationTask extends Common {
  /** The tag of the union. */
  readonly kind: "generation";
  /** Strings that end an answer; the end token does too. */
  readonly stop: readonly string[];
  /** Most tokens of an answer. */
  readonly maxNewTokens: number;
  /** The worked examples of a text file of the data, in place of rows. */
  readonly prefix?: (text: string) => string;
  /** Reads a row. */
  example(row: DataRow): GenerationExample;
}

/** A page of text whose every token is predicted. */
export interface RollingExample {
  /** What the model reads. */
  readonly text: string;
  /** Words of the original page. */
  readonly words: number;
  /** UTF-8 bytes of the original page. */
  readonly bytes: number;
}

/** A task that measures perplexity per word and per byte. */
export interface RollingTask extends Common {
  /** The tag of the union. */
  readonly kind: "rolling";
  /** Reads a row. */
  example(row: DataRow): RollingExample;
}

/** Any task. */
export type Task = ChoiceTask | GenerationTask | RollingTask;
