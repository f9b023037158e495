/** Thresholds and codebooks of KVQuant from samples of keys and values. */
import { type Codebook, kMeans, nearest, SortedSamples, uniformCodebook } from "../../grids/codebook.ts";
import type { KvQuantCacheSettings, LayerQuantizers } from "../../caches/kvquant.ts";
import type { KvQuantSettings, LayerSamples, Samples } from "./samples.ts";
import { quantile, type Thresholds } from "../../caches/kvquant/rows.ts";
import { stored } from "../../grids/precision.ts";
import { SchemeError } from "../../error.ts";

/** Thresholds of keys, and a codebook each for keys and values. */
export function fitLayer(
  { layer, keys, values }: Omit<LayerSamples, "upstream">,
  scheme: KvQuantSettings,
): LayerQuantizers {
  if (keys.rows.length === 0) {
    throw new SchemeError(
      "calibration",
      `kvquant layer ${layer}: no token to calibrate on is left after the first ${scheme.firstTokens} of each window`,
    );
  }
  const thresholds = keyThresholds(keys, scheme);
  return {
    thresholds,
    keys: fitCodebook(keyInliers(keys, thresholds), scheme),
    values: fitCodebook(valueInliers(values, scheme.sparsity), scheme),
  };
}

/** The quantiles of each channel that leave a share of `sparsity` outside; without sparsity the extremes. */
function keyThresholds({ rows, width }: Samples, { sparsity, storage }: KvQuantCacheSettings): Thresholds {
  const lower = new Float32Array(width), upper = new Float32Array(width);
  const column = new Float32Array(rows.length / width);
  for (let j = 0; j < width; j++) {
    for (let t = 0; t < column.length; t++) column[t] = rows[t * width + j];
    column.sort();
    lower[j] = stored(quantile(column, sparsity / 2), storage);
    upper[j] = stored(quantile(column, 1 - sparsity / 2), storage);
  }
  return { lower, upper };
}

/** Normalized keys between the thresholds of their channel. */
export function keyInliers(samples: Samples, { lower, upper }: Thresholds): Inliers {
  const inliers = new Inliers(samples);
  for (let i = 0; i < samples.rows.length; i++) {
    const j = i % samples.width;
    inliers.add(i, lower[j], upper[j]);
  }
  return inliers;
}

/** Normalized values between the quantiles of their token. */
export function valueInliers(samples: Samples, sparsity: number): Inliers {
  const { rows, width } = samples;
  const inliers = new Inliers(samples);
  for (let start = 0; start < rows.length; start += width) {
    const sorted = rows.slice(start, start + width).sort();
    const lower = quantile(sorted, sparsity / 2), upper = quantile(sorted, 1 - sparsity / 2);
    for (let i = start; i < start + width; i++) inliers.add(i, lower, upper);
  }
  return inliers;
}

/** Values normalized to [-1, 1] by their thresholds; those beyond are left out. */
export class Inliers {
  readonly #values: Float32Array;
  readonly #weights: Float32Array | null;
  #count = 0;

  /** None yet. */
  constructor(private readonly samples: Samples) {
    this.#values = new Float32Array(samples.rows.length);
    this.#weights = samples.weights && new Float32Array(samples.rows.length);
  }

  /** In the order in which they were added. */
  get values(): Float32Array {
    return this.#values.subarray(0, this.#count);
  }

  /** Adds sample `i`, unless it lies beyond its thresholds. */
  add(i: number, lower: number, upper: number): void {
    const { rows, weights } = this.samples;
    const x = (rows[i] - (upper + lower) / 2) / ((upper - lower) / 2);
    // Without a range (0/0) there is nothing to learn.
    if (!(Math.abs(x) <= 1)) return;
    this.#values[this.#count] = x;
    if (this.#weights !== null && weights !== null) this.#weights[this.#count] = weights[i];
    this.#count++;
  }

  /** With their weights, for k-means. */
  sorted(): SortedSamples {
    return new SortedSamples(this.values, this.#weights?.subarray(0, this.#count) ?? null);
  }
}

function fitCodebook(inliers: Inliers, { bits, nonUniform, qNorm }: KvQuantSettings): Codebook {
  const uniform = uniformCodebook(2 ** bits);
  if (inliers.values.length === 0 || (!nonUniform && !qNorm)) return uniform;
  const centroids = nonUniform ? kMeans(inliers.sorted(), 2 ** bits) : uniform.centroids;
  return { centroids, outputs: qNorm ? normalized(centroids, inliers.values) : centroids };
}

/** Centroids moved and stretched so that decoded values have the mean and deviation of the values. */
function normalized(centroids: Float32Array, values: Float32Array): Float32Array {
  const decoded = values.map((x) => centroids[nearest(centroids, x)]);
  const wanted = momentsOf(values), found = momentsOf(decoded);
  const scale = found.deviation > 0 ? wanted.deviation / found.deviation : 1;
  return centroids.map((c) => (c - found.mean) * scale + wanted.mean);
}

function momentsOf(values: Float32Array): { mean: number; deviation: number } {
  let mean = 0, squares = 0;
  for (let i = 0; i < values.length; i++) mean += values[i];
  mean /= values.length;
  for (let i = 0; i < values.length; i++) squares += (values[i] - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares / values.length) };
}
