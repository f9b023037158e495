/** OpenBookQA: science questions, asked without the book's fact (Mihaylov et al. 2018). */
import type { ChoiceTask } from "../task.ts";

/** Reads `question_stem`, `choices.text`, `choices.label` and `answerKey`. The prompt is the bare question. */
export const openbookqa: ChoiceTask = {
  kind: "choice",
  name: "openbookqa",
  base: "openbookqa",
  hub: { name: "allenai/openbookqa", config: "main", split: "test", shots: "train" },
  metrics: ["acc", "acc_norm"],
  shots: { count: 0, draw: "random", split: "train" },
  example: (row) => {
    const choices = row.object("choices");
    return {
      context: row.text("question_stem"),
      continuations: choices.texts("text", 2),
      gold: row.labelOf("answerKey", choices.texts("label", 2)),
    };
  },
};
