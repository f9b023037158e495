/** Schemes of one model within one advice: quantized, measured on the text that scores see, and the nearest to the float model of them. */
import type { Model } from "../../model/model.ts";
import { BoundedMemory } from "../../quant/calibration/memory.ts";
import { writeScheme } from "../../quant/notation/scheme.ts";
import { quantize } from "../../quant/quantize.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { type Size, sizes, sum } from "../../quant/weights/sizes.ts";
import { divergenceOf, type FloatPredictions } from "../metrics/divergence.ts";
import { studentQuantile } from "../statistics.ts";
import type { CheckedOptions } from "./options.ts";
import { divergencesOn } from "./scores/alone.ts";
import type { ScoreName } from "./scores/sensitivity.ts";

/** A scheme, what it takes, and how far it is from the float model on text that scores have seen. */
export interface Entrant {
  /** The scheme. */
  readonly scheme: Scheme;
  /** The scheme as text. */
  readonly text: string;
  /** Measured bytes of the whole model. */
  readonly bytes: number;
  /** Measured bits per weight of what is rounded: linear layers, and the ends of the decoder where they have candidates. */
  readonly bitsPerWeight: number;
  /** Mean divergence on the scoring text, in nats per token. */
  readonly seenDivergence: number;
  /** Upper limit of Student's one-sided interval of it at 95 %, windows independent; NaN of one window. */
  readonly seenLimit: number;
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

/** The smallest entrant; of equals the nearest to the float model, then the first. */
export function smallest<T extends Entrant>(entrants: readonly T[]): T | null {
  const before = (a: T, b: T) =>
    a.bytes < b.bytes || a.bytes === b.bytes && a.seenDivergence < b.seenDivergence;
  return entrants.reduce<T | null>(
    (found, one) => found === null || before(one, found) ? one : found,
    null,
  );
}

/** Schemes of one model within one advice. */
export class Run {
  readonly #memory = new BoundedMemory();
  readonly #measured = new Map<string, Entrant>();

  constructor(
    private readonly float: Model,
    private readonly options: CheckedOptions,
    private readonly predictions: FloatPredictions,
  ) {}

  /** The model as a scheme makes it; the caller owns it. */
  quantized(scheme: Scheme): Promise<Model> {
    return quantize(this.float, scheme, { calibration: this.options.calibration, memory: this.#memory });
  }

  /** What a scheme takes, and how far its model is from the float one; measured once. */
  async measured(scheme: Scheme): Promise<Entrant> {
    const known = this.#measured.get(writeScheme(scheme));
    if (known !== undefined) return known;
    using model = await this.quantized(scheme);
    return await this.entrant(scheme, model);
  }

  /** The same of a model that is at hand. */
  async entrant(scheme: Scheme, quantized: Model): Promise<Entrant> {
    const { model } = sizes(quantized), { predictions } = this, text = writeScheme(scheme);
    const seen = divergenceOf(await divergencesOn(predictions, quantized), predictions.windows);
    const freedom = predictions.windows.length - 1;
    const entrant = {
      scheme,
      text,
      bytes: model.bytes,
      bitsPerWeight: this.#rounded(quantized).bitsPerWeight,
      seenDivergence: seen.value,
      seenLimit: freedom > 0 ? seen.value + studentQuantile(0.95, freedom) * seen.standardError : NaN,
    };
    this.#measured.set(text, entrant);
    return entrant;
  }

  /** What has candidates, as it is in the float model. */
  get rounded(): Size {
    return this.#rounded(this.float);
  }

  #rounded(model: Model): Size {
    const kinds = this.options.ends.length > 0 ? ["linear", "embedding", "head"] : ["linear"];
    return sum(sizes(model).parts.filter(({ kind }) => kinds.includes(kind)));
  }
}
