/** How far a quantized model's predictions are from the float model's, with standard errors. */
import { exp, log } from "../../base/elementary.ts";
import { argmax } from "../../model/generate.ts";
import type { Model } from "../../model/model.ts";
import { CorpusError, requireWindows, type TokenWindows } from "../windows.ts";
import { forEachLogProbabilities } from "./score.ts";
import { meanOfGroups } from "../statistics.ts";

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

/**
 * KL(reference || model), mean over the rows of one window, in float64.
 *
 * @param widths rows of the two output projections. Where they differ (one is padded to a round size, one has a token more),
 *   both predictions are about the tokens that both have: softmax over these.
 */
export function windowDivergence(
  reference: Float32Array,
  model: Float32Array,
  [width, modelWidth]: readonly [number, number],
): WindowDivergence {
  const rows = reference.length / width, common = Math.min(width, modelWidth);
  const shift = (row: Float32Array, width: number) => width === common ? 0 : logOfSum(row);
  let kl = 0, agreement = 0;
  for (let t = 0; t < rows; t++) {
    const p = reference.subarray(t * width, t * width + common);
    const q = model.subarray(t * modelWidth, t * modelWidth + common);
    const whole = shift(p, width), modelWhole = shift(q, modelWidth);
    for (let i = 0; i < common; i++) {
      const logP = p[i] - whole;
      // exp(-40) of anything cannot be seen beside float32 log-probabilities.
      if (logP > -40) kl += exp(logP) * (logP - (q[i] - modelWhole));
    }
    if (argmax(p) === argmax(q)) agreement++;
  }
  return { kl: kl / rows, agreement: agreement / rows };
}

/** Logarithm of the sum of probabilities, given as logarithms of at most 0. */
function logOfSum(logProbabilities: Float32Array): number {
  let sum = 0;
  for (const one of logProbabilities) sum += exp(one);
  return log(sum);
}

/** Combines what was found on windows; each token counts once. */
export function divergenceOf(found: readonly WindowDivergence[], windows: TokenWindows): Divergence {
  const tokens = windows.map(({ length }) => length);
  const { mean, standardError } = meanOfGroups(found.map(({ kl }) => kl), tokens);
  return {
    value: mean,
    standardError,
    top1Agreement: meanOfGroups(found.map(({ agreement }) => agreement), tokens).mean,
  };
}

/** The log-probabilities of a reference model on windows, kept so that many models can be compared with it. */
export class FloatPredictions {
  private constructor(
    readonly windows: TokenWindows,
    private readonly rows: readonly Float32Array[],
    private readonly model: Pick<Model, "name" | "tokenizer">,
  ) {}

  /** Runs the reference model over the windows; `visit` sees each window's log-probabilities, too. */
  static async of(
    model: Model,
    windows: TokenWindows,
    visit?: (logProbabilities: Float32Array, index: number) => void,
  ): Promise<FloatPredictions> {
    requireWindows(windows, model);
    const rows: Float32Array[] = [];
    await forEachLogProbabilities(model, windows, (logProbabilities, index) => {
      rows[index] = logProbabilities.slice();
      visit?.(logProbabilities, index);
    });
    const { name, tokenizer } = model;
    return new FloatPredictions(windows, rows, { name, tokenizer });
  }

  /**
   * Throws unless a model reads the same tokens: rows that differ may be padding, tokens that differ are another language.
   *
   * @throws {CorpusError} `option`
   */
  requireSameTokens({ name, tokenizer }: Model): void {
    const sizes = [tokenizer.vocabularySize, this.model.tokenizer.vocabularySize];
    if (sizes[0] === sizes[1]) return;
    throw new CorpusError(
      "option",
      `${name} has a vocabulary of ${sizes[0]} tokens, the reference ${this.model.name} one of ${
        sizes[1]
      }: ` +
        "their predictions are about different tokens",
    );
  }

  /** Bytes of the log-probabilities. */
  get byteLength(): number {
    return this.rows.reduce((sum, row) => sum + row.byteLength, 0);
  }

  /** The reference's log-probabilities `[tokens, vocabulary]` on one of the windows; not to be changed. */
  logProbabilities(index: number): Float32Array {
    return this.rows[index];
  }

  /** The divergence of a model's log-probabilities on one of the windows. */
  compare(index: number, logProbabilities: Float32Array): WindowDivergence {
    const reference = this.rows[index], tokens = this.windows[index].length;
    const widths = [reference.length / tokens, logProbabilities.length / tokens] as const;
    return windowDivergence(reference, logProbabilities, widths);
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
 * Divergence of `model` from `reference` over windows; only one window's predictions are held at a time. Where one
 * output projection has more rows than the other (padding), it is about the tokens that both have.
 *
 * @throws {CorpusError} `option`, when the tokenizers have different numbers of tokens
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
    single.requireSameTokens(model);
    await forEachLogProbabilities(model, [ids], (logProbabilities) => {
      result.push(single.compare(0, logProbabilities));
    });
  }
  return divergenceOf(result, windows);
}
