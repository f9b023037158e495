/**
 * Log-probabilities of continuations. Choices of one question share their context, and questions with worked examples
 * share these: what the last sequence has in common with the next stays in the key-value cache, so that each context is
 * computed once, and what differs between the choices runs in one pass. The choices lie one behind the other there, not
 * padded to the longest, so that nothing is gained by sorting them by length. Rows of a pass do not depend on each other,
 * hence the numbers are the same bits as without sharing.
 */
import { branchLogits } from "../../model/branches.ts";
import { DenseCache } from "../../model/decoder/cache.ts";
import { isJsonObject } from "../../base/json.ts";
import { ModelError } from "../../model/error.ts";
import { type Model, requireModel } from "../../model/model.ts";
import { findMethod } from "../../quant/registry.ts";
import type { TokenRequest } from "./requests.ts";

/** How likely a continuation is. */
export interface Likelihood {
  /** Natural log-probability of all its tokens. */
  readonly logProbability: number;
  /** Whether each token is the likeliest one. */
  readonly isGreedy: boolean;
}

/** Scores continuations with one model. */
export class LikelihoodScorer implements Disposable {
  readonly #shares: boolean;
  /** Some models rotate longer sequences in another way, from the first token on. */
  readonly #sharedLength: number;
  #cache: DenseCache | null = null;
  #held: Int32Array = new Int32Array(0);
  #computed = 0;

  /** Makes a scorer; dispose of it to free its cache. `onRows` gets each request's logits at the positions that predict its targets. */
  constructor(
    private readonly model: Model,
    private readonly onRows: (request: TokenRequest, rows: Float32Array) => void = () => {},
  ) {
    requireModel(model);
    this.#shares = sharesPrefixes(model);
    const { positions } = model.architecture;
    const scaling = positions.kind === "rotary" ? positions.scaling : undefined;
    this.#sharedLength = scaling?.kind === "longrope" ? scaling.originalPositions : Infinity;
  }

  /** Tokens that the model has read so far; without sharing it would be the sum of all lengths. */
  get tokensComputed(): number {
    return this.#computed;
  }

  /** Scores requests; those with a common beginning should stand together. */
  async score(requests: readonly TokenRequest[]): Promise<Likelihood[]> {
    const unique = new Map<string, TokenRequest[]>();
    for (const request of requests) {
      const key = request.fed.join();
      unique.set(key, [...unique.get(key) ?? [], request]);
    }
    const found = new Map<TokenRequest, Likelihood>();
    const groups = [...unique.values()];
    const fed = groups.map(([{ fed }]) => fed);
    const shared = this.#shares && fed.every(({ length }) => length <= this.#sharedLength)
      ? await this.#branches(fed, await this.#prefix(groups.map(([first]) => first)))
      : null;
    for (const [i, group] of groups.entries()) {
      const rows = shared?.[i] ?? await this.#whole(fed[i]);
      for (const request of group) {
        found.set(request, likelihoodOf(rows, request));
        const start = (request.fed.length - request.targets.length - rows.first) * rows.width;
        this.onRows(request, rows.values.subarray(start, start + request.targets.length * rows.width));
      }
    }
    return requests.map((request) => found.get(request) ?? { logProbability: NaN, isGreedy: false });
  }

  [Symbol.dispose](): void {
    this.#cache?.[Symbol.dispose]();
    this.#cache = null;
  }

