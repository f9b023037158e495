/** Every candidate as a uniform scheme, and the scores of every part by every candidate: one quantized model is in memory at a time. */
import type { Model } from "../../model/model.ts";
import type { Scheme } from "../../quant/scheme.ts";
import type { FloatPredictions } from "../metrics/divergence.ts";
import type { WeightChoice } from "./candidates.ts";
import type { CheckedOptions } from "./options.ts";
import type { Entrant, Run } from "./run.ts";
import { sensitivities } from "./scores.ts";
import { endsSensitivities } from "./scores/ends.ts";
import type { ScoreName, Sensitivity } from "./scores/sensitivity.ts";
import type { Groups } from "./search.ts";

/** What all candidates give. */
export interface Scored {
  /** Every candidate as a uniform scheme. */
  readonly uniforms: readonly Entrant[];
  /** Choices of every part. */
  readonly groups: Groups;
}

/** Quantizes a model with each candidate, measures it and scores its parts. */
export async function scored(
  float: Model,
  run: Run,
  { candidates, ends, calibration, progress }: CheckedOptions,
  predictions: FloatPredictions,
  scores: readonly ScoreName[],
): Promise<Scored> {
  const uniforms: Entrant[] = [], rows: (readonly Sensitivity[])[] = [], ofEnds: typeof rows = [];
  const text = { calibration, predictions, scores }, { layers } = float.architecture;
  const total = candidates.length * layers,
    choices: WeightChoice[] = ends.length > 0 ? ["float", ...ends] : [];
  // What does not fit the ends is refused before hours have gone into layers.
  for (const end of choices) {
    using quantized = await run.quantized(endsScheme(end));
    ofEnds.push(await endsSensitivities(float, quantized, end, text));
  }
  for (const [i, candidate] of candidates.entries()) {
    const scheme: Scheme = candidate === "float" ? {} : { weights: candidate };
    using quantized = await run.quantized(scheme);
    uniforms.push(await run.entrant(scheme, quantized));
    for (const end of ends) {
      using ofEnd = await run.quantized(endsScheme(end));
      const { head, embedding } = ofEnd;
      using both = quantized.with({ head: head.retain(), embedding, change: endsScheme(end) });
      uniforms.push(await run.entrant({ ...scheme, ...endsScheme(end) }, both));
    }
    let done = i * layers;
    rows.push(
      await sensitivities(float, quantized, candidate, text, () => progress("scores", ++done, total)),
    );
  }
  const byPlace = (all: typeof rows) => all[0]?.map((_, place) => all.map((row) => row[place])) ?? [];
  return { uniforms, groups: [...byPlace(rows), ...byPlace(ofEnds)] };
}

const endsScheme = (end: WeightChoice): Scheme => end === "float" ? {} : { head: end, embedding: end };
