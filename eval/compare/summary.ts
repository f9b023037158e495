/** What the positions of a candidate say together: the distribution of its divergence, agreement, perplexity. */
import { exp } from "../../base/elementary.ts";
import {
  clusterMean,
  type Clusters,
  type Estimated,
  type EstimatedMean,
  largestOf,
  meanInterval,
  positiveMeanInterval,
  quantileOf,
  shareOf,
} from "./clusters.ts";
import type { WindowRecord } from "./measure.ts";

/** How a divergence is distributed over positions, in nats. */
export interface DivergenceDistribution {
  /** Mean over positions. */
  readonly mean: EstimatedMean;
  /** Half of the positions lie below. */
  readonly median: Estimated;
  /** 90 % of the positions lie below. */
  readonly p90: Estimated;
  /** 99 % of the positions lie below. */
  readonly p99: Estimated;
  /** 99.9 % of the positions lie below. */
  readonly p999: Estimated;
  /** The largest; its interval is that of what is exceeded once in as many positions, which no text bounds from above. */
  readonly largest: Estimated;
}

/** Positions at which the reference is about equally sure. */
export interface Bucket {
  /** Probability of its most likely token, from here ... */
  readonly from: number;
  /** ... to below here; the last bucket has 1 too. */
  readonly to: number;
  /** How many positions. */
  readonly positions: number;
  /** Null where there are none. */
  readonly divergence: DivergenceDistribution | null;
  /** Share of positions with the same most likely token; null where there are none. */
  readonly top1: EstimatedMean | null;
}

/** A candidate against the reference. */
export interface CandidateSummary {
  /** KL(reference || candidate). */
  readonly divergence: DivergenceDistribution;
  /** The same by how sure the reference is. */
  readonly buckets: readonly Bucket[];
  /** Share of positions at which both find the same token most likely. */
  readonly top1: EstimatedMean;
  /** Mean share of the reference's five most likely tokens that are among the candidate's five. */
  readonly top5: EstimatedMean;
  /** Of the candidate on all predicted tokens. */
  readonly perplexity: EstimatedMean;
  /** Perplexity of the candidate over that of the reference, paired token by token. */
  readonly perplexityRatio: EstimatedMean;
}

/** The positions of all windows, one after the other. */
export function joined(records: readonly WindowRecord[]): WindowRecord {
  const join = (of: (record: WindowRecord) => Float64Array) => {
    const all = new Float64Array(records.reduce((sum, record) => sum + of(record).length, 0));
    let at = 0;
    for (const record of records) {
      all.set(of(record), at);
      at += of(record).length;
    }
    return all;
  };
  return {
    divergence: join(({ divergence }) => divergence),
    confidence: join(({ confidence }) => confidence),
    referenceSurprise: join(({ referenceSurprise }) => referenceSurprise),
    surprise: join(({ surprise }) => surprise),
    top1: join(({ top1 }) => top1),
    top5: join(({ top5 }) => top5),
  };
}

/**
 * Sums positions up.
 *
 * @param edges of the buckets, from 0 to 1
 */
export function summaryOf(
  record: WindowRecord,
  clusters: Clusters,
  edges: readonly number[],
  level: number,
): CandidateSummary {
  const { divergence, confidence, top1, top5, surprise, referenceSurprise } = record;
  const predicted = predictedOf(record),
    likelihood = (values: Float64Array) =>
      exponential(meanInterval(clusterMean(clusters, values, predicted), level));
  return {
    divergence: distributionOf(divergence, clusters, level),
    buckets: edges.slice(1).map((to, i) => {
      const last = i + 2 === edges.length;
      const within = Float64Array.from(
        confidence,
        (one) => Number(one >= edges[i] && (one < to || last && one <= to)),
      );
      const positions = within.reduce((sum, one) => sum + one, 0);
      return {
        from: edges[i],
        to,
        positions,
        divergence: positions === 0 ? null : distributionOf(divergence, clusters, level, within),
        top1: positions === 0 ? null : shareOf(clusters, top1, level, within),
      };
    }),
    top1: shareOf(clusters, top1, level),
    top5: shareOf(clusters, top5, level),
    perplexity: likelihood(surprise),
    perplexityRatio: likelihood(surprise.map((one, i) => one - referenceSurprise[i])),
  };
}

/** 1 where a token comes next, 0 at the last position of a window. */
export function predictedOf({ referenceSurprise }: WindowRecord): Float64Array {
  return referenceSurprise.map((one) => Number(!Number.isNaN(one)));
}

/** The distribution of values over positions; `within` counts a position where it is not 0. */
export function distributionOf(
  values: Float64Array,
  clusters: Clusters,
  level: number,
  within?: Float64Array,
): DivergenceDistribution {
  const sorted = values.filter((_, i) => within?.[i] !== 0).sort();
  const quantile = (share: number) => quantileOf(clusters, values, sorted, share, level, within);
  return {
    mean: positiveMeanInterval(clusterMean(clusters, values, within), level),
    median: quantile(0.5),
    p90: quantile(0.9),
    p99: quantile(0.99),
    p999: quantile(0.999),
    largest: largestOf(clusters, values, sorted, level, within),
  };
}

/** A mean of logarithms as what they are the logarithms of; the standard error by the delta method. */
function exponential({ value, standardError, interval: [low, high] }: EstimatedMean): EstimatedMean {
  const whole = exp(value);
  return { value: whole, standardError: whole * standardError, interval: [exp(low), exp(high)] };
}
