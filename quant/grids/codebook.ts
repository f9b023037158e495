/**
 * Codebooks of scalars: weighted k-means in one dimension.
 *
 * On a line a cluster is an interval. With the samples sorted and the sums of `w`, `w x` and `w x^2` accumulated once,
 * the mean and the error of any interval cost two look-ups, so that seeding and iterations take microseconds whatever
 * the number of samples.
 */
import { log } from "../../base/elementary.ts";

/** Values that codes stand for. */
export interface Codebook {
  /** Ascending; a value takes the code of the nearest one, the lower of two equally near. */
  readonly centroids: Float32Array;
  /** What each code is decoded to: the centroids, unless they are corrected afterwards. */
  readonly outputs: Float32Array;
}

/** `count` centroids evenly spaced over [-1, 1]. */
export function uniformCodebook(count: number): Codebook {
  const centroids = Float32Array.from({ length: count }, (_, i) => -1 + 2 * i / (count - 1));
  return { centroids, outputs: centroids };
}

/** Index of the nearest centroid, the first of equals. */
export function nearest(centroids: Float32Array, x: number): number {
  let low = 0, high = centroids.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (2 * x > centroids[middle] + centroids[middle + 1]) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Samples in ascending order with running sums. */
export class SortedSamples {
  /** Ascending. */
  readonly values: Float32Array;
  /** `sums[m][i]`: sum over the first `i` samples of `w x^m`. */
  readonly #sums: readonly [Float64Array, Float64Array, Float64Array];

  /** Weights that are all zero count as equal. */
  constructor(values: Float32Array, weights: Float32Array | null) {
    const order = ascending(values), n = values.length;
    this.values = new Float32Array(n);
    for (let i = 0; i < n; i++) this.values[i] = values[order[i]];
    const weighted = weights !== null && weights.some((weight) => weight > 0);
    const sums = [0, 1, 2].map(() => new Float64Array(n + 1));
    for (let i = 0; i < n; i++) {
      const x = this.values[i], w = weighted ? weights[order[i]] : 1;
      sums[0][i + 1] = sums[0][i] + w;
      sums[1][i + 1] = sums[1][i] + w * x;
      sums[2][i + 1] = sums[2][i] + w * x * x;
    }
    this.#sums = [sums[0], sums[1], sums[2]];
  }

  /** First sample greater than `x`. */
  after(x: number): number {
    let low = 0, high = this.values.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.values[middle] > x) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Sum of the weights of samples `[from, to)`. */
  weight(from: number, to: number): number {
    return this.#sums[0][to] - this.#sums[0][from];
  }

  /** Weighted mean of samples `[from, to)`; NaN without weight. */
  mean(from: number, to: number): number {
    const moment = this.#sums[1];
    return (moment[to] - moment[from]) / this.weight(from, to);
  }

  /** `sum w (x - c)^2` over samples `[from, to)`. */
  error(from: number, to: number, c: number): number {
    const [w, x, xx] = this.#sums.map((sum) => sum[to] - sum[from]);
    return Math.max(xx - 2 * c * x + c * c * w, 0);
  }

  /** Where each centroid's samples begin; one more entry for the end. */
  bounds(centroids: ArrayLike<number>): number[] {
    const bounds = [0];
    for (let i = 1; i < centroids.length; i++) bounds.push(this.after((centroids[i - 1] + centroids[i]) / 2));
    return [...bounds, this.values.length];
  }

  /** `sum w (x - nearest centroid)^2`. */
  inertia(centroids: ArrayLike<number>): number {
    const bounds = this.bounds(centroids);
    let total = 0;
    for (let i = 0; i < centroids.length; i++) total += this.error(bounds[i], bounds[i + 1], centroids[i]);
    return total;
  }
}

/** Options of {@linkcode kMeans}. */
export interface KMeansOptions {
  /** Runs from different seeds; the best is kept (default 8). */
  readonly restarts?: number;
  /** Most iterations of each run (default 300). */
  readonly iterations?: number;
}

/**
 * Centroids with a small weighted squared error: greedy k-means++ seeding (Arthur and Vassilvitskii, 2007), then
 * Lloyd's iterations until nothing moves. Deterministic.
 */
export function kMeans(
  samples: SortedSamples,
  count: number,
  { restarts = 8, iterations = 300 }: KMeansOptions = {},
): Float32Array {
  let best = new Float32Array(count), least = Infinity;
  for (let seed = 1; seed <= restarts; seed++) {
    const centroids = lloyd(samples, plusPlus(samples, count, generator(seed)), iterations);
    const single = Float32Array.from(centroids);
    const inertia = samples.inertia(single);
    if (inertia < least) [best, least] = [single, inertia];
  }
  return best;
}

/** Moves each centroid to the mean of its samples until all stand still. */
function lloyd(samples: SortedSamples, centroids: number[], iterations: number): number[] {
  for (let i = 0; i < iterations; i++) {
    const bounds = samples.bounds(centroids);
    const moved = centroids.map((c, k) => {
      const mean = samples.mean(bounds[k], bounds[k + 1]);
      return Number.isFinite(mean) ? mean : c;
    });
    if (moved.every((c, k) => c === centroids[k])) break;
    centroids = moved;
  }
  return centroids;
}

/** Each new seed is the best of a few samples drawn with a probability in proportion to their error. */
function plusPlus(samples: SortedSamples, count: number, random: () => number): number[] {
  const { values } = samples;
  let seeds = [values[Math.floor(random() * values.length)]];
  const trials = 2 + Math.floor(log(count));
  while (seeds.length < count) {
    let best: number[] | null = null, least = Infinity;
    for (let trial = 0; trial < trials; trial++) {
      const candidate = [...seeds, values[draw(samples, seeds, random())]].sort((a, b) => a - b);
      const inertia = samples.inertia(candidate);
      if (inertia < least) [best, least] = [candidate, inertia];
    }
    seeds = best ?? [...seeds, seeds[seeds.length - 1]];
  }
  return seeds;
}

/** The sample at which the running error, from the first sample on, passes the given share of the whole. */
function draw(samples: SortedSamples, seeds: readonly number[], share: number): number {
  const bounds = samples.bounds(seeds);
  let rest = share * samples.inertia(seeds);
  for (const [k, seed] of seeds.entries()) {
    const error = samples.error(bounds[k], bounds[k + 1], seed);
    if (rest >= error && k < seeds.length - 1) {
      rest -= error;
      continue;
    }
    let low = bounds[k], high = Math.max(bounds[k + 1] - 1, low);
    while (low < high) {
      const middle = (low + high) >> 1;
      if (samples.error(bounds[k], middle + 1, seed) > rest) high = middle;
      else low = middle + 1;
    }
    return Math.min(low, samples.values.length - 1);
  }
  return 0;
}

/** Uniform numbers in [0, 1): the "mulberry32" generator (T. Ettinger). */
export function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Indices that sort `values`: the bits of a float, made monotone, and the index are sorted as one integer. */
function ascending(values: Float32Array): Uint32Array {
  const n = values.length;
  const bits = new Uint32Array(values.slice().buffer);
  const keys = new Uint32Array(2 * n);
  for (let i = 0; i < n; i++) {
    keys[2 * i] = i;
    keys[2 * i + 1] = bits[i] >>> 31 ? ~bits[i] : bits[i] | 0x80000000;
  }
  new BigUint64Array(keys.buffer).sort();
  return keys.filter((_, i) => i % 2 === 0);
}