  /** Runs what all sequences begin with, up to the first position that predicts a target. */
  async #prefix(
    requests: readonly TokenRequest[],
  ): Promise<{ length: number; last: Float32Array; cache: DenseCache }> {
    const [{ fed }] = requests;
    let length = Math.min(...requests.map(({ fed, targets }) => fed.length - targets.length + 1));
    for (const other of requests) length = Math.min(length, commonLength(fed, other.fed));
    const cache = this.#cacheFor(Math.max(...requests.map(({ fed }) => fed.length)));
    // The last token runs again even if it is held: its logits are what the first target is scored with.
    const kept = Math.min(commonLength(this.#held, fed), length - 1, cache.length);
    cache.rewind(Math.max(0, kept));
    if (length === 0) return { length, last: new Float32Array(0), cache };
    const last = await this.model.step(fed.subarray(kept, length), cache);
    this.#computed += length - kept;
    this.#held = fed.slice(0, length);
    return { length, last, cache };
  }

  /** Logits of sequences whose beginning is held, from its last position on. */
  async #branches(
    sequences: readonly Int32Array[],
    { length, last, cache }: { length: number; last: Float32Array; cache: DenseCache },
  ): Promise<Logits[]> {
    const width = this.model.architecture.vocabularySize;
    const rests = sequences.map((fed) => fed.subarray(length)).filter((rest) => rest.length > 0);
    const rows = rests.length === 0 ? [] : await branchLogits(this.model, rests, cache);
    this.#computed += rests.reduce((sum, rest) => sum + rest.length, 0);
    return sequences.map((fed) => {
      const values = new Float32Array(last.length + (fed.length - length) * width);
      values.set(last);
      if (fed.length > length) values.set(rows.shift() ?? [], last.length);
      return { values, first: last.length === 0 ? length : length - 1, width };
    });
  }

  async #whole(fed: Int32Array): Promise<Logits> {
    this.#computed += fed.length;
    return { values: await this.model.logits(fed), first: 0, width: this.model.architecture.vocabularySize };
  }

  /** A cache that holds `tokens`; it grows by doubling. */
  #cacheFor(tokens: number): DenseCache {
    if (this.#cache !== null && this.#cache.capacity >= tokens) return this.#cache;
    this[Symbol.dispose]();
    const { device, architecture: { layers, kvHeads, headDim } } = this.model;
    this.#held = new Int32Array(0);
    return this.#cache = new DenseCache(
      device,
      layers,
      kvHeads * headDim,
      2 ** Math.ceil(Math.log2(Math.max(64, tokens))),
    );
  }
}

interface Logits {
  readonly values: Float32Array;
  /** Position of the first row. */
  readonly first: number;
  readonly width: number;
}

/**
 * Whether a cache can go back to what sequences begin with, which a recurrent state cannot, and a token's hidden states depend on nothing but the tokens before it, however these were fed. Quantized caches
 * treat a prompt unlike single tokens; activations may share ranges over all rows, and so do methods that own the product.
 */
function sharesPrefixes({ architecture, interventions, cacheFactory, changes }: Model): boolean {
  const ownsProduct = (change: unknown) => {
    if (!isJsonObject(change) || typeof change.method !== "string") return false;
    const method = findMethod(change.method);
    return method === undefined || method.linears !== undefined && !method.linears.rowwise;
  };
  return architecture.stateSpace === undefined && interventions.length === 0 && cacheFactory === null &&
    !changes.some(ownsProduct);
}

function likelihoodOf({ values, first, width }: Logits, { fed, targets }: TokenRequest): Likelihood {
  let logProbability = 0, isGreedy = true;
  for (const [i, target] of targets.entries()) {
    if (!(target >= 0 && target < width)) {
      throw new ModelError(
        "token",
        `the target is token ${target}: the model has rows for 0 to ${width - 1}`,
      );
    }
    const start = (fed.length - targets.length + i - first) * width;
    const row = values.subarray(start, start + width);
    let best = 0, sum = 0;
    for (let j = 1; j < width; j++) if (row[j] > row[best]) best = j;
    for (let j = 0; j < width; j++) sum += Math.exp(row[j] - row[best]);
    // NaN among the logits, or infinity, makes the sum NaN; as a log-probability it would lose every comparison.
    if (Number.isNaN(sum)) {
      throw new ModelError("nan", `the logits that predict token ${target} hold NaN or infinity`);
    }
    logProbability += row[target] - row[best] - Math.log(sum);
    isGreedy &&= best === target;
  }
  return { logProbability, isGreedy };
}

function commonLength(a: Int32Array, b: Int32Array): number {
  const most = Math.min(a.length, b.length);
  for (let i = 0; i < most; i++) if (a[i] !== b[i]) return i;
  return most;
}
