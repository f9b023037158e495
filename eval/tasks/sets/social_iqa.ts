/** Social IQa: why people do what they do, and what follows (Sap et al. 2019). */
import type { ChoiceTask } from "../task.ts";

/** Reads `context`, `question`, `answerA`, `answerB`, `answerC` and `label` (1 to 3). */
export const socialIqa: ChoiceTask = {
  kind: "choice",
  name: "social_iqa",
  base: "social_iqa",
  hub: { name: "lighteval/siqa", config: "default", split: "validation", shots: "train" },
  metrics: ["acc"],
  shots: { count: 0, draw: "random", split: "train", spare: true },
  example: (row) => ({
    context: `Q: ${row.text("context")} ${row.text("question")}\nA:`,
    continuations: ["answerA", "answerB", "answerC"].map((name) => row.text(name)),
    gold: row.label("label", 3, 1),
  }),
};
