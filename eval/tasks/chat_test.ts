/**
 * Prompts of lm-evaluation-harness 0.4.8 with `--apply_chat_template`, `--fewshot_as_multiturn` and `--system_instruction`, made by
 * `fixtures/made-with/make_task_chats.py`: the same contexts and answers, character for character.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { loadModel } from "../../model/load.ts";
import { loadTokenizer } from "../../model/tokenizer/tokenizer.ts";
import { readRows } from "./data.ts";
import { TaskError } from "./error.ts";
import { evaluateTask } from "./evaluate.ts";
import { type AnyExample, place } from "./place.ts";
import { taskOf } from "./registry.ts";

interface Case {
  readonly task: string;
  readonly limit: number;
  readonly shots: number;
  readonly multiturn: boolean;
  readonly system: string | null;
  readonly description: string | null;
  readonly template: boolean | "strict";
  readonly requests: readonly (readonly [context: string, answer: string | null])[][];
}

const { strict, cases }: { strict: string; cases: Case[] } = JSON.parse(
  await Deno.readTextFile(new URL("../../fixtures/expected/tasks/chats.json", import.meta.url)),
);
const files: Readonly<Record<string, readonly [test: string, train: string]>> = {
  arc_easy: ["arc_easy", "arc_easy"],
  gsm8k: ["gsm8k.test", "gsm8k.train"],
  hellaswag: ["hellaswag", "hellaswag"],
  winogrande: ["winogrande", "winogrande"],
};
const rowsOf = (name: string) =>
  readRows(pathOf(new URL(`../../fixtures/tasks/${name}.jsonl`, import.meta.url)));

/** Contexts and answers as the harness would be asked for them. */
function requests(example: AnyExample, prompts: readonly string[], delimiter: string): unknown[] {
  if (!("continuations" in example)) return [[prompts[0], null]];
  return example.continuations.map((one, i) => [prompts[prompts.length === 1 ? 0 : i], delimiter + one]);
}

for (const one of cases) {
  const { task: name, limit, shots, multiturn, system, description, template } = one;
  const how = template === false
    ? "plain"
    : `${template === "strict" ? "no system, " : ""}${multiturn ? "turns" : "one turn"}`;
  Deno.test(`${name}, ${shots} shots, ${how}, ${system ?? "no system"} ${description === null ? "" : "described"}`, async () => {
    const tokenizer = await loadTokenizer("fixtures/models/llama"), [test, train] = files[name];
    const task = { ...taskOf(name), ...description !== null && { description } };
    const rows = { questions: await rowsOf(test), pool: (await rowsOf(train)).slice(-12), prefix: null };
    const chat = template === false
      ? null
      : { template: template === "strict" ? strict : undefined, multiturn };
    const settings = { fewShot: shots, systemInstruction: system ?? undefined, chat };
    const placed = await place(task, rows, limit, tokenizer, settings);
    const found = placed.map(({ example, prompts }) => requests(example, prompts, chat === null ? " " : ""));
    assertEquals(found as unknown, one.requests);
  });
}

Deno.test("whole tasks run as conversations; the template's first token is the only one, but for Gemma's habit", async () => {
  using model = await loadModel("fixture:llama");
  const run = async (options: Parameters<typeof evaluateTask>[2]) => {
    const { examples: [one] } = await evaluateTask(model, "arc_easy", { limit: 1, ...options });
    assert(one.kind === "choice");
    return one.choices[0];
  };
  const plain = await run({ chatTemplate: strict });
  assertEquals(plain.contextIds.filter((id) => id === model.tokenizer.bos).length, 1);
  assert(!plain.continuation.startsWith(" "), plain.continuation);
  // 0.4.8 adds the beginning of the tokenizer's own to that of the template.
  const doubled = await run({ chatTemplate: strict, addBosToken: true });
  assertEquals(doubled.contextIds.slice(0, 2), [model.tokenizer.bos, model.tokenizer.bos]);
  assert((await run({ chatTemplate: true })).context.startsWith("<|user|>"));
  await assertRejects(() => run({ fewShotAsMultiturn: true }), TaskError, "needs chatTemplate");
});
