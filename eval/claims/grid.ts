/** The perplexities of all published tables as a sweep; `readme_grid.ts` plans it. */
import { loadTokenizer } from "../../model/tokenizer/tokenizer.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { exists } from "../../base/file.ts";
import type { Claim } from "./files.ts";
import { schemeOfClaim } from "./scheme.ts";
import { corpus } from "../corpus.ts";
import { publishedArchitecture } from "./models.ts";
import type { SweepPlan } from "../sweep/plan.ts";

/** What a published perplexity needs to be measured. */
export interface ClaimCell {
  /** As tables name it. */
  readonly model: string;
  /** Such as `"wikitext2"`. */
  readonly dataset: string;
  /** Method and settings as printed. */
  readonly label: string;
  /** What that is in the terms of this suite. */
  readonly scheme: Scheme;
  /** How many published numbers the cell stands for. */
  readonly claims: number;
}

/** Tokens of a window; how many of them the papers take from C4 (all from WikiText-2); how many to calibrate on. */
export const windowLength = 2048, c4Windows = 256, calibrationWindows = 128;

/** The cells of all published perplexities; numbers that one measurement serves are one cell. */
export function claimCells(claims: readonly Claim[]): ClaimCell[] {
  const cells = new Map<string, ClaimCell>();
  for (const claim of claims) {
    const { model, dataset, metric, method, settings } = claim;
    const scheme = schemeOfClaim(claim);
    if (metric !== "perplexity" || scheme === null || model === null || dataset === null) continue;
    if (publishedArchitecture(model) === null) continue;
    const key = JSON.stringify([model, dataset, scheme]);
    const named = Object.entries(settings).map(([name, value]) => `${name}=${value}`).join(" ");
    const found = cells.get(key) ?? { model, dataset, label: `${method} ${named}`.trim(), scheme, claims: 0 };
    cells.set(key, { ...found, claims: found.claims + 1 });
  }
  return [...cells.values()];
}

/** The sweeps of the models in a directory on the texts in another. */
export async function claimPlans(
  claims: readonly Claim[],
  models: string,
  data: string,
): Promise<SweepPlan[]> {
  const plans: SweepPlan[] = [];
  const own = `${data}/calibration.txt`;
  const calibration = await exists(own) ? own : "calibration";
  const groups = Map.groupBy(claimCells(claims), ({ model, dataset }) => `${model}\n${dataset}`);
  for (const cells of groups.values()) {
    const [{ model: name, dataset }] = cells;
    const model = `${models}/${name}`, text = `${data}/${dataset}.txt`;
    if (!await exists(model) || !await exists(text)) continue;
    const options = { length: windowLength, tokenizer: await loadTokenizer(model) };
    plans.push({
      cells: cells.map(({ label, scheme }) => ({ model, label: `${dataset} ${label}`, scheme })),
      windows: await corpus(text, { ...options, windows: dataset === "c4" ? c4Windows : undefined }),
      calibration: await corpus(calibration, { ...options, windows: calibrationWindows, seed: 0 }),
    });
  }
  return plans;
}
