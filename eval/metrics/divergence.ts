/** How far a quantized model's predictions are from the float model's, with standard errors. */
import { argmax } from "../../model/generate.ts";
import type { Model } from "../../model/model.ts";
import { requireWindows, type TokenWindows } from "../windows.ts";
import { forEachLogProbabilities } from "./score.ts";
import { meanOf } from "../statistics.ts";

/** A measured divergence. */
export interface Divergence {
  /** Mean over tokens of KL(reference || model), in nats. */
  readonly value: number;
  /** Standard error of `value`, windows counted as independent. */
  readonly standardError: number;
  /** Share of positions where both models find the same token most likely. */
  readonly top1Agreement: number;
}

/** Mean KL divergence and top-1 agreement of one window. */
export interface WindowDivergence {
  /** Mean KL divergence, in nats. */
  readonly kl: number;
  /** Share of positions with the same most likely token. */
  readonly agreement: number;
}

/** KL(reference || model), mean over the rows of one window, in float64. */
export function windowDivergence(
  reference: Float32Array,
  model: Float32Array,
  vocabulary: number,
): WindowDivergence {
  const rows = reference.length / vocabulary;
  let kl = 0, agreement = 0;
  for (let row = 0; row < rows; row++) {
    const first = row * vocabulary;
    const p = reference.subarray(first, first + vocabulary), q = model.subarray(first, first + vocabulary);
    for (let i = 0; i < vocabulary; i++) {
      // exp(-40) of anything cannot be seen beside float32 log-probabilities.
      if (p[i] > -40) kl += Math.exp(p[i]) * (p[i] - q[i]);
    }
    if (argmax(p) === argmax(q)) agreement++;
  }
  return { kl: kl / rows, agreement: agreement / rows };
}

/** Combines the windows. */
export function divergenceOf(windows: readonly WindowDivergence[]): Divergence {
  const { mean, standardError } = meanOf(windows.map(({ kl }) => kl));
  return {
    value: mean,
    standardError,
    top1Agreement: meanOf(windows.map(({ agreement }) => agreement)).mean,
  };
}

/** The log-probabilities of a reference model on windows, kept so that many models can be compared with it. */
export class FloatPredictions {
  private constructor(readonly windows: TokenWindows, private readonly rows: readonly Float32Array[]) {}

  /** Runs the reference model over the windows. */
  static async of(model: Model, windows: TokenWindows): Promise<FloatPredictions> {
    requireWindows(windows, model);
    const rows: Float32Array[] = [];
    await forEachLogProbabilities(model, windows, (logProbabilities, index) => {
      rows[index] = logProbabilities.slice();
    });
    return new FloatPredictions(windows, rows);
  }

  /** Bytes of the log-probabilities. */
  get byteLength(): number {
    return this.rows.reduce((sum, row) => sum + row.byteLength, 0);
  }

  /** The divergence of a model's log-probabilities on one of the windows. */
  compare(index: number, logProbabilities: Float32Array): WindowDivergence {
    const reference = this.rows[index];
    return windowDivergence(reference, logProbabilities, reference.length / this.windows[index].length);
  }
}

/** References that were made lately: sweeps in a row share them. The oldest go beyond `limit` bytes. */
export class RecentPredictions {
  readonly #kept = new Map<string, FloatPredictions>();

  constructor(private readonly limit = 2 ** 28) {}

  /** The reference of that key, or a new one. */
  async get(key: string, make: () => Promise<FloatPredictions>): Promise<FloatPredictions> {
    const reference = this.#kept.get(key) ?? await make();
    this.#kept.delete(key);
    this.#kept.set(key, reference);
    let bytes = 0;
    for (const one of this.#kept.values()) bytes += one.byteLength;
    for (const [oldest, { byteLength }] of this.#kept) {
      if (bytes <= this.limit) break;
      this.#kept.delete(oldest);
      bytes -= byteLength;
    }
    return reference;
  }
}

/**
 * Divergence of `model` from `reference` over windows; only one window's predictions are held at a time.
 *
 * @example
 * ```ts
 * import { corpus, divergence, loadModel, quantize, rtn } from "quantbook";
 * import { assert } from "@std/assert";
 *
 * using float = await loadModel("fixture:llama");
 * using quantized = await quantize(float, { weights: rtn({ bits: 8 }) });
 * const { value, top1Agreement } = await divergence(quantized, float, await corpus("sotu", { windows: 2, length: 64 }));
 * assert(value > 0 && value < 0.01 && top1Agreement > 0.9);
 * ```
 */
export async function divergence(model: Model, reference: Model, windows: TokenWindows): Promise<Divergence> {
  requireWindows(windows, model);
  const result: WindowDivergence[] = [];
  for (const ids of windows) {
    const single = await FloatPredictions.of(reference, [ids]);
    await forEachLogProbabilities(model, [ids], (logProbabilities) => {
      result.push(single.compare(0, logProbabilities));
    });
  }
  return divergenceOf(result);
}
