/** What a published number can be asked here: which scheme, and whether by losses or by the answers of which tasks. */
import type { Scheme } from "../../../quant/scheme.ts";
import type { Claim } from "../files.ts";
import { schemeOfClaim } from "../scheme.ts";
import { taskOfClaim } from "../task.ts";
import { answersName, schemeKey } from "./outcomes.ts";

/** How a published number is compared with its neighbours here. */
export interface Question {
  /** Of the row. */
  readonly scheme: Scheme;
  /** Its {@linkcode schemeKey}. */
  readonly key: string;
  /** Names of answers (`answersName`); null compares losses. */
  readonly answers: readonly (readonly [task: string, metric: string])[] | null;
}

/** The question of a number, or what is missing to ask it. */
export function questionOf(claim: Claim): Question | { readonly missing: string } {
  const { metric, method, settings } = claim;
  if (/latency|speedup|runtime/.test(metric ?? "")) return { missing: "the GPU kernels that were timed" };
  if (/^(memory_gb|total)$/.test(metric ?? "")) {
    return {
      missing: `a model that ${metric === "total" ? "finds a needle in its context" : "fills a GPU"}`,
    };
  }
  if (!/^(perplexity|mean_acc|acc|exact_match|bleu_acc)/.test(metric ?? "")) {
    return { missing: "a quantity that models are measured by: it is a setting" };
  }
  const scheme = schemeOfClaim(claim);
  if (scheme === null) {
    const named = Object.entries(settings).map(([name, value]) => `${name} ${value}`).join(", ");
    return {
      missing: `an implementation, or the settings, of ${method ?? "its method"}${named && ` at ${named}`}`,
    };
  }
  const key = schemeKey(scheme);
  if (metric === "perplexity") return { scheme, key, answers: null };
  try {
    const { tasks, metric: name } = taskOfClaim(claim);
    return { scheme, key, answers: tasks.map((task) => [task, name] as const) };
  } catch {
    return { missing: `the questions of ${claim.dataset ?? claim.key}` };
  }
}

/** What one scheme is measured for: itself, and all tasks that rows with it print. */
export interface Wanted {
  readonly scheme: Scheme;
  readonly tasks: readonly (readonly [task: string, metric: string])[];
}

/** All schemes of the published tables with the tasks that are asked of them, each once, in the order of print. */
export function wantedOf(claims: readonly Claim[]): Wanted[] {
  const all = new Map<string, { scheme: Scheme; tasks: Map<string, readonly [string, string]> }>();
  for (const claim of claims) {
    const question = questionOf(claim);
    if ("missing" in question) continue;
    const { scheme, key, answers } = question;
    const one = all.get(key) ?? { scheme, tasks: new Map() };
    for (const [task, metric] of answers ?? []) one.tasks.set(answersName(task, metric), [task, metric]);
    all.set(key, one);
  }
  return [...all.values()].map(({ scheme, tasks }) => ({ scheme, tasks: [...tasks.values()] }));
}
