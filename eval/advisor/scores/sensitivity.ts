/** What scores are, and what they are computed on. */
import type { LinearRole } from "../../../model/architecture.ts";
import type { WeightScheme } from "../../../quant/registry.ts";
import type { FloatPredictions } from "../../metrics/divergence.ts";
import type { TokenWindows } from "../../windows.ts";

/**
 * What a part is scored by; of each, less is better.
 *
 * - `noise`: `sum (W - W')^2 / sum W^2`, the inverse of the signal-to-noise ratio.
 * - `hessian`: `tr((W - W') X^T X (W - W')^T)` per calibration token, the squared error of its output (Hassibi & Stork 1993; GPTQ, section 3).
 * - `fisher`: `sum F (W - W')^2 / 2` with the diagonal of the empirical Fisher information, in nats per token.
 * - `divergence`: mean KL(float || this part alone rounded), in nats per token of the scoring text: a pass over it for each part.
 * - `shapley`: its share of KL(float || all parts rounded), by Aumann and Shapley, in nats per token; the only one that adds up.
 */
export type ScoreName = "noise" | "hessian" | "fisher" | "divergence" | "shapley";

/** All scores. */
export const scoreNames: readonly ScoreName[] = ["noise", "hessian", "fisher", "divergence", "shapley"];

/** One part as one candidate rounds it. */
export interface Sensitivity {
  /** Index of the decoder layer; null for the ends of the decoder. */
  readonly layer: number | null;
  /** Which linear layer (all experts of it); `ends` are output projection and embedding where they share one matrix. */
  readonly role: LinearRole | "head" | "embedding" | "ends";
  /** The candidate. */
  readonly weights: WeightScheme | "float";
  /** Bytes that it takes so: codes, scales, zero points, all else. */
  readonly bytes: number;
  /** By score: those that were asked for and, where no gradient of the model is known, neither `fisher` nor `shapley`. */
  readonly scores: Readonly<Partial<Record<ScoreName, number>>>;
}

/** What scores are computed on. */
export interface ScoringText {
  /** Windows whose inputs weigh errors. */
  readonly calibration: TokenWindows;
  /** The float model's predictions on the windows of the scoring text. */
  readonly predictions: FloatPredictions;
  /** What is computed. */
  readonly scores: readonly ScoreName[];
}

/** Those scores that were asked for. */
export function only(
  all: Readonly<Record<ScoreName, number>>,
  asked: readonly ScoreName[],
): Sensitivity["scores"] {
  return Object.fromEntries(
    scoreNames.filter((name) => asked.includes(name)).map((name) => [name, all[name]]),
  );
}
