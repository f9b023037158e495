/** GSM8K: grade-school word problems, answered with the working and a final `#### number` (Cobbe et al. 2021). */
import type { GenerationTask } from "../task.ts";
import { strip } from "../text.ts";

/** Reads `question` and `answer`. Five worked examples; `strict-match` wants the final line, `flexible-extract` any last number. */
export const gsm8k: GenerationTask = {
  kind: "generation",
  name: "gsm8k",
  base: "gsm8k",
  hub: { name: "openai/gsm8k", config: "main", split: "test", shots: "train" },
  shots: { count: 5, draw: "random", split: "train" },
  stop: ["Question:", "</s>", "<|im_end|>"],
  maxNewTokens: 256,
  example: (row) => {
    const answer = row.text("answer");
    return {
      question: `Question: ${row.text("question")}\nAnswer:`,
      answer,
      extract: extractNumbers,
      score: (response) => {
        const gold = normalizeNumber(answer);
        return Object.fromEntries(
          Object.entries(extractNumbers(response))
            .map(([filter, found]) => [`exact_match,${filter}`, Number(normalizeNumber(found) === gold)]),
        );
      },
    };
  },
};

/** The answer that each filter finds in a response; `[invalid]` where there is none. */
export function extractNumbers(response: string): Record<"strict-match" | "flexible-extract", string> {
  const strict = /#### (-?[0-9.,]+)/.exec(response)?.[1];
  const last = [...response.matchAll(/(-?[$0-9.,]{2,})|(-?[0-9]+)/g)].at(-1);
  return {
    "strict-match": strip(strict ?? "[invalid]"),
    "flexible-extract": strip(last?.[1] ?? last?.[2] ?? "[invalid]"),
  };
}

/** What both sides lose before they are compared: commas, dollars, all up to the last `#### `, one final point, case. */
export function normalizeNumber(text: string): string {
  const plain = text.replace(/[,$]/g, "").replace(/^[^]*#### /, "");
  return plain.replace(/\.(?=\n?$)/, "").toLowerCase();
}
