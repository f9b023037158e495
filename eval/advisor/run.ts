/** Schemes within a budget: measured, and the nearest to the float model of them. */
import type { Model } from "../../model/model.ts";
import { BoundedMemory } from "../../quant/calibration/memory.ts";
import { writeScheme } from "../../quant/notation/scheme.ts";
import { quantize } from "../../quant/quantize.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { sizes } from "../../quant/weights/sizes.ts";
import { divergenceOf, type FloatPredictions } from "../metrics/divergence.ts";
import { allocate } from "./allocate.ts";
import { schemeOfAssignments } from "./mixture.ts";
import type { CheckedOptions } from "./options.ts";
import { divergencesOn, type ScoreName, type Sensitivity } from "./scores.ts";

/** A scheme, what it takes, and how far it is from the float model on text that scores have seen. */
export interface Entrant {
  /** The scheme. */
  readonly scheme: Scheme;
  /** The scheme as text. */
  readonly text: string;
  /** Measured bytes of the whole model. */
  readonly bytes: number;
  /** Measured bits per weight of its linear layers. */
  readonly bitsPerWeight: number;
  /** Mean divergence on the scoring text, in nats per token. */
  readonly seenDivergence: number;
}

/** A mixture and the score that it was made by. */
export interface Mixture extends Entrant {
  /** The score. */
  readonly score: ScoreName;
}

/** The entrant nearest to the float model; of equals the smaller one, then the first. */
export function best<T extends Entrant>(entrants: readonly T[]): T | null {
  const nearer = (a: T, b: T) =>
    a.seenDivergence < b.seenDivergence || a.seenDivergence === b.seenDivergence && a.bytes < b.bytes;
  return entrants.reduce<T | null>(
    (found, one) => found === null || nearer(one, found) ? one : found,
    null,
  );
}

/** Schemes of one model within one advice. */
export class Run {
  readonly #memory = new BoundedMemory();

  constructor(
    private readonly float: Model,
    private readonly options: CheckedOptions,
    private readonly predictions: FloatPredictions,
  ) {}

  /** The model as a scheme makes it; the caller owns it. */
  quantized(scheme: Scheme): Promise<Model> {
    return quantize(this.float, scheme, { calibration: this.options.calibration, memory: this.#memory });
  }

  /** What a scheme takes, and how far its model is from the float one. */
  async entrant(scheme: Scheme, quantized: Model): Promise<Entrant> {
    const { linear, model } = sizes(quantized), { predictions } = this;
    const seen = divergenceOf(await divergencesOn(predictions, quantized), predictions.windows);
    return {
      scheme,
      text: writeScheme(scheme),
      bytes: model.bytes,
      bitsPerWeight: linear.bitsPerWeight,
      seenDivergence: seen.value,
    };
  }

  /** Bytes of all that is no linear layer. */
  get rest(): number {
    const { linear, model } = sizes(this.float);
    return model.bytes - linear.bytes;
  }
}

/** The mixture that one score asks for, measured. Where bytes depend on what a layer sees, the budget of the next try is less by the excess. */
export async function mixtureOf(
  run: Run,
  rows: readonly (readonly Sensitivity[])[],
  score: ScoreName,
  budget: number,
  known: readonly Entrant[],
): Promise<Entrant | null> {
  const groups = rows[0].map((_, place) => rows.map((row) => row[place]));
  let left = budget - run.rest;
  for (let attempt = 0; attempt < 8; attempt++) {
    const found = allocate(
      groups.map((group) => group.map(({ bytes, scores }) => ({ bytes, cost: scores[score] }))),
      left,
    );
    if (found === null) return null;
    const scheme = schemeOfAssignments(found.choices.map((choice, place) => groups[place][choice]));
    const text = writeScheme(scheme), before = known.find((one) => one.text === text);
    if (before !== undefined) return before;
    using quantized = await run.quantized(scheme);
    const entrant = await run.entrant(scheme, quantized);
    if (entrant.bytes <= budget) return entrant;
    left -= entrant.bytes - budget;
  }
  return null;
}
