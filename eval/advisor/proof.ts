/** Two models on text that no score has seen, window by window. */
import type { Model } from "../../model/model.ts";
import { FloatPredictions } from "../metrics/divergence.ts";
import { pairedDifference } from "../metrics/paired.ts";
import { negativeLogLikelihood, type Perplexity, perplexityOf } from "../metrics/perplexity.ts";
import { forEachLogProbabilities } from "../metrics/score.ts";
import { meanOf, type PairedTest, pairedTest, studentQuantile } from "../statistics.ts";
import type { TokenWindows } from "../windows.ts";
import { AdvisorError } from "./error.ts";

/** A paired difference, mixture - uniform: below 0 where the mixture is better. */
export interface TestedDifference extends PairedTest {
  /** Ends of Student's interval at 95 %. */
  readonly interval: readonly [low: number, high: number];
}

/** What one model gives on text that no score has seen. */
export interface UnseenMeans {
  /** Mean KL(float || model), in nats per token. */
  readonly divergence: number;
  /** Ends of Student's interval of it at 95 %, windows independent. */
  readonly interval: readonly [low: number, high: number];
  /** Perplexity. */
  readonly perplexity: number;
}

/** What the held-out text says. */
export interface Proof {
  /** Windows of it, which count as independent. */
  readonly windows: number;
  /** Tokens of it. */
  readonly tokens: number;
  /** KL(float || model), in nats per token: by this the mixture is judged. */
  readonly divergence: TestedDifference;
  /** Negative log-likelihood, in nats per token: a mixture that is clearly worse by it is refused. */
  readonly perplexity: TestedDifference;
  /** Means of the mixture. */
  readonly mixture: UnseenMeans;
  /** Of the uniform scheme. */
  readonly uniform: UnseenMeans;
  /** Whether the mixture's divergence is lower at `p < 0.05`, and its perplexity not higher at `p < 0.05`. */
  readonly better: boolean;
}

/** Level of the tests. */
const alpha = 0.05;

/** The mixture against the uniform scheme. Models are run window by window: no predictions are kept. */
export async function prove(
  float: Model,
  mixture: Model,
  uniform: Model,
  windows: TokenWindows,
): Promise<Proof> {
  const models = [mixture, uniform], divergences: number[][] = [[], []], losses: number[][] = [[], []];
  for (const ids of windows) {
    const reference = await FloatPredictions.of(float, [ids]);
    for (const [i, model] of models.entries()) {
      await forEachLogProbabilities(model, [ids], (logProbabilities) => {
        divergences[i].push(reference.compare(0, logProbabilities).kl);
        losses[i].push(negativeLogLikelihood(logProbabilities, ids));
      });
    }
  }
  const predicted = windows.map(({ length }) => length - 1);
  const perplexities = losses.map((one): Perplexity => perplexityOf(one, predicted));
  const divergence = tested(pairedTest(divergences[0], divergences[1]));
  const perplexity = tested(pairedDifference(perplexities[0], perplexities[1]));
  const [ofMixture, ofUniform] = models.map((_, i): UnseenMeans => {
    const { mean, standardError } = meanOf(divergences[i]);
    const reach = studentQuantile(1 - alpha / 2, windows.length - 1) * standardError;
    return {
      divergence: mean,
      interval: [mean - reach, mean + reach],
      perplexity: perplexities[i].value,
    };
  });
  return {
    windows: windows.length,
    tokens: windows.reduce((sum, { length }) => sum + length, 0),
    divergence,
    perplexity,
    mixture: ofMixture,
    uniform: ofUniform,
    better: divergence.value < 0 && divergence.pValue < alpha &&
      !(perplexity.value > 0 && perplexity.pValue < alpha),
  };
}

function tested(test: PairedTest): TestedDifference {
  const reach = studentQuantile(1 - alpha / 2, test.degreesOfFreedom) * test.standardError;
  return { ...test, interval: [test.value - reach, test.value + reach] };
}

/** Tokens in a row that two texts do not share by chance. */
const run = 32;

/**
 * Throws where the proof's text shares 32 tokens in a row with text that has been seen (or a whole window, if that is shorter).
 *
 * @throws {AdvisorError} `seen`
 */
export function requireUnseen(proof: TokenWindows, seen: TokenWindows): void {
  const length = Math.min(run, ...proof.map((ids) => ids.length), ...seen.map((ids) => ids.length));
  const known = new Set<string>();
  for (const ids of seen) {
    for (let i = 0; i + length <= ids.length; i++) known.add(ids.subarray(i, i + length).join());
  }
  for (const [w, ids] of proof.entries()) {
    for (let i = 0; i + length <= ids.length; i++) {
      if (!known.has(ids.subarray(i, i + length).join())) continue;
      throw new AdvisorError(
        "seen",
        `proof[${w}] has tokens ${i} to ${i + length - 1} from the text of calibration or scoring: ` +
          "expected text that no score has seen",
      );
    }
  }
}
