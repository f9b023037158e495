/** A reference and candidates on the same windows: how far apart they are, how sure that is, and what is arithmetic only. */
import { show } from "../base/show.ts";
import { defaultDevice } from "../kernels/default.ts";
import { type Clusters, clustersOf } from "./compare/clusters.ts";
import { type Difference, differencesOf } from "./compare/differences.ts";
import { CompareError } from "./compare/error.ts";
import { type ComparedModel, CompareModels, prepared } from "./compare/models.ts";
import type { NoiseKind } from "./compare/noise.ts";
import { checkedOptions, type CompareOptions } from "./compare/options.ts";
import { type Contestant, measureAll } from "./compare/run.ts";
import { type CandidateSummary, joined, summaryOf } from "./compare/summary.ts";
import { requireSameTokens } from "./compare/tokens.ts";
import { hashTokens } from "./sweep/cell.ts";
import { requireWindows } from "./windows.ts";

/** A candidate with what was found of it. */
export interface Candidate extends Required<ComparedModel>, CandidateSummary {
  /** Measured storage of its linear layers, in bytes; dense ones count as float16. */
  readonly bytes: number;
  /** The same in bits per weight. */
  readonly bitsPerWeight: number;
}

/** What a comparison found; JSON can hold all of it (`writeNumbers` where intervals are open). */
export interface Comparison {
  /** What candidates are compared with. */
  readonly reference: Required<ComparedModel>;
  /** In the order they were given. */
  readonly candidates: readonly Candidate[];
  /** The reference against itself, computed otherwise: differences below these are arithmetic. Empty without `noise`. */
  readonly noise: Readonly<Partial<Record<NoiseKind, CandidateSummary>>>;
  /** Paired tests of all candidates with each other and with the reference. */
  readonly differences: readonly Difference[];
  /** The text. */
  readonly text: {
    /** Windows. */
    readonly windows: number;
    /** Tokens of all windows. */
    readonly tokens: number;
    /** Hash of the token ids. */
    readonly hash: string;
    /** What was counted as independent, and how many of it. */
    readonly clusters: Pick<Clusters, "kind" | "count">;
  };
  /** Probability with which an interval holds what it is about. */
  readonly level: number;
  /** Probability with which `detectable` differences are found. */
  readonly power: number;
  /** What the models were run on. */
  readonly device: string;
  /** What was not checked or not used, in sentences. */
  readonly notices: readonly string[];
}

/**
 * Compares candidates with a reference, window by window: one pass over the reference, no logits kept. Positions of one window may
 * depend on one another, windows count as independent; of fewer than four windows their stretches do. Windows that are stored
 * cost nothing, so that a comparison that was interrupted goes on, and a candidate more costs its own passes and the reference's.
 *
 * @param reference a specifier for `loadModel`, or one with a scheme
 * @param candidates models, files or schemes with the reference's tokens
 * @throws {CompareError} `vocabulary`, `tokenizer`, `tokens`, `windows`, `option` or `noise`
 * @throws {ResultsError} `missing`, when only stored windows are wanted and one is not there
 *
 * @example
 * ```ts
 * import { corpus, rtn } from "quantbook";
 * import { compare } from "quantbook/eval";
 * import { assert } from "@std/assert";
 *
 * const scheme = (bits: number) => ({ model: "fixture:llama", label: `W${bits}`, scheme: { weights: rtn({ bits }) } });
 * const windows = await corpus("sotu", { windows: 8, length: 64 });
 * const { candidates, noise, differences } = await compare("fixture:llama", [scheme(8), scheme(4)], { windows, results: null });
 * const [w8, w4] = candidates.map(({ divergence }) => divergence.mean);
 * assert(w8.interval[1] < w4.interval[0] && w4.value < 1);
 * assert(differences[0].adjustedPValue < 0.05);
 * assert((noise.sums?.divergence.mean.value ?? NaN) < w8.value);
 * ```
 */
export async function compare(
  reference: string | ComparedModel,
  candidates: readonly (string | ComparedModel)[],
  options: CompareOptions,
): Promise<Comparison> {
  const { windows } = options;
  requireWindows(windows);
  const { edges, level, power, noises } = checkedOptions(options);
  const [first, ...others] = [reference, ...candidates].map((one) =>
    prepared(typeof one === "string" ? { model: one } : one)
  );
  requireLabels([first, ...others].map(({ label }) => label));
  const device = options.device ?? await defaultDevice();
  using models = new CompareModels(device, options);
  const float = await models.float(first.model), notices = new Set(float.notices);
  requireWindows(windows, float);
  for (const { model } of others) {
    const candidate = await models.float(model), unchecked = requireSameTokens(float, candidate);
    for (const one of candidate.notices) notices.add(one);
    if (unchecked !== null) notices.add(unchecked);
  }
  const contestants: Contestant[] = [
    ...others.map((one) => ({ prepared: one, noise: null })),
    ...noises.map((noise) => ({ prepared: first, noise })),
  ];
  const measured = await measureAll(first, contestants, models, device, options);
  const clusters = clustersOf(windows.map(({ length }) => length));
  const records = measured.map((one) => joined(one.records));
  const summary = (i: number) => summaryOf(records[i], clusters, edges, level);
  return {
    reference: first,
    candidates: others.map((one, i) => ({ ...one, ...measured[i].storage, ...summary(i) })),
    noise: Object.fromEntries(noises.map((noise, i) => [noise, summary(others.length + i)])),
    differences: differencesOf(
      first.label,
      others.map(({ label }, i) => ({ label, record: records[i] })),
      clusters,
      level,
      power,
    ),
    text: {
      windows: windows.length,
      tokens: clusters.of.length,
      hash: hashTokens(windows),
      clusters: { kind: clusters.kind, count: clusters.count },
    },
    level,
    power,
    device: device.description,
    notices: [...notices],
  };
}

function requireLabels(labels: readonly string[]): void {
  if (labels.length < 2) {
    throw new CompareError("option", "candidates is empty: expected at least one model");
  }
  const twice = labels.find((label, i) => labels.indexOf(label) < i);
  if (twice !== undefined) {
    throw new CompareError(
      "option",
      `candidates has the label ${
        show(twice)
      } twice, or it is the reference's: expected another label for each`,
    );
  }
}
