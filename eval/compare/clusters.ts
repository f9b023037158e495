/**
 * Estimates from positions that depend on one another: positions of one window share a text, so windows are what is drawn at
 * random, and where there are few of them, stretches of a window.
 */
import { exp, pow } from "../../base/elementary.ts";
import { betaProbability, betaQuantile, studentQuantile } from "./beta.ts";

/** What is counted as drawn independently. */
export interface Clusters {
  /** Whole windows, or stretches of consecutive positions (batch means), where there are fewer than 4 windows. */
  readonly kind: "windows" | "stretches";
  /** How many. */
  readonly count: number;
  /** Cluster of each position, window after window. */
  readonly of: Int32Array;
}

/** A range that holds what is estimated with the probability asked for. */
export type Interval = readonly [low: number, high: number];

/** An estimate. */
export interface Estimated {
  /** From the positions. */
  readonly value: number;
  /** Where the text bounds it only from below, the upper end is infinite. */
  readonly interval: Interval;
}

/** A mean. */
export interface EstimatedMean extends Estimated {
  /** Clusters counted as independent. */
  readonly standardError: number;
}

/** Fewer windows than this say too little of how windows differ; their stretches then stand for them. */
const fewest = 4, stretches = 16;

/** Clusters of windows of these lengths. */
export function clustersOf(lengths: readonly number[]): Clusters {
  const whole = lengths.length >= fewest, parts = whole ? 1 : Math.ceil(stretches / lengths.length);
  let count = 0;
  const of = lengths.flatMap((length) => {
    const own = Math.min(parts, length), first = count;
    count += own;
    return Array.from({ length }, (_, t) => first + Math.floor(t * own / length));
  });
  return { kind: whole ? "windows" : "stretches", count, of: Int32Array.from(of) };
}

/** What a cluster holds of some values: their sum, and how many there are. */
interface Sums {
  readonly sums: Float64Array;
  readonly counts: Float64Array;
}

/** Sums by cluster over the positions that count. */
function sumsOf({ count, of }: Clusters, values: ArrayLike<number>, within?: ArrayLike<number>): Sums {
  const sums = new Float64Array(count), counts = new Float64Array(count);
  for (let i = 0; i < of.length; i++) {
    if (within !== undefined && within[i] === 0) continue;
    sums[of[i]] += values[i];
    counts[of[i]]++;
  }
  return { sums, counts };
}

/** A mean over positions, its standard error, and the clusters that it rests on less one. */
export interface Ratio {
  /** The mean. */
  readonly value: number;
  /** Its standard error; NaN where there is but one cluster. */
  readonly standardError: number;
  /** Degrees of freedom. */
  readonly degrees: number;
  /** Positions. */
  readonly positions: number;
}

/**
 * Mean of values over positions, those of one cluster in any dependence: the ratio estimator of cluster
 * sampling (Cochran, Sampling Techniques, 3rd ed., section 6.3).
 *
 * @param within counts a position where it is not 0
 */
export function clusterMean(
  clusters: Clusters,
  values: ArrayLike<number>,
  within?: ArrayLike<number>,
): Ratio {
  const { sums, counts } = sumsOf(clusters, values, within);
  const positions = counts.reduce((a, b) => a + b, 0), value = sums.reduce((a, b) => a + b, 0) / positions;
  let filled = 0, squares = 0;
  for (let c = 0; c < clusters.count; c++) {
    if (counts[c] === 0) continue;
    filled++;
    squares += (sums[c] - value * counts[c]) ** 2;
  }
  const standardError = filled > 1 ? Math.sqrt(squares * filled / (filled - 1)) / positions : NaN;
  return { value, standardError, degrees: filled - 1, positions };
}

/** A mean with Student's interval. */
export function meanInterval(
  { value, standardError, degrees }: Omit<Ratio, "positions">,
  level: number,
): EstimatedMean {
  if (!(degrees > 0)) return { value, standardError, interval: [-Infinity, Infinity] };
  const reach = standardError === 0 ? 0 : studentQuantile((1 + level) / 2, degrees) * standardError;
  return { value, standardError, interval: [value - reach, value + reach] };
}

/** The mean of values from 0 on: Student's interval of its logarithm (delta method), which a heavy tail bends less. */
export function positiveMeanInterval(ratio: Omit<Ratio, "positions">, level: number): EstimatedMean {
  const { value, standardError, degrees } = ratio;
  if (!(degrees > 0)) return { value, standardError, interval: [0, Infinity] };
  if (!(value > 0 && value < Infinity)) return { value, standardError, interval: [value, value] };
  const reach = studentQuantile((1 + level) / 2, degrees) * standardError / value;
  return { value, standardError, interval: [value * exp(-reach), value * exp(reach)] };
}

