/**
 * The advisor: a budget and candidates in, a scheme with overrides out, and the proof on text that no score has seen. Where the mixture is
 * not better than the best uniform candidate, the advice is that one.
 */
import { hashOf } from "../../base/hash.ts";
import type { Model } from "../../model/model.ts";
import { SchemeError } from "../../quant/error.ts";
import { requireGradients } from "../../quant/gradients/decoder.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { sizes } from "../../quant/weights/sizes.ts";
import { FloatPredictions } from "../metrics/divergence.ts";
import { type Budget, bytesOf } from "./budget.ts";
import { AdvisorError } from "./error.ts";
import {
  type AdviseOptions,
  type AdvisorOptions,
  checkedLimit,
  type CheckedOptions,
  checkedOptions,
} from "./options.ts";
import { type Proof, prove } from "./proof.ts";
import { best, type Entrant, type Mixture, Run, smallest } from "./run.ts";
import { scored } from "./scored.ts";
import { type ScoreName, scoreNames, type Sensitivity } from "./scores/sensitivity.ts";
import { type Groups, mixtureWithin, smallestWithin } from "./search.ts";
import { boundVerdict, budgetVerdict } from "./verdict.ts";

/** What the advisor says. */
export interface Advice {
  /** The scheme to take. */
  readonly scheme: Scheme;
  /** The same as text, for `readScheme` and the command line. */
  readonly text: string;
  /** Measured bytes of the whole model. */
  readonly bytes: number;
  /** Measured bits per weight of its linear layers (and of the ends of the decoder, where they had candidates). */
  readonly bitsPerWeight: number;
  /** Bytes that the whole model may take; of a largest divergence, those of the uniform scheme, which the mixture has to be under. */
  readonly budget: number;
  /** The largest divergence that was asked for, in nats per token; null where bytes were. */
  readonly bound: number | null;
  /**
   * Whether the mixture was better on text that no score has seen (of a largest divergence: smaller, and its mean there within the bound);
   * if not, `scheme` is the uniform one.
   */
  readonly better: boolean;
  /** That in a sentence. */
  readonly verdict: string;
  /** The best mixture on the scoring text. */
  readonly mixture: Mixture;
  /** The best uniform candidate on the scoring text: within the budget the nearest, within a divergence the smallest. */
  readonly uniform: Entrant;
  /** The mixture against the uniform candidate. */
  readonly proof: Proof;
  /** The mixtures of all scores. */
  readonly mixtures: readonly Mixture[];
  /** Every candidate as a uniform scheme, beyond the budget or not. */
  readonly uniforms: readonly Entrant[];
  /** Bytes and scores of every part by every candidate. */
  readonly sensitivities: readonly Sensitivity[];
  /** Why there are neither `fisher` nor `shapley` among the scores; null where there are, or where others were asked for. */
  readonly withoutGradients: string | null;
  /** Hash of scheme, bytes and scores: the same on any number of threads. */
  readonly hash: string;
}

/**
 * The best mixture of candidates within a budget, by an exact allocation of each score, proved against the best uniform candidate.
 *
 * @throws {AdvisorError} `budget`, when no candidate fits; `candidates`, `option`, `seen`
 * @throws {SchemeError} where a candidate does not fit the model, or no gradient is known of it and a score was asked for that needs one
 *
 * @example
 * ```ts
 * import { corpus, loadModel, rtn } from "quantbook";
 * import { advise } from "quantbook/eval";
 * import { assert } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * const advice = await advise(model, {
 *   budget: { bitsPerWeight: 3.9 },
 *   candidates: [3, 4].map((bits) => rtn({ bits, groupSize: 64 })),
 *   calibration: await corpus("calibration", { windows: 1, length: 32, seed: 0 }),
 *   proof: await corpus("sotu", { windows: 8, length: 32 }),
 * });
 * assert(advice.bytes <= advice.budget);
 * assert(advice.better === (advice.text === advice.mixture.text && advice.text !== advice.uniform.text));
 * ```
 */
export async function advise(model: Model, options: AdviseOptions): Promise<Advice> {
  // A budget that is none is refused before anything is scored.
  const budget = checkedLimit(options.budget, checkedOptions(options, model).scoring);
  return await (await Advisor.of(model, options)).advise(budget);
}

/**
 * What candidates cost a model, for advice on several budgets: parts are scored once.
 *
 * @example
 * ```ts
 * import { corpus, loadModel, rtn } from "quantbook";
 * import { Advisor } from "quantbook/eval";
 * import { assert } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * const advisor = await Advisor.of(model, {
 *   candidates: [3, 4].map((bits) => rtn({ bits, groupSize: 64 })),
 *   scores: ["fisher"],
 *   calibration: await corpus("calibration", { windows: 1, length: 32, seed: 0 }),
 *   proof: await corpus("sotu", { windows: 4, length: 32 }),
 * });
 * const [small, large] = [await advisor.advise("3.6bpw"), await advisor.advise("4.2bpw")];
 * assert(small.bytes < large.bytes);
 * ```
 */
export class Advisor {
  private constructor(
    private readonly model: Model,
    private readonly options: CheckedOptions,
    private readonly run: Run,
    private readonly scores: readonly ScoreName[],
    /** Why there are neither `fisher` nor `shapley` among the scores; null where there are, or where others were asked for. */
    readonly withoutGradients: string | null,
    /** Every candidate as a uniform scheme. */
    readonly uniforms: readonly Entrant[],
    private readonly groups: Groups,
  ) {}

