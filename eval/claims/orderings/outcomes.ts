/** What a model here did with the scheme of a published row: measured once by `bench/orderings.ts`, kept in `fixtures/results`. */
import { fixture } from "../../../base/fixture.ts";
import { readText } from "../../../base/file.ts";
import { hashOf } from "../../../base/hash.ts";
import { parseScheme, type Scheme } from "../../../quant/scheme.ts";

/** One model with one scheme. */
export interface Outcome {
  /** A specifier for `loadModel`. */
  readonly model: string;
  /** Of the published row; see {@linkcode schemeKey}. */
  readonly scheme: string;
  /** Mean negative log-likelihood of each window, in nats per token. */
  readonly losses?: readonly number[];
  /** By task and metric: a digit a question, 1 where the answer is right. */
  readonly answers?: Readonly<Record<string, string>>;
  /** Why the scheme does not run on this model, or was left out. */
  readonly refused?: string;
}

/** The file of all outcomes. */
export interface Outcomes {
  /** What was scored, by model; a model that is not through with all schemes is not among them. */
  readonly texts: Readonly<Record<string, string>>;
  /** By model, in the order of measurement. */
  readonly rows: readonly Outcome[];
}

/** Where they are stored, below the project. */
export const outcomesFile = "results/orderings.json";

/** One name for all spellings of a scheme. */
export function schemeKey(scheme: Scheme): string {
  return hashOf(parseScheme(scheme)).slice(0, 16);
}

/** The name of a task's answers. */
export function answersName(task: string, metric: string): string {
  return `${task} ${metric}`;
}

/** Reads the stored outcomes. */
export async function loadOutcomes(): Promise<Outcomes> {
  return JSON.parse(await readText(await fixture(outcomesFile)));
}
