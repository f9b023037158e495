/** BoolQ: a passage and a question that is answered yes or no (Clark et al. 2019). */
import type { ChoiceTask } from "../task.ts";

/** Reads `passage`, `question` and `answer` (true, false) or `label` (0, 1). */
export const boolq: ChoiceTask = {
  kind: "choice",
  name: "boolq",
  base: "boolq",
  hub: { name: "aps/super_glue", config: "boolq", split: "validation", shots: "train" },
  metrics: ["acc"],
  shots: { count: 0, draw: "random", split: "train", spare: true },
  example: (row) => ({
    context: `${row.text("passage")}\nQuestion: ${row.text("question")}?\nAnswer:`,
    continuations: ["no", "yes"],
    gold: Number(row.flag(row.has("label") ? "label" : "answer")),
  }),
};
