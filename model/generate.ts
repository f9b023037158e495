/** Text generation: greedy, or sampled with temperature, top-k and top-p from a seeded generator. */
import { exp } from "../base/elementary.ts";
import { DenseCache, type KeyValueCache } from "./decoder/cache.ts";
import type { Device } from "../kernels/device.ts";
import type { Architecture } from "./architecture.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";
import { ModelError } from "./error.ts";

/** How to continue a sequence. */
export interface GenerateOptions {
  /** Most tokens to add (default 64; the model's positions bound it too). */
  readonly maxNewTokens?: number;
  /** 0 (the default) takes the most likely token; otherwise logits are divided by it before sampling. */
  readonly temperature?: number;
  /** Sample among this many most likely tokens. */
  readonly topK?: number;
  /** Sample among the most likely tokens whose probabilities add up to this. */
  readonly topP?: number;
  /** Seed of the sampler (default 0). */
  readonly seed?: number;
  /** Tokens that end the text (default: the tokenizer's end tokens). They are not returned. */
  readonly stop?: readonly number[];
  /** Called with each new token; return false to stop. */
  readonly onToken?: (id: number) => boolean | void;
}

/** What text is generated with: a model, as far as it concerns this. */
export interface Generator {
  /** Where it runs. */
  readonly device: Device;
  /** Its sizes. */
  readonly architecture: Architecture;
  /** Names the token that ends a text. */
  readonly tokenizer: Tokenizer;
  /** The model's own cache for one sequence, or null for the plain one. */
  createCache(capacity: number): KeyValueCache | null;
  /** Logits `[vocabulary]` after new tokens of the sequence that the cache holds. */
  step(ids: Int32Array, cache: KeyValueCache): Promise<Float32Array>;
}

/** Continues `ids` token by token with a key-value cache. */
export async function generateTokens(
  model: Generator,
  ids: Int32Array,
  options: GenerateOptions,
): Promise<Int32Array> {
  const { maxNewTokens = 64, temperature = 0, seed = 0, onToken } = options;
  if (!(Number.isInteger(maxNewTokens) && maxNewTokens >= 0)) {
    throw new ModelError("option", `maxNewTokens is ${maxNewTokens}: expected an integer >= 0`);
  }
  if (!(temperature >= 0)) {
    throw new ModelError("option", `temperature is ${temperature}: expected a number >= 0`);
  }
  const { architecture, tokenizer, device } = model;
  const { eos, endTokens = eos === undefined ? [] : [eos] } = tokenizer;
  const stop = new Set(options.stop ?? endTokens);
  const capacity = Math.min(architecture.maxPositions, ids.length + maxNewTokens);
  using cache = model.createCache(capacity) ??
    new DenseCache(device, architecture.layers, architecture.kvHeads * architecture.headDim, capacity);
  const uniform = splitMix32(seed);
  const generated: number[] = [];
  let input = ids;
  while (generated.length < maxNewTokens && cache.length + input.length <= capacity) {
    const logits = await model.step(input, cache);
    const next = temperature === 0 ? argmax(logits) : sample(logits, temperature, options, uniform());
    if (next >= tokenizer.vocabularySize) {
      throw new ModelError(
        "token",
        `the next token is ${next}, a row of padding: the model has ${architecture.vocabularySize} rows, its ` +
          `tokenizer ${tokenizer.vocabularySize} tokens`,
      );
    }
    if (stop.has(next)) break;
    generated.push(next);
    if (onToken?.(next) === false) break;
    input = Int32Array.of(next);
  }
  return Int32Array.from(generated);
}

/** Index of the largest value, the first of equals. */
export function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

function sample(
  logits: Float32Array,
  temperature: number,
  { topK, topP }: GenerateOptions,
  u: number,
): number {
  let order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  if (topK !== undefined) order = order.slice(0, Math.max(1, topK));
  const weights = order.map((id) => exp((logits[id] - logits[order[0]]) / temperature));
  let total = weights.reduce((sum, w) => sum + w, 0);
  if (topP !== undefined) {
    let kept = 0, mass = 0;
    while (kept < weights.length && mass < topP * total) mass += weights[kept++];
    order = order.slice(0, Math.max(1, kept));
    total = mass;
  }
  let rest = u * total;
  for (const [i, id] of order.entries()) {
    rest -= weights[i];
    if (rest < 0) return id;
  }
  return order[order.length - 1];
}

/** A small seeded generator of numbers in [0, 1) (SplitMix32). */
function splitMix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 4294967296;
  };
}
