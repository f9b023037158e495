/** MMLU: exam questions of 57 subjects, four answers each (Hendrycks et al. 2021). */
import type { DataRow } from "../row.ts";
import type { ChoiceTask } from "../task.ts";
import { strip } from "../text.ts";

const letters = ["A", "B", "C", "D"];

/** Reads `question`, `choices` (or `choice0` to `choice3`) and `answer` (0 to 3). Worked examples are the first of `dev`. */
export function mmlu(subject: string): ChoiceTask {
  return {
    kind: "choice",
    name: `mmlu_${subject}`,
    base: `mmlu.${subject}`,
    hub: { name: "cais/mmlu", config: subject, split: "test", shots: "dev" },
    metrics: ["acc"],
    shots: { count: 0, draw: "first", split: "dev" },
    description: "The following are multiple choice questions (with answers) about " +
      `${subject.replaceAll("_", " ")}.\n\n`,
    example: (row) => {
      const choices = choicesOf(row);
      const lines = letters.map((letter, i) => `${letter}. ${choices[i]}`);
      return {
        context: [strip(row.text("question")), ...lines, "Answer:"].join("\n"),
        continuations: letters,
        gold: row.label("answer", letters.length),
      };
    },
  };
}

function choicesOf(row: DataRow): readonly string[] {
  if (!row.has("choices")) return letters.map((_, i) => row.text(`choice${i}`));
  const choices = row.texts("choices", letters.length);
  if (choices.length > letters.length) row.fail("format", `choices has ${choices.length} texts: expected 4`);
  return choices;
}
