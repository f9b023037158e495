/** Text as token windows: what models are calibrated on and measured with. */
import { fixture } from "../base/fixture.ts";
import { isMissing, readBytes, withLineFeeds } from "../base/file.ts";
import { sha256Text } from "../base/hash.ts";
import { show } from "../base/show.ts";
import { loadTokenizer, type Tokenizer } from "../model/tokenizer/tokenizer.ts";
import { CorpusError, type TokenWindows } from "./windows.ts";
import { PythonRandom } from "../base/random.ts";

/** The texts that come with the suite; `calibration` is the mix that the oracle's calibration windows were drawn from. */
export const corpusNames = ["sotu", "moby", "calibration"] as const;

/** The two parts of a text: models were trained on `train` and never on `test`. */
export type Split = "train" | "test";

/** How text becomes windows. */
export interface CorpusOptions {
  /** Part of a named text (default `test`; `calibration` has only `train`); a text file is one whole. */
  readonly split?: Split;
  /** How many windows; without `seed`, default all that fit. */
  readonly windows?: number;
  /** Tokens per window. */
  readonly length: number;
  /** Draws windows at random (with overlap) instead of taking them one after the other. */
  readonly seed?: number;
  /** Tokens to skip before the first of consecutive windows (default 0). */
  readonly skip?: number;
  /** Default: the tokenizer of the fixture models. Pass the model's own for any other model. */
  readonly tokenizer?: Tokenizer;
  /**
   * Where what the tokenizer puts before a text (usually a beginning-of-text token; nothing for Qwen or GPT-2) stands: once
   * at the beginning of the `"text"`, at the beginning of every `"window"` as one of its tokens, or in `"none"`. Default:
   * `"window"` for tokenizers of Gemma, whose models need it in every sequence, and `"text"` for all others, as in the
   * reference code of the methods.
   */
  readonly bos?: "text" | "window" | "none";
}

/** Token windows, each `[length]`, that know where they come from. */
export interface CorpusWindows extends ReadonlyArray<Int32Array<ArrayBuffer>> {
  /** Such as `"sotu test, 8 x 512 tokens"`. */
  readonly description: string;
  /** SHA-256 of the token ids. */
  readonly sha256: string;
  /** Size of the vocabulary that the ids belong to: a model with another one refuses them. */
  readonly vocabularySize: number;
}

// The oracle cut each text here (characters), so that windows drawn at random are the same.
const calibrationCharacters = 600_000;
const streams = new WeakMap<Tokenizer, Map<string, Promise<Int32Array<ArrayBuffer>>>>();
let fixtureTokenizer: Promise<Tokenizer> | undefined;

/**
 * Cuts a text into token windows. The text is tokenized once, with one beginning-of-text token at its start (where the
 * tokenizer puts one there; see `bos`), and cut from position `skip` on; with `seed`, window starts are drawn as in the reference code,
 * `random.seed(seed)` and `randint(0, tokens - length - 1)` per window.
 *
 * @param name `"sotu"`, `"moby"`, `"calibration"`, or the path of a UTF-8 text file (with a `/`, or ending in `.txt` or `.md`),
 *   whose line ends are read as Python's `open()` reads them: CRLF and CR are line feeds
 * @throws {CorpusError} `missing`, `name`, `empty`, `length`, `split`, `encoding` or `option`
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const text = await corpus("sotu", { split: "test", windows: 2, length: 128 });
 * assertEquals(text.map((ids) => ids.length), [128, 128]);
 * assertEquals(text.description, "sotu test, 2 x 128 tokens");
 * ```
 */
export async function corpus(name: string, options: CorpusOptions): Promise<CorpusWindows> {
  const { length, seed, windows: count, skip = 0 } = options;
  requireInteger("length", length, 1);
  if (count !== undefined) requireInteger("windows", count, 1, "option");
  if (seed !== undefined) requireInteger("seed", seed, 0, "option");
  requireInteger("skip", skip, 0, "option");
  if (seed !== undefined && (count === undefined || skip > 0)) {
    throw new CorpusError("option", `seed is ${seed}: random windows need "windows" and take no "skip"`);
  }
  const { label, files, own } = await sourceOf(name, options.split);
  const tokenizer = options.tokenizer ?? await defaultTokenizer();
  const bos = options.bos ?? (tokenizer.beginsEverySequence === true ? "window" : "text");
  if (!["text", "window", "none"].includes(bos)) {
    throw new CorpusError("option", `bos is ${show(bos)}: expected "text", "window" or "none"`);
  }
  const special = bos === "text";
  const tokens = own
    ? await keptStream(files, tokenizer, special)
    : await tokenize(files, tokenizer, special);
  const before = bos === "window" ? prefixOf(tokenizer) : new Int32Array(0), taken = length - before.length;
  requireInteger("length", taken, 1);
  const parts = seed === undefined
    ? consecutive(tokens, label, taken, skip, count)
    : drawn(tokens, label, taken, seed, count ?? 1);
  const cut = before.length === 0 ? parts : parts.map((ids) => Int32Array.of(...before, ...ids));
  const how = (skip > 0 ? `, from token ${skip}` : "") + (seed === undefined ? "" : `, seed ${seed}`) +
    { text: "", window: `, beginning with ${tokenizer.decode(before)}`, none: ", without a beginning" }[bos];
  return Object.defineProperties(cut, {
    // Not enumerable, so that windows compare equal to plain arrays of ids.
    description: { value: `${label}, ${cut.length} x ${length} tokens${how}` },
    sha256: { value: windowsHash(cut) },
    vocabularySize: { value: tokenizer.vocabularySize },
  }) as Int32Array<ArrayBuffer>[] & CorpusWindows;
}

