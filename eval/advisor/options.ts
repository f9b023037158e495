/** What the advisor is given. */
import { show } from "../../base/show.ts";
import { type Model, requireModel } from "../../model/model.ts";
import type { WeightScheme } from "../../quant/registry.ts";
import { parseScheme } from "../../quant/scheme.ts";
import { writeScheme } from "../../quant/notation/scheme.ts";
import { requireWindows, type TokenWindows } from "../windows.ts";
import { type Budget, checkedBudget, readBudget } from "./budget.ts";
import { AdvisorError } from "./error.ts";
import type { WeightChoice } from "./candidates.ts";
import { requireUnseen } from "./proof.ts";
import { type ScoreName, scoreNames } from "./scores/sensitivity.ts";

/** What {@linkcode advise} is given. */
export interface AdviseOptions extends AdvisorOptions {
  /** What the model may take, as data or as text (`"900MB"`, `"4.5bpw"`, `"0.05nats"`). */
  readonly budget: Budget | string;
}

/** What {@linkcode Advisor.of} is given. */
export interface AdvisorOptions {
  /** What may round the weights of a linear layer: methods, bits, group sizes, `"float"`; at least two. */
  readonly candidates: readonly WeightChoice[];
  /**
   * What may round the output projection and the embedding, by methods that need no inputs of a linear layer; where they share a matrix, they
   * are rounded as one (default: none, both stay float). `"float"` is always among them.
   */
  readonly ends?: readonly WeightScheme[];
  /** What parts are scored by (default: all; where no gradient of the model is known, those that need none, and the advice says why). */
  readonly scores?: readonly ScoreName[];
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
export interface CheckedOptions extends Required<Omit<AdvisorOptions, "onProgress" | "scores">> {
  /** What parts are scored by; undefined where all that can be are. */
  readonly scores: readonly ScoreName[] | undefined;
  /** Tells how far a task is. */
  readonly progress: (task: string, done: number, total: number) => void;
}

/**
 * Options with their defaults.
 *
 * @throws {AdvisorError} `candidates`, `option` or `seen`
 */
export function checkedOptions(options: AdvisorOptions, model: Model): CheckedOptions {
  requireModel(model);
  const { candidates, calibration, proof, onProgress } = options;
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
  const parsed = candidatesOf("candidates", candidates);
  const ends = candidatesOf("ends", options.ends ?? []).filter((one) => one !== "float");
  requireUnseen(proof, [...calibration, ...scoring]);
  return {
    candidates: parsed,
    ends,
    scores: scoresOf(options.scores),
    calibration,
    scoring,
    proof,
    progress: (task, done, total) => onProgress?.(task, done, total),
  };
}

/**
 * A budget that can be held to on this scoring text.
 *
 * @throws {AdvisorError} `budget` or `option`
 */
export function checkedLimit(budget: Budget | string, scoring: TokenWindows): Budget {
  const limit = typeof budget === "string" ? readBudget(budget) : checkedBudget(budget);
  if (!("divergence" in limit) || scoring.length > 1) return limit;
  throw new AdvisorError(
    "option",
    `scoring has ${scoring.length} window: expected at least 2, of which a largest divergence has its upper limit`,
  );
}

/** Candidates with their defaults filled in, each once. */
function candidatesOf(name: "candidates" | "ends", given: readonly WeightChoice[]): WeightChoice[] {
  if (!Array.isArray(given)) {
    throw new AdvisorError("candidates", `${name} is ${show(given)}: expected a list of methods`);
  }
  const parsed = given.map((weights): WeightChoice => {
    if (weights === "float") return weights;
    const { weights: one } = parseScheme({ weights });
    if (one !== undefined) return one;
    throw new AdvisorError("candidates", `${name} has ${show(weights)}: expected a method`);
  });
  const texts = parsed.map((weights) => weights === "float" ? weights : writeScheme({ weights }));
  const twice = texts.find((text, i) => texts.indexOf(text) < i);
  if (twice === undefined) return parsed;
  throw new AdvisorError("candidates", `${name} has ${twice} twice: expected each once`);
}

function scoresOf(given: readonly ScoreName[] | undefined): readonly ScoreName[] | undefined {
  if (given === undefined) return undefined;
  const all: readonly unknown[] = scoreNames, wrong = given.find((one) => !all.includes(one));
  if (wrong === undefined && given.length > 0) return scoreNames.filter((name) => given.includes(name));
  const what = wrong === undefined ? "is empty" : `has ${show(wrong)}`;
  throw new AdvisorError("option", `scores ${what}: expected some of ${scoreNames.join(", ")}`);
}
