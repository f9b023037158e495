/** PIQA: two ways to reach a goal with things of the household (Bisk et al. 2020). */
import type { ChoiceTask } from "../task.ts";

/** Reads `goal`, `sol1`, `sol2` and `label` (0, 1). */
export const piqa: ChoiceTask = {
  kind: "choice",
  name: "piqa",
  base: "piqa",
  hub: { name: "ybisk/piqa", config: "plain_text", split: "validation", shots: "train" },
  metrics: ["acc", "acc_norm"],
  shots: { count: 0, draw: "random", split: "train", spare: true },
  example: (row) => ({
    context: `Question: ${row.text("goal")}\nAnswer:`,
    continuations: [row.text("sol1"), row.text("sol2")],
    gold: row.label("label", 2),
  }),
};
