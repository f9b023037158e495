/** LAMBADA: the last word of a passage, which only its whole tells (Paperno et al. 2016; the wording is OpenAI's). */
import type { ChoiceTask } from "../task.ts";

/** Reads `text`. Words stand between single blanks, as the harness splits them. */
export const lambadaOpenai: ChoiceTask = {
  kind: "choice",
  name: "lambada_openai",
  base: "lambada_openai",
  hub: { name: "EleutherAI/lambada_openai", config: "default", split: "test" },
  metrics: ["perplexity", "greedy"],
  // The word brings its blank along, so that a worked example has two.
  verbatim: true,
  shots: { count: 0, draw: "random", split: "", spare: true },
  example: (row) => {
    const words = row.text("text").split(" "), last = words.pop() ?? "";
    if (words.length === 0 || last === "") {
      row.fail("format", `text is ${JSON.stringify(row.text("text"))}: expected a passage and its last word`);
    }
    return { context: words.join(" "), continuations: [` ${last}`], gold: 0 };
  },
};
