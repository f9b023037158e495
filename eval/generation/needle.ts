/**
 * Pass-key retrieval, the needle in a haystack: a random key stands somewhere in a text that repeats itself, and the
 * model is asked for it at the end. Whether it still finds the key shows what a quantized cache forgets, and how far back.
 *
 * Source: the prompts of the reference code (SPEC section 12.4) after Mohtashami and Jaggi, "Landmark Attention" (2023).
 */
import { QuantbookError } from "../../base/error.ts";
import { show } from "../../base/show.ts";
import type { Model } from "../../model/model.ts";
import { PythonRandom } from "../../base/random.ts";
import { meanOf } from "../statistics.ts";

/** A retrieval experiment cannot be run: `"option"` (value not accepted), `"length"` (no prompt is that short). */
export class NeedleError extends QuantbookError {}

/** The keys that the published retrieval tables use. */
export const publishedKeys = ["47x291", "8a3605", "1294k8", "590p37", "68v423"] as const;

const introduction =
  "There is an important info hidden inside a lot of irrelevant text. Find it and memorize it. I will quiz you about " +
  "the important information there.\n";
const filler = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.\n";
const questions = {
  plain: "What is the pass key? The pass key is",
  // A space that tokenizers join to the next word: the model has to continue from a place it rarely sees.
  trailingSpace: "What is the pass key? The pass key is ",
} as const;

/** Where the pass key stands and what the question looks like. */
export interface NeedlePrompt {
  /** The pass key. */
  readonly key: string;
  /** Lines of filler in all. */
  readonly lines: number;
  /** Share of the filler before the key, 0 to 1. */
  readonly depth: number;
  /** How the prompt ends: as the fixture models were trained (`"plain"`, default), or as the reference code has it. */
  readonly question?: "plain" | "trailingSpace";
}

/**
 * The text of a retrieval prompt; `floor(lines * depth)` lines of filler come before the key.
 *
 * @example
 * ```ts
 * import { needlePrompt } from "quantbook/eval";
 * import { assert } from "@std/assert";
 *
 * // The reference's haystack: ten blocks of 127 lines, the key in the middle.
 * const prompt = needlePrompt({ key: "47x291", lines: 1270, depth: 0.5, question: "trailingSpace" });
 * assert(prompt.includes("The pass key is 47x291. Remember it. 47x291 is the pass key.\n"));
 * ```
 */
export function needlePrompt({ key, lines, depth, question = "plain" }: NeedlePrompt): string {
  if (!(Number.isInteger(lines) && lines >= 0)) fail("lines", lines, "an integer from 0");
  if (!(depth >= 0 && depth <= 1)) fail("depth", depth, "a number from 0 to 1");
  if (!Object.hasOwn(questions, question)) fail("question", question, '"plain" or "trailingSpace"');
  const before = Math.floor(lines * depth);
  const needle = `The pass key is ${key}. Remember it. ${key} is the pass key.\n`;
  return introduction + filler.repeat(before) + needle + filler.repeat(lines - before) + questions[question];
}

/** What {@linkcode needle} asks. */
export interface NeedleOptions {
  /** Shares of the filler before the key, 0 to 1. */
  readonly depths: readonly number[];
  /** Most tokens of a prompt; it gets as many lines of filler as fit. */
  readonly lengths: readonly number[];
  /** Keys to hide in each cell, or how many random ones of five characters (default 5). */
  readonly keys?: number | readonly string[];
  /** Seed of random keys (default 0). The same seed asks every model for the same keys. */
  readonly seed?: number;
  /** Which question ends the prompt. */
  readonly question?: NeedlePrompt["question"];
  /** Called after each cell. */
  readonly onCell?: (cell: NeedleCell, done: number, total: number) => void;
}

/** One key that was asked for. */
export interface NeedleTrial {
  /** The pass key that was asked for. */
  readonly key: string;
  /** What the model said, greedily, in as many tokens as the key has. */
  readonly answer: string;
  /** Whether the answer contains the key. */
  readonly hit: boolean;
}

/** One depth at one length. */
export interface NeedleCell {
  /** Where the needle stands, 0 to 1. */
  readonly depth: number;
  /** Length of the text in tokens. */
  readonly length: number;
  /** Tokens of the longest prompt; at most `length`. */
  readonly tokens: number;
  /** Lines of filler. */
  readonly lines: number;
  /** Trials that found the key. */
  readonly hits: number;
  /** Each key with its answer. */
  readonly trials: readonly NeedleTrial[];
}

