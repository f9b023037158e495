/** Whether candidates differ from one another: paired tests, corrected for how many there are, and what they could have found. */
import { adjustPValues } from "../statistics.ts";
import { studentQuantile, studentTails } from "./beta.ts";
import { clusterMean, type Clusters, type Interval, meanInterval } from "./clusters.ts";
import type { WindowRecord } from "./measure.ts";
import { predictedOf } from "./summary.ts";

/** A paired test of two models on the same positions. */
export interface Difference {
  /** Label of the first. */
  readonly a: string;
  /** Label of the second, or of the reference. */
  readonly b: string;
  /** What is compared: divergences from the reference, or the logarithms of perplexities; both in nats a token. */
  readonly measure: "divergence" | "perplexity";
  /** Mean of `a - b`. */
  readonly value: number;
  /** Its standard error, clusters counted as independent. */
  readonly standardError: number;
  /** Student's interval of the mean. */
  readonly interval: Interval;
  /** `value / standardError`. */
  readonly t: number;
  /** Clusters less one. */
  readonly degreesOfFreedom: number;
  /** Probability of a `t` at least as far from 0 if there were no difference. */
  readonly pValue: number;
  /** The same with the false discovery rate of all tests of the comparison controlled (Benjamini and Hochberg). */
  readonly adjustedPValue: number;
  /** The smallest difference that a text like this shows with the power asked for (minimum detectable effect). */
  readonly detectable: number;
}

/** A model by its label, with its positions. */
export interface Labelled {
  /** Name in tables. */
  readonly label: string;
  /** Its positions. */
  readonly record: WindowRecord;
}

/** All pairs of candidates by divergence and by perplexity, and each candidate against the reference by perplexity. */
export function differencesOf(
  reference: string,
  candidates: readonly Labelled[],
  clusters: Clusters,
  level: number,
  power: number,
): Difference[] {
  if (candidates.length === 0) return [];
  const predicted = predictedOf(candidates[0].record);
  const test = (a: string, b: string, measure: Difference["measure"], x: Float64Array, y: Float64Array) => {
    const { value, standardError, degrees } = clusterMean(
      clusters,
      x.map((one, i) => one - y[i]),
      measure === "perplexity" ? predicted : undefined,
    );
    const t = value === 0 ? 0 : value / standardError;
    const tail = (1 + level) / 2;
    return {
      ...{ a, b, measure, value, standardError, t },
      interval: meanInterval({ value, standardError, degrees }, level).interval,
      degreesOfFreedom: degrees,
      // Two infinite divergences tell nothing of one another.
      pValue: t === 0 || Number.isNaN(t) ? 1 : Number.isFinite(t) ? studentTails(t, degrees) : 0,
      detectable: (studentQuantile(tail, degrees) + studentQuantile(power, degrees)) * standardError,
    };
  };
  const pairs = candidates.flatMap((a, i) =>
    candidates.slice(i + 1).flatMap((b) => [
      test(a.label, b.label, "divergence", a.record.divergence, b.record.divergence),
      test(a.label, b.label, "perplexity", a.record.surprise, b.record.surprise),
    ])
  );
  const against = candidates.map(({ label, record }) =>
    test(label, reference, "perplexity", record.surprise, record.referenceSurprise)
  );
  const all = [...pairs, ...against], adjusted = adjustPValues(all.map(({ pValue }) => pValue));
  return all.map((one, i) => ({ ...one, adjustedPValue: adjusted[i] }));
}
