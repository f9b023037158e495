/** What the advisor is given. */
import { show } from "../../base/show.ts";
import { type Model, requireModel } from "../../model/model.ts";
import type { WeightScheme } from "../../quant/registry.ts";
import { parseScheme } from "../../quant/scheme.ts";
import { writeScheme } from "../../quant/notation/scheme.ts";
import { requireWindows, type TokenWindows } from "../windows.ts";
import { type Budget, checkedBudget, readBudget } from "./budget.ts";
import { AdvisorError } from "./error.ts";
import { requireUnseen } from "./proof.ts";

/** What {@linkcode advise} is given. */
export interface AdviseOptions {
  /** What the model may take, as data or as text (`"900MB"`, `"4.5bpw"`). */
  readonly budget: Budget | string;
  /** What may round the weights of a linear layer: methods, bits, group sizes. */
  readonly candidates: readonly WeightScheme[];
  /** Windows that methods calibrate on, and whose inputs weigh errors. */
  readonly calibration: TokenWindows;
  /** Windows on which single layers are rounded and mixtures are chosen (default: the first four of `calibration`). */
  readonly scoring?: TokenWindows;
  /** Windows of the proof: at least two, and no text of the others. */
  readonly proof: TokenWindows;
  /** Called with how far a task is. */
  readonly onProgress?: (task: string, done: number, total: number) => void;
}

/** Options with all checks done. */
export interface CheckedOptions extends Required<Omit<AdviseOptions, "budget" | "onProgress">> {
  /** What the model may take. */
  readonly budget: Budget;
  /** Tells how far a task is. */
  readonly progress: (task: string, done: number, total: number) => void;
}

/**
 * Options with their defaults.
 *
 * @throws {AdvisorError} `budget`, `candidates`, `option` or `seen`
 */
export function checkedOptions(options: AdviseOptions, model: Model): CheckedOptions {
  requireModel(model);
  const { budget, candidates, calibration, proof, onProgress } = options;
  requireWindows(calibration, model);
  const scoring = options.scoring ?? calibration.slice(0, 4);
  requireWindows(scoring, model);
  requireWindows(proof, model);
  if (proof.length < 2) {
    throw new AdvisorError(
      "option",
      `proof has ${proof.length} window: expected at least 2, which can be tested`,
    );
  }
  if (!Array.isArray(candidates) || candidates.length < 2) {
    const given = Array.isArray(candidates) ? `has ${candidates.length}` : `is ${show(candidates)}`;
    throw new AdvisorError("candidates", `candidates ${given}: expected a list of at least 2`);
  }
  const parsed = candidates.map((weights) => {
    const { weights: one } = parseScheme({ weights });
    if (one === undefined) {
      throw new AdvisorError("candidates", `candidates has ${show(weights)}: expected a method`);
    }
    return one;
  });
  const texts = parsed.map((weights) => writeScheme({ weights }));
  const twice = texts.find((text, i) => texts.indexOf(text) < i);
  if (twice !== undefined) {
    throw new AdvisorError("candidates", `candidates has ${twice} twice: expected each once`);
  }
  requireUnseen(proof, [...calibration, ...scoring]);
  return {
    budget: typeof budget === "string" ? readBudget(budget) : checkedBudget(budget),
    candidates: parsed,
    calibration,
    scoring,
    proof,
    progress: (task, done, total) => onProgress?.(task, done, total),
  };
}