/** What a tokenizer puts before a text. */
function prefixOf(tokenizer: Tokenizer): Int32Array {
  const probe = "a", plain = tokenizer.encode(probe, { addSpecialTokens: false }).join();
  const whole = tokenizer.encode(probe);
  const length = Array.from(whole.keys(), (start) => whole.subarray(start)).findIndex((rest) =>
    `${rest.join()},`.startsWith(`${plain},`)
  );
  if (length > 0) return whole.subarray(0, length);
  throw new CorpusError(
    "option",
    `bos is "window": this tokenizer puts no token before a text; its models read windows without (bos: "text")`,
  );
}

/** SHA-256 of token windows, in hexadecimal. */
export function windowsHash(windows: TokenWindows): string {
  return sha256Text(windows.map((ids) => ids.join()).join("\n"));
}

function consecutive(
  tokens: Int32Array<ArrayBuffer>,
  label: string,
  length: number,
  skip: number,
  count: number | undefined,
): Int32Array<ArrayBuffer>[] {
  const available = Math.max(0, Math.floor((tokens.length - skip) / length));
  const wanted = count ?? Math.max(1, available);
  if (wanted > available) {
    throw new CorpusError(
      "length",
      `${label} is too short: ${wanted} windows of ${length} tokens wanted, its ${tokens.length} tokens` +
        `${skip > 0 ? ` from ${skip} on` : ""} give ${available}`,
    );
  }
  return Array.from({ length: wanted }, (_, i) => {
    return tokens.slice(skip + i * length, skip + (i + 1) * length);
  });
}

function drawn(
  tokens: Int32Array<ArrayBuffer>,
  label: string,
  length: number,
  seed: number,
  count: number,
): Int32Array<ArrayBuffer>[] {
  if (tokens.length <= length) {
    throw new CorpusError(
      "length",
      `${label} is too short: random windows of ${length} tokens need ${length + 1}, it has ${tokens.length}`,
    );
  }
  const random = new PythonRandom(seed);
  return Array.from({ length: count }, () => {
    const start = random.randint(0, tokens.length - length - 1);
    return tokens.slice(start, start + length);
  });
}

interface Source {
  /** Name for messages. */
  readonly label: string;
  readonly files: readonly string[];
  /** Whether it is a text of the suite. */
  readonly own: boolean;
}

/** The files that make up a text. */
async function sourceOf(name: string, split?: Split): Promise<Source> {
  if (split !== undefined && split !== "train" && split !== "test") {
    throw new CorpusError("split", `split is ${JSON.stringify(split)}: expected "train" or "test"`);
  }
  const file = (text: string, part: Split) => fixture(`corpora/${text}.${part}.txt`);
  if (name === "calibration") {
    if (split === "test") throw new CorpusError("split", `split is "test": "calibration" has only "train"`);
    return { label: name, files: [await file("sotu", "train"), await file("moby", "train")], own: true };
  }
  if (name === "sotu" || name === "moby") {
    const part = split ?? "test";
    return { label: `${name} ${part}`, files: [await file(name, part)], own: true };
  }
  if (!/[/\\]|\.(txt|md)$/.test(name)) {
    throw new CorpusError(
      "name",
      `Unknown corpus "${name}": expected ${corpusNames.map((one) => `"${one}"`).join(", ")}` +
        ` or the path of a text file (with a "/" or ending in .txt)`,
    );
  }
  return { label: name, files: [name], own: false };
}

function defaultTokenizer(): Promise<Tokenizer> {
  return fixtureTokenizer ??= fixture("models/llama").then(loadTokenizer);
}

/** Tokenizing takes about a second per megabyte, so the streams of the suite's own texts are kept. */
function keptStream(
  files: readonly string[],
  tokenizer: Tokenizer,
  special: boolean,
): Promise<Int32Array<ArrayBuffer>> {
  const kept = streams.get(tokenizer) ?? new Map<string, Promise<Int32Array<ArrayBuffer>>>();
  streams.set(tokenizer, kept);
  const key = [special, ...files].join();
  const found = kept.get(key) ?? tokenize(files, tokenizer, special);
  kept.set(key, found);
  return found;
}

async function tokenize(
  files: readonly string[],
  tokenizer: Tokenizer,
  special: boolean,
): Promise<Int32Array<ArrayBuffer>> {
  const texts = await Promise.all(files.map(readText));
  const parts = texts.length === 1 ? texts : texts.map((text) => text.slice(0, calibrationCharacters));
  return tokenizer.encode(parts.join("\n\n"), { addSpecialTokens: special });
}

async function readText(file: string): Promise<string> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await readBytes(file);
  } catch (cause) {
    const reason = isMissing(cause) ? "no such file" : String(cause);
    throw new CorpusError("missing", `${file}: ${reason}`, { cause });
  }
  let text: string;
  try {
    text = withLineFeeds(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new CorpusError("encoding", `${file}: the text is not UTF-8`, { cause });
  }
  if (text.trim() === "") throw new CorpusError("empty", `${file}: the corpus is empty`);
  return text;
}

function requireInteger(name: string, value: number, min: number, code = "length"): void {
  if (!Number.isSafeInteger(value) || value < min) {
    throw new CorpusError(code, `${name} is ${value}: expected an integer from ${min}`);
  }
}
