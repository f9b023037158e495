/** What is asked of two models at one position of a text: from two rows of logits, in float64, with memory for one row. */

import { exp, log } from "../../base/elementary.ts";
import { exponential } from "./exponential.ts";

/** What a comparison knows of one position. */
export interface Position {
  /** KL(reference || candidate) over the tokens that both have, in nats. What rounding makes negative is 0. */
  readonly divergence: number;
  /** Whether both find the same token most likely; the first of equals counts. */
  readonly top1: boolean;
  /** Minus the logarithm of the probability that the candidate gives the next token, in nats; NaN where there is none. */
  readonly surprise: number;
  /** Share of the reference's five most likely tokens that are among the candidate's five. */
  readonly top5: number;
}

/** A row of the reference, against which rows of candidates are held. */
export class ReferenceRow {
  /** Probability of the most likely token. */
  confidence = NaN;
  /** Minus the logarithm of the probability that the reference gives the next token, in nats; NaN where there is none. */
  surprise = NaN;
  readonly #shares: Float64Array;
  readonly #top: Int32Array;
  readonly #other: Int32Array;
  #row: Float32Array = new Float32Array(0);
  #most = NaN;
  #sum = NaN;

  /** @param common tokens that the reference and all candidates have: probabilities are about these */
  constructor(readonly common: number) {
    this.#shares = new Float64Array(common);
    this.#top = new Int32Array(Math.min(5, common));
    this.#other = new Int32Array(Math.min(5, common));
  }

  /** Takes the logits of a position, at least `common` of them, and the token that comes next. `compare` reads the array again. */
  set(logits: Float32Array, next?: number): void {
    this.#row = logits;
    largest(logits, this.common, this.#top);
    const shares = this.#shares, { common } = this, most = logits[this.#top[0]];
    let sum = 0;
    for (let i = 0; i < common; i++) sum += shares[i] = exponential(logits[i] - most);
    this.#most = most;
    this.#sum = sum;
    this.confidence = 1 / sum;
    this.surprise = surpriseOf(logits, next, most, sum + beyond(logits, common, most));
  }

  /** Holds a candidate's logits of the same position against it. */
  compare(logits: Float32Array, next?: number): Position {
    largest(logits, this.common, this.#other);
    const row = this.#row, shares = this.#shares, { common } = this;
    const most = logits[this.#other[0]], shift = this.#most - most;
    let sum = 0, weighted = 0;
    for (let i = 0; i < common; i++) {
      sum += exponential(logits[i] - most);
      // A token that the reference rules out says nothing, even where the candidate rules it out too (-inf + inf).
      if (shares[i] > 0) weighted += shares[i] * (row[i] - logits[i] - shift);
    }
    const divergence = weighted / this.#sum + log(sum) - log(this.#sum);
    let both = 0;
    for (const id of this.#top) if (this.#other.includes(id)) both++;
    return {
      divergence: divergence < 0 ? 0 : divergence,
      surprise: surpriseOf(logits, next, most, sum + beyond(logits, common, most)),
      top1: this.#top[0] === this.#other[0],
      top5: both / this.#top.length,
    };
  }
}

/** Ids of the largest of the first `count` values, in order; of equals the first. */
function largest(values: Float32Array, count: number, into: Int32Array): void {
  const size = into.length;
  let filled = 0, least = -Infinity;
  for (let i = 0; i < count; i++) {
    const value = values[i];
    if (filled === size && !(value > least)) continue;
    let at = filled < size ? filled++ : size - 1;
    for (; at > 0 && value > values[into[at - 1]]; at--) into[at] = into[at - 1];
    into[at] = i;
    if (filled === size) least = values[into[size - 1]];
  }
}

/** Minus the logarithm of a token's probability, from what the exponentials of a whole row sum to. */
function surpriseOf(logits: Float32Array, token: number | undefined, most: number, whole: number): number {
  return token === undefined ? NaN : log(whole) - (logits[token] - most);
}

/** Sum of the exponentials of what a row has beyond the common tokens: a perplexity is about all rows of the projection. */
function beyond(logits: Float32Array, common: number, most: number): number {
  let sum = 0;
  for (let i = common; i < logits.length; i++) sum += exp(logits[i] - most);
  return sum;
}