  /**
   * Scores every part of a model with every candidate.
   *
   * @throws {AdvisorError} `candidates`, `option`, `seen`
   * @throws {SchemeError} where a candidate does not fit the model, or no gradient is known of it and a score was asked for that needs one
   */
  static async of(model: Model, options: AdvisorOptions): Promise<Advisor> {
    const checked = checkedOptions(options, model), { scores, reason } = await knownScores(model, checked);
    const predictions = await FloatPredictions.of(model, checked.scoring);
    const run = new Run(model, checked, predictions);
    const { uniforms, groups } = await scored(model, run, checked, predictions, scores);
    return new Advisor(model, checked, run, scores, reason, uniforms, groups);
  }

  /** Bytes and scores of every part by every candidate. */
  get sensitivities(): readonly Sensitivity[] {
    return this.groups.flat();
  }

  /**
   * The best mixture within a budget, proved.
   *
   * @throws {AdvisorError} `budget`, when no candidate fits
   */
  async advise(budget: Budget | string): Promise<Advice> {
    const { run, model, uniforms, groups, scores, sensitivities } = this;
    const asked = checkedLimit(budget, this.options.scoring);
    const { found, uniform, bytes: most, bound } = await searched(model, run, asked, this.options.progress, {
      uniforms,
      groups,
      scores,
    });
    const chosen = bound === null ? best(found) : smallest(found);
    const mixture = chosen ?? { ...uniform, score: scores[0] };
    using mixed = await run.quantized(mixture.scheme);
    using plain = await run.quantized(uniform.scheme);
    const proof = await prove(model, mixed, plain, this.options.proof);
    const better = bound === null
      ? proof.better
      : mixture.bytes < uniform.bytes && proof.mixture.divergence <= bound;
    const { scheme, text, bytes, bitsPerWeight } = better ? mixture : uniform;
    return {
      scheme,
      text,
      bytes,
      bitsPerWeight,
      budget: most,
      bound,
      better,
      verdict: bound === null
        ? budgetVerdict(mixture, uniform, proof)
        : boundVerdict(mixture, uniform, proof, bound),
      mixture,
      uniform,
      proof,
      mixtures: found,
      uniforms,
      sensitivities,
      withoutGradients: this.withoutGradients,
      hash: hashOf({ text, bytes, budget: most, bound, scores: sensitivities }),
    };
  }
}

/** The scores that can be computed: those that were asked for, or all that this model has. */
async function knownScores(
  model: Model,
  { scores, scoring }: CheckedOptions,
): Promise<{ scores: readonly ScoreName[]; reason: string | null }> {
  const needing: readonly ScoreName[] = ["fisher", "shapley"], asked = scores ?? scoreNames;
  if (!asked.some((name) => needing.includes(name))) return { scores: asked, reason: null };
  try {
    await requireGradients(model, scoring[0]);
    return { scores: asked, reason: null };
  } catch (error) {
    if (scores !== undefined || !(error instanceof SchemeError)) throw error;
    return { scores: asked.filter((name) => !needing.includes(name)), reason: error.message };
  }
}

interface Searched {
  readonly found: readonly Mixture[];
  readonly uniform: Entrant;
  readonly bytes: number;
  readonly bound: number | null;
}

/** The mixture of each score, and the uniform candidate that they are held against. */
async function searched(
  model: Model,
  run: Run,
  asked: Budget,
  progress: CheckedOptions["progress"],
  { uniforms, groups, scores }: {
    readonly uniforms: readonly Entrant[];
    readonly groups: Groups;
    readonly scores: readonly ScoreName[];
  },
): Promise<Searched> {
  const whole = sizes(model), { rounded } = run, rest = whole.model.bytes - rounded.bytes;
  const bound = "divergence" in asked ? asked.divergence : null;
  const fitting = bound === null
    ? uniforms.filter(({ bytes }) => bytes <= bytesOf(asked, whole, rounded))
    // What is not rounded has no divergence.
    : [...uniforms.filter(({ seenLimit }) => seenLimit <= bound), await run.measured({})];
  const uniform = bound === null ? best(fitting) : smallest(fitting);
  if (uniform === null) {
    const least = Math.min(...uniforms.map(({ bytes }) => bytes));
    throw new AdvisorError(
      "budget",
      `the budget is ${
        bytesOf(asked, whole, rounded)
      } bytes for the whole model: expected at least ${least}, ` +
        "what the smallest candidate takes",
    );
  }
  const budget = bound === null ? bytesOf(asked, whole, rounded) : uniform.bytes;
  const found: Mixture[] = [];
  for (const [i, score] of scores.entries()) {
    // Of a largest divergence each score has to be under what the ones before it have reached.
    const below = smallest(found)?.bytes ?? uniform.bytes;
    const one = bound === null
      ? await mixtureWithin(run, groups, score, budget, rest)
      : await smallestWithin(run, groups, score, bound, { rest, below });
    if (one !== null) found.push({ ...one, score });
    progress("mixtures", i + 1, scores.length);
  }
  return { found, uniform, bytes: budget, bound };
}
