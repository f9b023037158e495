/** The tasks by name. */
import { didYouMean } from "../../base/nearest.ts";
import { arcChallenge, arcEasy } from "./sets/arc.ts";
import { bbh } from "./sets/bbh.ts";
import { boolq } from "./sets/boolq.ts";
import { TaskError } from "./error.ts";
import { gsm8k } from "./sets/gsm8k.ts";
import { hellaswag } from "./sets/hellaswag.ts";
import { lambadaOpenai } from "./sets/lambada.ts";
import { mmlu } from "./sets/mmlu.ts";
import { mmluSubjects } from "./sets/mmlu_subjects.ts";
import { openbookqa } from "./sets/openbookqa.ts";
import { piqa } from "./sets/piqa.ts";
import { socialIqa } from "./sets/social_iqa.ts";
import type { Task } from "./task.ts";
import { truthfulqaGen, truthfulqaMc1, truthfulqaMc2 } from "./sets/truthfulqa.ts";
import { wikitext } from "./sets/wikitext.ts";
import { winogrande } from "./sets/winogrande.ts";

const single: readonly Task[] = [
  boolq,
  arcEasy,
  arcChallenge,
  hellaswag,
  piqa,
  winogrande,
  openbookqa,
  socialIqa,
  lambadaOpenai,
  gsm8k,
  truthfulqaMc1,
  truthfulqaMc2,
  truthfulqaGen,
  wikitext,
];

/** The six sets that papers on quantization average over. */
export const choiceTasks = ["boolq", "arc_easy", "arc_challenge", "hellaswag", "piqa", "winogrande"] as const;

/** Names of the tasks; `mmlu` and `bbh` are groups, of which `mmlu_<subject>` and `bbh_<subtask>` are the members. */
export const taskNames: readonly string[] = [...single.map(({ name }) => name), "mmlu", "bbh"];

/** Groups: what the files of their members are called, the member of each, and the members of the public set. */
export const groups: Readonly<
  Record<
    string,
    {
      readonly split: string;
      readonly member: (part: string) => Task;
      readonly published?: readonly string[];
    }
  >
> = {
  mmlu: { split: "test", member: mmlu, published: mmluSubjects },
  bbh: { split: "test", member: bbh },
};

/** The task of that name; a group is none. */
export function taskOf(name: string): Task {
  const found = single.find((task) => task.name === name);
  if (found !== undefined) return found;
  const member = /^(mmlu|bbh_cot_fewshot|bbh)_(\w+)$/.exec(name);
  if (member === null) {
    const names = [...taskNames, "mmlu_<subject>", "bbh_<subtask>"].join(", ");
    throw new TaskError(
      "task",
      `There is no task "${name}"${didYouMean(name, taskNames) || `: expected ${names}`}`,
    );
  }
  return member[1] === "mmlu" ? mmlu(member[2]) : bbh(member[2]);
}
