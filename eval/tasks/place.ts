/** Examples in their places: every row read, worked examples drawn, prompts written, before anything runs. */
import type { Tokenizer } from "../../model/tokenizer/tokenizer.ts";
import { type ChatSettings, conversations } from "./chat.ts";
import { TaskError } from "./error.ts";
import { drawShots, shotsText, systemPrompt, type WorkedExample } from "./prompts.ts";
import type { DataRow } from "./row.ts";
import type { Placed } from "./run.ts";
import type { ChoiceExample, GenerationExample, HarnessVersion, RollingExample, Task } from "./task.ts";

/** An example of any task. */
export type AnyExample = ChoiceExample | GenerationExample | RollingExample;

/** The rows of a task. */
export interface TaskRows {
  /** What is asked. */
  readonly questions: readonly DataRow[];
  /** What worked examples are drawn from; null for the questions themselves. */
  readonly pool: readonly DataRow[] | null;
  /** Worked examples as a text. */
  readonly prefix: string | null;
}

/** How prompts are made. */
export interface PromptSettings {
  /** Worked examples; default: the task's own number. */
  readonly fewShot?: number;
  /** Seed of their choice. */
  readonly seed?: number;
  /** Stands before everything else. */
  readonly systemInstruction?: string;
  /** Whose habits (default `"0.4.8"`). */
  readonly harness?: HarnessVersion;
  /** Prompts are conversations; null: plain text. */
  readonly chat: ChatSettings | null;
}

/**
 * Places the first `limit` examples of a task.
 *
 * @throws {TaskError} `option`, and what the rows' own reading finds
 */
export function place(
  task: Task,
  rows: TaskRows,
  limit: number,
  tokenizer: Tokenizer,
  settings: PromptSettings,
): Promise<Placed<AnyExample>[]> {
  const { fewShot, seed = 1234, systemInstruction, harness, chat } = settings;
  const { description = "", shots } = task, { prefix } = rows;
  const questions = rows.questions.slice(0, limit),
    pool = rows.pool ?? rows.questions,
    ownPool = rows.pool === null;
  if (chat !== null && prefix !== null) {
    throw new TaskError("option", `chatTemplate: the worked chains of ${task.name} are one text, not turns`);
  }
  const asked = shots.draw === "never" ? 0 : fewShot ?? shots.count;
  const count = prefix !== null ? 0 : asked;
  // A question must not be shown with its own answer.
  const spare = ownPool || shots.spare === true;
  if (count > 0 && count + Number(ownPool) > pool.length) {
    throw new TaskError("option", `fewShot is ${count}: there are only ${pool.length} examples to show`);
  }
  const draw = shots.draw === "first" && !ownPool ? "first" : "random";
  const twice = chat !== null && !chat.multiturn;
  const again = harness === "0.4.13";
  const drawn = drawShots(questions, { pool, count, draw, spare, seed, twice, again });
  const worked = new Map<number, WorkedExample>();
  const shot = (i: number) => {
    const one = worked.get(i) ?? workedExample(task.example(pool[i], harness));
    worked.set(i, one);
    return one;
  };
  const system = systemPrompt(systemInstruction, description + (prefix ?? ""));
  return Promise.all(questions.map(async (row, id) => {
    const example = task.example(row, harness), shown = drawn[id].map(shot), contexts = questionsOf(example);
    const prompts = chat === null || contexts.length === 0
      ? contexts.map((one) => system + shotsText(shown) + one)
      : await conversations(tokenizer, chat, { system, shots: shown, questions: contexts });
    return { id, row, example, prompts };
  }));
}

function questionsOf(example: AnyExample): readonly string[] {
  if ("question" in example) return [example.question];
  if ("text" in example) return [];
  return typeof example.context === "string" ? [example.context] : example.context;
}

function workedExample(example: AnyExample): WorkedExample {
  if ("question" in example) return { question: example.question, answer: example.answer };
  if ("text" in example) return { question: example.text, answer: "" };
  const { context, continuations, gold } = example;
  return { question: typeof context === "string" ? context : context[gold], answer: continuations[gold] };
}