/**
 * How many independent positions a share is worth (E. Korn and B. Graubard, Survey Methodology 24, 1998), corrected for the few
 * clusters that its standard error comes from.
 */
function worth(
  share: number,
  { standardError, degrees, positions }: Omit<Ratio, "value">,
  level: number,
): number {
  const variance = share * (1 - share), p = (1 + level) / 2;
  // Without a difference nothing tells how many positions go together: at worst all of a cluster.
  const plain = variance > 0 && standardError > 0
    ? Math.min(positions, variance / standardError ** 2)
    : degrees + 1;
  return plain * (studentQuantile(p, positions - 1) / studentQuantile(p, degrees)) ** 2;
}

/** The interval of a share by Jeffreys' prior, positions of one cluster in any dependence. */
export function shareInterval(share: number, ratio: Omit<Ratio, "value">, level: number): Interval {
  if (!(ratio.degrees > 0)) return [0, 1];
  const effective = worth(share, ratio, level), tail = (1 - level) / 2;
  const [a, b] = [share * effective + 0.5, (1 - share) * effective + 0.5];
  return [share === 0 ? 0 : betaQuantile(tail, a, b), share === 1 ? 1 : betaQuantile(1 - tail, a, b)];
}

/** A share of positions with its interval. */
export function shareOf(
  clusters: Clusters,
  values: ArrayLike<number>,
  level: number,
  within?: ArrayLike<number>,
): EstimatedMean {
  const ratio = clusterMean(clusters, values, within);
  return {
    value: ratio.value,
    standardError: ratio.standardError,
    interval: shareInterval(ratio.value, ratio, level),
  };
}

/**
 * Places of order statistics that hold a quantile between them: as far from it as the number of values below it strays, which is
 * binomial over as many values as those that count are worth. The upper place is infinite where the largest may be too small.
 */
function quantilePlaces(
  share: number,
  effective: number,
  positions: number,
  tail: number,
): [number, number] {
  // Of `rank` and more values below the quantile, for any real rank (H. David and H. Nagaraja, Order Statistics, section 7.1).
  const atLeast = (rank: number) => betaProbability(share, rank, effective - rank + 1);
  const rankWith = (probability: number) => {
    let low = 0, high = effective + 1;
    for (let step = 0; step < 60; step++) {
      const middle = (low + high) / 2;
      if (atLeast(middle) > probability) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  };
  const place = (rank: number) =>
    Math.min(positions - 1, Math.max(0, rank * (positions + 1) / (effective + 1) - 1));
  const open = pow(share, effective) > tail;
  // What is not needed above is spent below.
  return [place(rankWith(1 - (open ? 2 * tail : tail))), open ? Infinity : place(rankWith(tail))];
}

function atPlace(sorted: ArrayLike<number>, place: number): number {
  if (place === Infinity) return Infinity;
  const below = Math.floor(place), part = place - below, low = sorted[below];
  return part === 0 ? low : low + part * (sorted[below + 1] - low);
}

/** The value below which a share of sorted values lies, interpolated (type 7 of Hyndman and Fan, as NumPy has it). */
export function sortedQuantile(sorted: ArrayLike<number>, share: number): number {
  return atPlace(sorted, share * (sorted.length - 1));
}

/**
 * A quantile, its interval from order statistics: no distribution of the values is assumed.
 *
 * @param sorted the values that count, from the smallest
 */
export function quantileOf(
  clusters: Clusters,
  values: ArrayLike<number>,
  sorted: Float64Array,
  share: number,
  level: number,
  within?: ArrayLike<number>,
): Estimated {
  const value = sortedQuantile(sorted, share), { length } = sorted;
  const below = Float64Array.from(values, (one) => Number(one <= value));
  const ratio = clusterMean(clusters, below, within);
  if (!(ratio.degrees > 0)) return { value, interval: [sorted[0], Infinity] };
  const places = quantilePlaces(share, worth(share, ratio, level), length, (1 - level) / 2);
  return { value, interval: [atPlace(sorted, places[0]), atPlace(sorted, places[1])] };
}

/**
 * The largest value. Its interval is that of what is exceeded once in as many positions; no text bounds it from above.
 *
 * @param sorted the values that count, from the smallest
 */
export function largestOf(
  clusters: Clusters,
  values: ArrayLike<number>,
  sorted: Float64Array,
  level: number,
  within?: ArrayLike<number>,
): Estimated {
  const { interval: [low] } = quantileOf(clusters, values, sorted, 1 - 1 / sorted.length, level, within);
  return { value: sorted[sorted.length - 1], interval: [low, Infinity] };
}