/** The outcome of a grid. */
export interface NeedleResult {
  /** Depth by depth, all lengths of each. */
  readonly cells: readonly NeedleCell[];
  /** Share of keys found. */
  readonly value: number;
  /** Standard error of `value`, trials counted as independent. */
  readonly standardError: number;
}

/**
 * Asks a model for pass keys at every depth of prompts of every length.
 *
 * @throws {NeedleError} `option` or `length`
 *
 * @example
 * ```ts
 * import { kivi, loadModel, quantize } from "quantbook";
 * import { needle } from "quantbook/eval";
 * import { assertEquals } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * using quantized = await quantize(model, { kv: kivi({ bits: 4, prefill: "full" }) });
 * const { cells } = await needle(quantized, { depths: [0.5], lengths: [300], keys: 2 });
 * assertEquals(cells[0].hits, 2);
 * ```
 */
export async function needle(model: Model, options: NeedleOptions): Promise<NeedleResult> {
  const { depths, lengths, keys = 5, seed = 0, question, onCell } = options;
  if (depths.length === 0) fail("depths", "empty", "at least one depth");
  if (lengths.length === 0) fail("lengths", "empty", "at least one length");
  if (typeof keys === "number" && !(Number.isInteger(keys) && keys > 0)) fail("keys", keys, "a count from 1");
  if (typeof keys !== "number" && keys.length === 0) fail("keys", "empty", "at least one key");
  const random = new PythonRandom(seed);
  const cells: NeedleCell[] = [];
  for (const depth of depths) {
    for (const length of lengths) {
      const asked = typeof keys === "number" ? Array.from({ length: keys }, () => randomKey(random)) : keys;
      const cell = await measureCell(model, { depth, length, keys: asked, question });
      cells.push(cell);
      onCell?.(cell, cells.length, depths.length * lengths.length);
    }
  }
  const hits = cells.flatMap(({ trials }) => trials.map(({ hit }) => Number(hit)));
  const { mean, standardError } = meanOf(hits);
  return { cells, value: mean, standardError };
}

async function measureCell(
  model: Model,
  { depth, length, keys, question }: {
    readonly depth: number;
    readonly length: number;
    readonly keys: readonly string[];
    readonly question: NeedlePrompt["question"];
  },
): Promise<NeedleCell> {
  const { tokenizer, architecture } = model;
  const trials: NeedleTrial[] = [];
  let most = 0, lines = 0;
  for (const key of keys) {
    // As many new tokens as the key has, the beginning-of-text token included, as in the reference code.
    const maxNewTokens = tokenizer.encode(key).length;
    const fits = Math.min(length, architecture.maxPositions - maxNewTokens);
    const prompt = longestPrompt(
      fits,
      (n) => tokenizer.encode(needlePrompt({ key, lines: n, depth, question })),
    );
    const answer = tokenizer.decode(await model.generate(prompt.ids, { maxNewTokens }));
    trials.push({ key, answer, hit: answer.includes(key) });
    most = Math.max(most, prompt.ids.length);
    lines = prompt.lines;
  }
  return { depth, length, tokens: most, lines, hits: trials.filter(({ hit }) => hit).length, trials };
}

/** The prompt with most lines of filler that has at most `length` tokens. */
function longestPrompt(
  length: number,
  encode: (lines: number) => Int32Array,
): { ids: Int32Array; lines: number } {
  const shortest = encode(0).length;
  if (!(shortest <= length)) {
    throw new NeedleError("length", `lengths has ${length}: the prompt alone takes ${shortest} tokens`);
  }
  // Every line takes as many tokens as the next, but for how lines join; step back if that makes it too long.
  const perLine = Math.max(1, Math.floor((encode(8).length - shortest) / 8));
  for (let lines = Math.ceil((length - shortest) / perLine);; lines--) {
    const ids = encode(lines);
    if (ids.length <= length) return { ids, lines };
  }
}

function randomKey(random: PythonRandom): string {
  const characters = "0123456789abcdefghijklmnopqrstuvwxyz";
  return Array.from({ length: 5 }, () => characters[random.randint(0, characters.length - 1)]).join("");
}

function fail(name: string, value: unknown, accepted: string): never {
  throw new NeedleError("option", `${name} is ${show(value)}: expected ${accepted}`);
}
