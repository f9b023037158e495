/**
 * Fits the scales and signs of groups of weights to binary codes, on the host.
 *
 * With the scales fixed, which signs a weight gets depends only on where it lies between the `2^bits` levels. So the
 * weights are sorted once, with prefix sums; a round of alternating fitting then finds the ends of `2^bits` intervals
 * instead of visiting every weight, and the number of rounds hardly costs anything.
 */
import { checkFitBinary } from "../check.ts";
import type { BinaryFit, BinaryRule } from "../codes.ts";

const { fround, abs } = Math;

/** The sign of plane `i` in a pattern: bit 1 is +1, bit 0 is -1. */
function sign(pattern: number, i: number): number {
  return ((pattern >> i & 1) << 1) - 1;
}

/** `sum_i alpha_i B_i` in float32, the scales being `alphas[at]` and on. */
export function levelOf(pattern: number, alphas: Float32Array, bits: number, at = 0): number {
  let level = 0;
  for (let i = 0; i < bits; i++) level = fround(level + sign(pattern, i) * alphas[at + i]);
  return level;
}

/**
 * See `Device.fitBinary`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fitBinary } from "./binary_fit.ts";
 *
 * const { alphas, patterns } = fitBinary(Float32Array.of(3, 1, -1, -3), { bits: 2, groupSize: 4, rounds: 0 });
 * assertEquals(alphas, Float32Array.of(2, 1));
 * assertEquals(patterns, Uint8Array.of(3, 1, 2, 0));
 * ```
 */
export function fitBinary(weights: Float32Array, rule: BinaryRule): BinaryFit {
  const groups = checkFitBinary(weights, rule), { bits, groupSize, rounds } = rule;
  const patterns = new Uint8Array(weights.length), alphas = new Float32Array(groups * bits);
  const fit = new GroupFit(bits, groupSize);
  for (let group = 0; group < groups; group++) {
    const first = group * groupSize;
    fit.run(weights.subarray(first, first + groupSize), rounds);
    alphas.set(fit.alphas, group * bits);
    patterns.set(fit.patterns, first);
  }
  return { patterns, alphas };
}

/** Fits one group after the other, in scratch memory of its own. */
class GroupFit {
  /** One scale per plane. */
  readonly alphas: Float32Array;
  /** One pattern per weight: bit `i` is set where plane `i` is +1. */
  readonly patterns: Uint8Array;
  /** `B^T B`, `[bits, bits]`, and `B^T w`. */
  readonly #covariance: Float64Array;
  readonly #correlation: Float64Array;
  /** The weights in order; `#sums[n]` is the sum of the `n` least. */
  readonly #sorted: Float32Array;
  readonly #sums: Float64Array;
  /** The patterns by level from the least to the greatest, and the levels. */
  readonly #order: Uint8Array;
  readonly #levels: Float32Array;
  readonly #residual: Float32Array;
  readonly #direction: Float32Array;
  readonly #product: Float32Array;

  constructor(readonly bits: number, readonly groupSize: number) {
    this.alphas = new Float32Array(bits);
    this.patterns = new Uint8Array(groupSize);
    this.#covariance = new Float64Array(bits * bits);
    this.#correlation = new Float64Array(bits);
    this.#sorted = new Float32Array(groupSize);
    this.#sums = new Float64Array(groupSize + 1);
    this.#order = new Uint8Array(2 ** bits);
    this.#levels = new Float32Array(2 ** bits);
    this.#residual = new Float32Array(bits);
    this.#direction = new Float32Array(bits);
    this.#product = new Float32Array(bits);
  }

  /** Greedy fitting of `groupSize` weights, then `rounds` rounds of alternating fitting in float32. */
  run(weights: Float32Array, rounds: number): void {
    this.#fitGreedy(weights);
    if (rounds === 0 || this.bits === 1) return;
    // A group's codes depend on no other group, where levels are equal neither.
    for (let n = 0; n < this.#order.length; n++) this.#order[n] = n;
    this.#sorted.set(weights);
    this.#sorted.sort();
    for (let j = 0; j < weights.length; j++) this.#sums[j + 1] = this.#sums[j] + this.#sorted[j];
    for (let round = 0; round < rounds; round++) {
      if (round > 0) this.#countIntervals();
      this.#solveScales();
      this.#sortLevels();
    }
    for (let j = 0; j < weights.length; j++) {
      let low = 0, high = this.#levels.length - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (weights[j] < this.#end(middle)) high = middle;
        else low = middle + 1;
      }
      this.patterns[j] = this.#order[low];
    }
  }

