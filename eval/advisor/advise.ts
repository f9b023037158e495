/**
 * The advisor: a budget and candidates in, a scheme with overrides out, and the proof on text that no score has seen. Where the mixture is
 * not better than the best uniform candidate within the same bytes, the advice is that one.
 */
import { hashOf } from "../../base/hash.ts";
import type { Model } from "../../model/model.ts";
import { sizes } from "../../quant/weights/sizes.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { FloatPredictions } from "../metrics/divergence.ts";
import { bytesOf } from "./budget.ts";
import { AdvisorError } from "./error.ts";
import { type AdviseOptions, checkedOptions } from "./options.ts";
import { type Proof, prove } from "./proof.ts";
import { best, type Entrant, type Mixture, mixtureOf, Run } from "./run.ts";
import { scoreNames, sensitivities, type Sensitivity } from "./scores.ts";

/** What the advisor says. */
export interface Advice {
  /** The scheme to take. */
  readonly scheme: Scheme;
  /** The same as text, for `readScheme` and the command line. */
  readonly text: string;
  /** Measured bytes of the whole model. */
  readonly bytes: number;
  /** Measured bits per weight of its linear layers. */
  readonly bitsPerWeight: number;
  /** Bytes that the whole model may take. */
  readonly budget: number;
  /** Whether the mixture was better on text that no score has seen; if not, `scheme` is the uniform one. */
  readonly better: boolean;
  /** That in a sentence. */
  readonly verdict: string;
  /** The best mixture on the scoring text. */
  readonly mixture: Mixture;
  /** The best uniform candidate within the budget on the scoring text. */
  readonly uniform: Entrant;
  /** The mixture against the uniform candidate. */
  readonly proof: Proof;
  /** The mixtures of all scores. */
  readonly mixtures: readonly Mixture[];
  /** Every candidate as a uniform scheme, beyond the budget or not. */
  readonly uniforms: readonly Entrant[];
  /** Bytes and scores of every linear layer by every candidate. */
  readonly sensitivities: readonly Sensitivity[];
  /** Hash of scheme, bytes and scores: the same on any number of threads. */
  readonly hash: string;
}

/**
 * The best mixture of candidates within a budget, by an exact allocation of each score, proved against the best uniform candidate.
 *
 * @throws {AdvisorError} `budget`, when no candidate fits; `candidates`, `option`, `seen`
 * @throws {SchemeError} where a candidate does not fit the model
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
  const checked = checkedOptions(options, model), { candidates, progress, proof: unseen } = checked;
  const predictions = await FloatPredictions.of(model, checked.scoring);
  const run = new Run(model, checked, predictions), budget = bytesOf(checked.budget, sizes(model));
  const uniforms: Entrant[] = [], rows: (readonly Sensitivity[])[] = [];
  for (const [i, weights] of candidates.entries()) {
    using quantized = await run.quantized({ weights });
    uniforms.push(await run.entrant({ weights }, quantized));
    const text = { calibration: checked.calibration, predictions }, { layers } = model.architecture;
    let done = i * layers;
    const total = candidates.length * layers;
    rows.push(await sensitivities(model, quantized, weights, text, () => progress("scores", ++done, total)));
  }
  const uniform = best(uniforms.filter(({ bytes }) => bytes <= budget));
  if (uniform === null) {
    const least = Math.min(...uniforms.map(({ bytes }) => bytes));
    throw new AdvisorError(
      "budget",
      `the budget is ${budget} bytes for the whole model: expected at least ${least}, what the smallest candidate takes`,
    );
  }
  const mixtures: Mixture[] = [];
  for (const [i, score] of scoreNames.entries()) {
    const found = await mixtureOf(run, rows, score, budget, mixtures);
    if (found !== null) mixtures.push({ ...found, score });
    progress("mixtures", i + 1, scoreNames.length);
  }
  const mixture = best(mixtures) ?? { ...uniform, score: scoreNames[0] };
  using mixed = await run.quantized(mixture.scheme);
  using plain = await run.quantized(uniform.scheme);
  const proof = await prove(model, mixed, plain, unseen);
  const { scheme, text, bytes, bitsPerWeight } = proof.better ? mixture : uniform;
  const all = rows.flat(), recipe = { text, bytes, budget, scores: all };
  return {
    scheme,
    text,
    bytes,
    bitsPerWeight,
    budget,
    better: proof.better,
    verdict: verdictOf(mixture, uniform, proof),
    mixture,
    uniform,
    proof,
    mixtures,
    uniforms,
    sensitivities: all,
    hash: hashOf(recipe),
  };
}

function verdictOf(mixture: Entrant, uniform: Entrant, { better, divergence, windows }: Proof): string {
  if (mixture.text === uniform.text) return "the best mixture is the uniform scheme itself";
  const { value, interval, pValue } = divergence, number = (x: number) => String(Number(x.toPrecision(3)));
  const numbers = `${number(value)} nats per token of divergence [${interval.map(number).join(", ")}], p = ${
    pValue.toPrecision(2)
  }, on ${windows} windows that no score has seen`;
  return better
    ? `the mixture is better than ${uniform.text}: ${numbers}`
    : `the mixture is not shown to be better than ${uniform.text}, which is the advice: ${numbers}`;
}
