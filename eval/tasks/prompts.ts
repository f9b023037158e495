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
}

/** The worked examples of each question, as indices into the pool. */
export function drawShots(
  questions: readonly DataRow[],
  { pool, count, draw, spare, seed }: ShotPlan,
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
    const drawn = random.sample(indices, Math.min(pool.length, spare ? count + 1 : count));
    if (!spare) return drawn;
    const same = known.get(JSON.stringify(values)) ?? [];
    return drawn.filter((i) => !same.includes(i)).slice(0, count);
  });
}

/** A prompt: the description, each worked example and a blank line, the question. */
export function promptOf(description: string, shots: readonly string[], question: string): string {
  return description + shots.map((shot) => `${shot}\n\n`).join("") + question;
}
