/** BIG-bench hard: 27 subtasks with three worked chains of thought (Suzgun et al. 2022). */
import type { GenerationTask } from "../task.ts";
import { strip } from "../text.ts";

const thought = "A: Let's think step by step.";

/** Reads `input` and `target`; the worked examples are a text file, `bbh.subtask.cot.txt` or the authors' own. */
export function bbh(subtask: string): GenerationTask {
  return {
    kind: "generation",
    name: `bbh_cot_fewshot_${subtask}`,
    base: `bbh.${subtask}`,
    hub: { name: "lukaemon/bbh", config: subtask, split: "test" },
    shots: { count: 3, draw: "first", split: "cot" },
    stop: ["</s>", "Q", "\n\n"],
    maxNewTokens: 1024,
    prefix: (text) => workedChains(subtask, text),
    example: (row) => {
      const target = row.text("target");
      return {
        question: `Q: ${row.text("input")}\n${thought}\n`,
        answer: target,
        extract: (response) => ({ "get-answer": extractAnswer(response) }),
        score: (response) => ({ "exact_match,get-answer": Number(extractAnswer(response) === target) }),
      };
    },
  };
}

/**
 * The prompt's beginning out of a file of worked chains. The authors' files have a rule of dashes under a remark; the
 * harness' version of these repeats the sentence that begins a chain (not for Boolean expressions), after a blank.
 */
export function workedChains(subtask: string, text: string): string {
  const rule = "\n-----\n";
  const at = text.indexOf(rule);
  if (at < 0) return `${text.replace(/\n+$/, "")}\n\n`;
  const chains = `${text.slice(at + rule.length).replace(/\n+$/, "")}\n\n`;
  return subtask === "boolean_expressions"
    ? chains.replaceAll(`${thought}\n`, `${thought}\n `)
    : chains.replaceAll(thought, `${thought}\n ${thought.slice("A: ".length)}`);
}

/** What follows the first "the answer is ", without the line's last character, which is taken for a point. */
export function extractAnswer(response: string): string {
  const found = /(?<=the answer is )([^\n]*)(?=[^\n])/.exec(response)?.[1];
  return strip(found ?? "[invalid]");
}