  /** Plane by plane: the sign of what is left, and its mean magnitude. A sign of 0 is +1 in patterns alone. */
  #fitGreedy(weights: Float32Array): void {
    const { bits, groupSize } = this;
    const rest = weights.slice(), planes = new Int8Array(groupSize * bits);
    this.patterns.fill(0);
    for (let i = 0; i < bits; i++) {
      let sum = 0;
      for (let j = 0; j < groupSize; j++) sum += abs(rest[j]);
      const alpha = this.alphas[i] = fround(fround(sum) / groupSize);
      for (let j = 0; j < groupSize; j++) {
        const b = planes[j * bits + i] = Math.sign(rest[j]);
        if (b >= 0) this.patterns[j] |= 1 << i;
        rest[j] -= b * alpha;
      }
    }
    this.#covariance.fill(0);
    this.#correlation.fill(0);
    for (let j = 0; j < groupSize; j++) {
      for (let i = 0; i < bits; i++) {
        const b = planes[j * bits + i];
        this.#correlation[i] += b * weights[j];
        for (let k = 0; k < bits; k++) this.#covariance[i * bits + k] += b * planes[j * bits + k];
      }
    }
  }

  /** Where the interval of a level ends: weights in the middle belong to the next one. */
  #end(level: number): number {
    return fround(this.#levels[level] + this.#levels[level + 1]) / 2;
  }

  /** Orders the levels; the last order is nearly right. */
  #sortLevels(): void {
    const order = this.#order, levels = this.#levels;
    for (let n = 0; n < order.length; n++) {
      const pattern = order[n], level = levelOf(pattern, this.alphas, this.bits);
      let at = n;
      for (; at > 0 && levels[at - 1] > level; at--) {
        order[at] = order[at - 1];
        levels[at] = levels[at - 1];
      }
      order[at] = pattern;
      levels[at] = level;
    }
  }

  /** `B^T B` and `B^T w` of the signs that the levels give, from the count and sum of the weights near each level. */
  #countIntervals(): void {
    const { bits } = this;
    const covariance = this.#covariance, correlation = this.#correlation;
    covariance.fill(0);
    correlation.fill(0);
    for (let level = 0, from = 0; level < this.#levels.length; level++) {
      const last = level === this.#levels.length - 1;
      const to = last ? this.groupSize : this.#countBelow(this.#end(level), from);
      const sum = this.#sums[to] - this.#sums[from], pattern = this.#order[level];
      for (let i = 0; i < bits && to > from; i++) {
        correlation[i] += sign(pattern, i) * sum;
        for (let k = 0; k < bits; k++) {
          covariance[i * bits + k] += sign(pattern, i) * sign(pattern, k) * (to - from);
        }
      }
      from = to;
    }
  }

  /** How many weights are less than `limit`, at least `low`. */
  #countBelow(limit: number, low: number): number {
    let high = this.groupSize;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sorted[middle] < limit) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Least squares scales by as many steps of conjugate gradients as there are planes, from the scales at hand; their
   * magnitudes, from the greatest to the least. The reference code keeps its divisions finite with 1e-6, which is not
   * small beside weights of 0.01: that damps the steps, and is part of its result.
   */
  #solveScales(): void {
    const { bits, alphas } = this;
    const r = this.#residual, p = this.#direction, product = this.#product;
    this.#multiply(alphas, product);
    for (let i = 0; i < bits; i++) p[i] = r[i] = fround(this.#correlation[i]) - product[i];
    let square = this.#dot(r, r);
    for (let step = 0; step < bits; step++) {
      this.#multiply(p, product);
      const length = fround(square / fround(this.#dot(p, product) + 1e-6));
      for (let i = 0; i < bits; i++) {
        alphas[i] += fround(length * p[i]);
        r[i] -= fround(length * product[i]);
      }
      const next = this.#dot(r, r);
      const beta = fround(next / fround(square + 1e-6));
      for (let i = 0; i < bits; i++) p[i] = r[i] + fround(beta * p[i]);
      square = next;
    }
    for (let i = 0; i < bits; i++) {
      const alpha = abs(alphas[i]);
      let at = i;
      for (; at > 0 && alphas[at - 1] < alpha; at--) alphas[at] = alphas[at - 1];
      alphas[at] = alpha;
    }
  }

  #multiply(v: Float32Array, out: Float32Array): void {
    for (let i = 0; i < this.bits; i++) {
      let sum = 0;
      for (let k = 0; k < this.bits; k++) sum += this.#covariance[i * this.bits + k] * v[k];
      out[i] = sum;
    }
  }

  #dot(a: Float32Array, b: Float32Array): number {
    let sum = 0;
    for (let i = 0; i < this.bits; i++) sum += a[i] * b[i];
    return fround(sum);
  }
}
