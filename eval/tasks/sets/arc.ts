/** ARC: science questions of school exams in two sets, easy and challenge (Clark et al. 2018). */
import type { ChoiceTask } from "../task.ts";

function arc(set: "arc_easy" | "arc_challenge"): ChoiceTask {
  return {
    kind: "choice",
    name: set,
    base: set,
    hub: {
      name: "allenai/ai2_arc",
      config: set === "arc_easy" ? "ARC-Easy" : "ARC-Challenge",
      split: "test",
      shots: "train",
    },
    metrics: ["acc", "acc_norm"],
    shots: { count: 0, draw: "random", split: "train" },
    example: (row) => {
      const choices = row.object("choices");
      const continuations = choices.texts("text", 2);
      const labels = choices.texts("label", 2);
      if (labels.length !== continuations.length) {
        row.fail("format", `choices has ${continuations.length} texts and ${labels.length} labels`);
      }
      return {
        context: `Question: ${row.text("question")}\nAnswer:`,
        continuations,
        gold: row.labelOf("answerKey", labels),
      };
    },
  };
}

/** Reads `question`, `choices.text`, `choices.label` and `answerKey`. */
export const arcEasy = arc("arc_easy");
/** Reads the same fields. */
export const arcChallenge = arc("arc_challenge");
