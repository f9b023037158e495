/** HellaSwag: how a description of an everyday scene goes on (Zellers et al. 2019). */
import type { ChoiceTask } from "../task.ts";
import { capitalize, strip } from "../text.ts";

/** Reads `activity_label`, `ctx_a`, `ctx_b`, `endings` and `label`. */
export const hellaswag: ChoiceTask = {
  kind: "choice",
  name: "hellaswag",
  base: "hellaswag",
  hub: { name: "Rowan/hellaswag", config: "default", split: "validation", shots: "train" },
  metrics: ["acc", "acc_norm"],
  shots: { count: 0, draw: "random", split: "train", spare: true },
  example: (row) => {
    const endings = row.texts("endings", 2);
    const scene = `${row.text("ctx_a")} ${capitalize(row.text("ctx_b"))}`;
    return {
      context: cleanMarkup(`${row.text("activity_label")}: ${scene}`),
      continuations: endings.map(cleanMarkup),
      gold: row.label("label", endings.length),
    };
  },
};

/** Takes out the marks that WikiHow left: `[title]` ends a sentence, other brackets go, and so does each second blank. */
export function cleanMarkup(text: string): string {
  return strip(text).replaceAll(" [title]", ". ").replace(/\[[^\n]*?\]/g, "").replaceAll("  ", " ");
}
