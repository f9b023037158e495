/** The numbers of a receipt from those of its windows. */
import { clustersOf } from "../compare/clusters.ts";
import type { WindowRecord } from "../compare/measure.ts";
import { defaultBuckets, fewestTokens } from "../compare/options.ts";
import { type CandidateSummary, joined, summaryOf } from "../compare/summary.ts";
import { divergenceOf } from "../metrics/divergence.ts";
import { perplexityOf } from "../metrics/perplexity.ts";
import type { TokenWindows } from "../windows.ts";
import type { ValueClaim, WindowClaim } from "./receipt.ts";

/** Perplexity and divergence of windows. */
export function valueOf(
  found: readonly WindowClaim[],
  windows: TokenWindows,
): Omit<ValueClaim, "comparison"> {
  const losses = found.map(({ loss }) => loss);
  const { value, standardError, tokens } = perplexityOf(losses, windows.map(({ length }) => length - 1));
  const compared = found.flatMap(({ divergence, agreement }) =>
    divergence === null || agreement === null ? [] : [{ kl: divergence, agreement }]
  );
  return {
    perplexity: { value, standardError, tokens },
    divergence: compared.length < found.length ? null : divergenceOf(compared, windows),
  };
}

/** What a comparison says of all positions; null where there are none, or too few. */
export function comparisonOf(
  found: readonly { readonly record: WindowRecord | null }[],
): CandidateSummary | null {
  const records = found.flatMap(({ record }) => record === null ? [] : [record]);
  const lengths = records.map(({ divergence }) => divergence.length);
  if (lengths.reduce((sum, length) => sum + length, 0) < fewestTokens) return null;
  return summaryOf(joined(records), clustersOf(lengths), [0, ...defaultBuckets, 1], 0.95);
}
