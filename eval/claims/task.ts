/** The tasks and the metric that a published accuracy was measured with. */
import { type Claim, ClaimError } from "./files.ts";
import { choiceTasks } from "../tasks/registry.ts";

/**
 * What to evaluate for a published accuracy; a mean has several tasks.
 *
 * @throws {ClaimError} code `table` when the claim is no accuracy of a known task
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { loadClaims, taskOfClaim } from "quantbook/claims";
 * const claim = (await loadClaims()).find(({ table, key }) => table === "kivi_gen" && key === "gsm8k");
 * assertEquals(claim && taskOfClaim(claim), { tasks: ["gsm8k"], metric: "exact_match,strict-match" });
 * ```
 */
export function taskOfClaim({ id, key, dataset }: Claim): { tasks: readonly string[]; metric: string } {
  const averages: Readonly<Record<string, readonly string[]>> = {
    csqa_6_tasks: choiceTasks,
    // LLM-FP4 names it so: the same six.
    average: choiceTasks,
    csqa_5_tasks: choiceTasks.filter((name) => name !== "boolq"),
    csqa_4_tasks: ["boolq", "arc_challenge", "piqa", "winogrande"],
  };
  const several = averages[dataset ?? ""];
  if (several !== undefined) return { tasks: several, metric: "acc" };
  if (key === "gsm8k") return { tasks: [key], metric: "exact_match,strict-match" };
  if (key === "truthfulqa") return { tasks: ["truthfulqa_gen"], metric: "bleu_acc" };
  if (key === "bigbench") return { tasks: ["bbh"], metric: "exact_match,get-answer" };
  if (key === "mmlu" || choiceTasks.some((name) => name === key)) return { tasks: [key], metric: "acc" };
  throw new ClaimError("table", `${id}: no task measures ${key}`);
}
