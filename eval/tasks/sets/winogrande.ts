/** WinoGrande: which of two words a sentence means (Sakaguchi et al. 2020). */
import type { ChoiceTask } from "../task.ts";
import { strip } from "../text.ts";

/** Reads `sentence` with a `_`, `option1`, `option2` and `answer` (1, 2). Contexts differ, the rest of the sentence is scored. */
export const winogrande: ChoiceTask = {
  kind: "choice",
  name: "winogrande",
  base: "winogrande",
  hub: { name: "allenai/winogrande", config: "winogrande_xl", split: "validation", shots: "train" },
  metrics: ["acc"],
  shots: { count: 0, draw: "random", split: "train", spare: true },
  example: (row) => {
    const sentence = row.text("sentence");
    const at = sentence.indexOf("_");
    if (at < 0) {
      row.fail("format", `sentence is ${JSON.stringify(sentence)}: expected a _ for the word that is meant`);
    }
    const rest = strip(sentence.slice(at + 1));
    return {
      context: [row.text("option1"), row.text("option2")].map((option) => sentence.slice(0, at) + option),
      continuations: [rest, rest],
      gold: row.label("answer", 2, 1),
    };
  },
};
