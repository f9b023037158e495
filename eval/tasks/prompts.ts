/** Worked examples before the question, drawn as lm-evaluation-harness draws them. */
import { PythonRandom } from "../../base/random.ts";
import type { DataRow } from "./row.ts";

/** How many worked examples, and where from. */
export interface ShotPlan {
  /** Rows to draw from. */
  readonly pool: readonly DataRow[];
  /** Worked examples per question. */
  readonly count: number;
  /** Random for each question, or the first of the pool for all. */
  readonly draw: "random" | "first";
  /** Whether to draw one more, in case the question is drawn. */
  readonly spare: boolean;
  /** Seed of the draws; one generator serves all questions in order. */
  readonly seed: number;
  /** Whether each draw follows one that nobody uses, as in the harness where worked examples and question are one message. */
  readonly twice?: boolean;
  /** Whether a draw that has the question in it more than once is made again without it, as since 0.4.9. */
  readonly again?: boolean;
}

/** The worked examples of each question, as indices into the pool. */
export function drawShots(
  questions: readonly DataRow[],
  { pool, count, draw, spare, seed, twice = false, again = false }: ShotPlan,
): number[][] {
  if (count === 0) return questions.map(() => []);
  const first = pool.slice(0, count).map((_, i) => i);
  if (draw === "first") return questions.map(() => first);
  const random = new PythonRandom(seed);
  const indices = pool.map((_, i) => i);
  const known = new Map<string, number[]>();
  for (const i of indices) {
    const text = JSON.stringify(pool[i].values);
    known.set(text, [...known.get(text) ?? [], i]);
  }
  return questions.map(({ values }) => {
    const sample = () => random.sample(indices, Math.min(pool.length, spare ? count + 1 : count));
    if (twice) sample();
    const drawn = sample();
    if (!spare) return drawn;
    const same = known.get(JSON.stringify(values)) ?? [];
    const others = drawn.filter((i) => !same.includes(i)).slice(0, count);
    if (!again || others.length === count) return others;
    const rest = indices.filter((i) => !same.includes(i));
    return random.sample(rest, Math.min(rest.length, count));
  });
}

/** A question with its answer. */
export interface WorkedExample {
  /** Up to where the answer begins. */
  readonly question: string;
  /** The answer, without the blank before it. */
  readonly answer: string;
}

/** Worked examples as one text: each question with its answer after a blank, and an empty line. */
export function shotsText(shots: readonly WorkedExample[]): string {
  return shots.map(({ question, answer }) => `${question} ${answer}\n\n`).join("");
}

/** The system prompt: an instruction of the caller, the task's description, or both. */
export function systemPrompt(instruction: string | undefined, description: string): string {
  return instruction === undefined
    ? description
    : description === ""
    ? instruction
    : `${instruction}\n\n${description}`;
}
