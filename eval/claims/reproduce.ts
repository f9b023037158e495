/** A published number, measured on a checkpoint. */
import { QuantbookError } from "../../base/error.ts";
import { didYouMean } from "../../base/nearest.ts";
import type { Model } from "../../model/model.ts";
import { quantize, type QuantizeOptions } from "../../quant/quantize.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { corpus } from "../corpus.ts";
import { perplexity } from "../metrics/perplexity.ts";
import { evaluateTask } from "../tasks/evaluate.ts";
import { type Claim, ClaimError } from "./files.ts";
import { schemeOfClaim } from "./scheme.ts";
import { taskOfClaim } from "./task.ts";

/** A published number beside what was measured. */
export interface Reproduction {
  /** As printed. */
  readonly claimed: number;
  /** In the units of the claim. */
  readonly measured: number;
  /** Its standard error. */
  readonly standardError: number;
  /** What was applied to the model. */
  readonly scheme: Scheme;
}

/** What {@linkcode reproduceClaim} runs with. */
export interface ReproduceOptions extends QuantizeOptions {
  /**
   * Folder with `wikitext2.txt` and `c4.txt` for perplexities (windows of 2048 tokens) and the test sets of the tasks (`boolq.jsonl`,
   * `mmlu.anatomy.test.csv`, ...); the suite's own texts and questions when absent.
   */
  readonly data?: string;
  /** Windows of text, or examples of each task; all when absent. */
  readonly limit?: number;
}

/**
 * Measures a published number on a model.
 *
 * @throws {ClaimError} `table` when no scheme of the suite, or no task, stands for it
 *
 * @example
 * ```ts
 * import { loadModel } from "quantbook";
 * import { loadClaims, reproduceClaim } from "quantbook/claims";
 * import { assert } from "@std/assert";
 *
 * const claim = (await loadClaims()).find(({ table, dataset }) => table === "kivi_ppl" && dataset === "wikitext2");
 * using model = await loadModel("fixture:llama");
 * assert(claim !== undefined);
 * const { claimed, measured } = await reproduceClaim(claim, model, { limit: 1 });
 * assert(claimed === 7.24 && measured > 5);
 * ```
 */
export async function reproduceClaim(
  claim: Claim,
  model: Model,
  { data, limit, ...options }: ReproduceOptions = {},
): Promise<Reproduction> {
  const scheme = schemeOfClaim(claim);
  if (scheme === null) throw new ClaimError("table", `${claim.id}: no scheme of this project stands for it`);
  using quantized = await quantize(model, scheme, options);
  const [measured, standardError] = claim.metric === "perplexity"
    ? await textMeasured(quantized, claim, data, limit)
    : await tasksMeasured(quantized, claim, data, limit);
  return { claimed: claim.value, measured, standardError, scheme };
}

async function textMeasured(
  model: Model,
  { dataset }: Claim,
  data: string | undefined,
  windows: number | undefined,
): Promise<[number, number]> {
  const length = Math.min(2048, model.architecture.maxPositions), { tokenizer } = model;
  const name = data === undefined ? "sotu" : `${data}/${dataset}.txt`;
  const { value, standardError } = await perplexity(
    model,
    await corpus(name, { length, windows, tokenizer }),
  );
  return [value, standardError];
}

async function tasksMeasured(
  model: Model,
  claim: Claim,
  data: string | undefined,
  limit: number | undefined,
): Promise<[number, number]> {
  const { tasks, metric } = taskOfClaim(claim), values: number[] = [], errors: number[] = [];
  for (const task of tasks) {
    const { metrics, standardErrors } = await evaluateTask(model, task, { data, limit });
    values.push(metrics[metric]);
    errors.push(standardErrors[metric]);
  }
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
  return [100 * mean, 100 * Math.hypot(...errors) / errors.length];
}

/**
 * The claim of an id.
 *
 * @throws {QuantbookError} `claim`, with the nearest id
 */
export function claimOf(id: string, claims: readonly Claim[]): Claim {
  const found = claims.find((one) => one.id === id);
  if (found !== undefined) return found;
  throw new QuantbookError("claim", `no claim "${id}"${didYouMean(id, claims.map((one) => one.id))}`);
}
