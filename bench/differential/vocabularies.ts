/**
 * Compares the tokenizers of `vocabularies.py` with ours: a case is a text with one tokenizer. Equal are its ids with and
 * without special tokens and all texts that they decode to; refused is a typed error; anything else is a difference.
 *
 *     vocabularies.py json 0 1000 | deno run -A bench/differential/vocabularies.ts [--show] [--record]
 */
import { isJsonObject, type JsonObject, own } from "../../base/json.ts";
import { TokenizerError } from "../../model/tokenizer/error.ts";
import { SentencePiece } from "../../model/tokenizer/sentencepiece.ts";
import { readPieces } from "../../model/tokenizer/sentencepiece/pieces.ts";
import {
  engineTokenizer,
  loadTokenizer,
  type Tokenizer,
  tokenizerOf,
} from "../../model/tokenizer/tokenizer.ts";

/** What the library made of a text. */
export interface TextCase {
  readonly text: string;
  readonly refused?: string;
  readonly ids: readonly number[];
  readonly plain: readonly number[];
  /** Random ids. */
  readonly some: readonly number[];
  readonly decoded: string | null;
  readonly skipped: string | null;
  readonly random: string | null;
  readonly randomSkipped?: string;
}

/** A line of `vocabularies.py`. */
export interface TokenizerCase {
  readonly sort: "json" | "pieces" | "files";
  readonly seed: number;
  readonly file: JsonObject | null;
  readonly refused?: string;
  /** Ids and texts of the tokens that begin and end a text. */
  readonly named?: Readonly<Record<string, number | string | null>>;
  readonly texts?: readonly TextCase[];
}

/** How many cases came out how: a case is a text with one tokenizer. */
export interface Tally {
  tokenizers: number;
  equal: number;
  /** Equal ones by sort. */
  readonly equalBySort: Record<string, number>;
  /** Refused by us, by reason. */
  readonly refused: Record<string, number>;
  /** Tokenizers that the library refuses, and texts that it fails on: no cases. */
  refusedByLibrary: number;
  failedInLibrary: number;
  /** Sentences about differences. */
  readonly different: string[];
}

/** A tally of nothing. */
export function emptyTally(): Tally {
  return {
    tokenizers: 0,
    equal: 0,
    equalBySort: {},
    refused: {},
    refusedByLibrary: 0,
    failedInLibrary: 0,
    different: [],
  };
}

/** Compares one tokenizer with all its texts. */
export async function compare(one: TokenizerCase, tally: Tally): Promise<void> {
  const { sort, seed, texts, file } = one;
  tally.tokenizers++;
  if (texts === undefined || file === null) {
    tally.refusedByLibrary++;
    return;
  }
  const refuse = (error: unknown, count: number) => {
    if (!(error instanceof TokenizerError)) throw error;
    const reason = reasonOf(error.message);
    tally.refused[reason] = (tally.refused[reason] ?? 0) + count;
  };
  let tokenizer: Tokenizer;
  try {
    tokenizer = await open(one);
  } catch (error) {
    return refuse(error, texts.length);
  }
  const names = Object.entries(one.named ?? {}).filter(([key, value]) =>
    (Object.entries(tokenizer).find(([name]) => name === key)?.[1] ?? null) !== value
  );
  if (names.length > 0) {
    tally.different.push(
      `${sort} ${seed}: ${
        JSON.stringify(names)
      }, ours ${tokenizer.bos} ${tokenizer.bosToken} ${tokenizer.eos} ${tokenizer.eosToken}`,
    );
    return;
  }
  for (const each of texts) {
    // What it fails on it has no ids for: nothing can differ.
    if (each.refused !== undefined) {
      tally.failedInLibrary++;
      continue;
    }
    try {
      const found = difference(tokenizer, each);
      if (found === undefined) {
        tally.equal++;
        tally.equalBySort[sort] = (tally.equalBySort[sort] ?? 0) + 1;
      } else tally.different.push(`${sort} ${seed}, ${JSON.stringify(each.text)}: ${found}`);
    } catch (error) {
      refuse(error, 1);
    }
  }
}

async function open({ sort, file }: TokenizerCase): Promise<Tokenizer> {
  if (file === null) throw new TokenizerError("missing", "no file");
  if (sort === "json") return tokenizerOf("tokenizer.json", file, {});
  if (sort === "pieces") {
    return engineTokenizer(
      new SentencePiece(readPieces(modelOf(file), "tokenizer.model"), "tokenizer.model"),
      {},
    );
  }
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, content] of Object.entries(file)) {
      const bytes = isJsonObject(content) && name === "tokenizer.model"
        ? modelOf(content)
        : new TextEncoder().encode(
          typeof content === "string" ? content : JSON.stringify(content),
        );
      await Deno.writeFile(`${folder}/${name}`, bytes);
    }
    return await loadTokenizer(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function modelOf(file: JsonObject): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(String(own(file, "model")));
}

/** A message without what differs from file to file. */
function reasonOf(message: string): string {
  const reason = /which cannot be used: (.*)$|: (expected .*|the unknown token|a character is no token)/.exec(
    message,
  );
  return (reason?.[1] ?? reason?.[2] ?? message.replace(/^[^ ]*: /, "")).replaceAll(
    /"(?:[^"\\]|\\.)*"/g,
    '"..."',
  ).slice(0, 120);
}

function difference(tokenizer: Tokenizer, one: TextCase): string | undefined {
  const { text, ids, plain, some } = one;
  const encoded = tokenizer.encode(text);
  if (one.refused !== undefined) {
    return `the library refuses it (${one.refused}), ours gives ${encoded.join()}`;
  }
  if (encoded.join() !== ids.join()) return `ids ${encoded.join()}, expected ${ids.join()}`;
  const bare = tokenizer.encode(text, { addSpecialTokens: false });
  if (bare.join() !== plain.join()) return `without special tokens ${bare.join()}, expected ${plain.join()}`;
  const texts = [
    ["decoded", ids, false],
    ["skipped", ids, true],
    ["random", some, false],
    ["randomSkipped", some, true],
  ] as const;
  for (const [key, list, skipSpecialTokens] of texts) {
    const got = tokenizer.decode(list, { skipSpecialTokens }), want = one[key];
    if (typeof want === "string" && got !== want) {
      return `${key} of ${list.join()} is ${JSON.stringify(got)}, expected ${JSON.stringify(want)}`;
    }
  }
  return undefined;
}

/** Cases from lines of JSON. */
export async function* casesIn(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<TokenizerCase> {
  let rest = "";
  const parse = (line: string): TokenizerCase => {
    const value: unknown = JSON.parse(line);
    if (!isJsonObject(value)) throw new SyntaxError("a line is no case");
    return value as unknown as TokenizerCase;
  };
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield parse(line);
  }
}

if (import.meta.main) {
  const tally = emptyTally();
  for await (const one of casesIn(Deno.stdin.readable)) await compare(one, tally);
  const { different, refused, ...counts } = tally;
  const refusals = Object.values(refused).reduce((sum, one) => sum + one, 0);
  const cases = tally.equal + refusals + different.length;
  const report = {
    judge: "tokenizers 0.23.3, sentencepiece 0.2.3, transformers 5.24.0",
    cases,
    ...counts,
    refusedShare: Number((refusals / Math.max(1, cases)).toFixed(4)),
    refused: Object.fromEntries(Object.entries(refused).sort(([, a], [, b]) => b - a)),
    different,
  };
  if (Deno.args.includes("--show")) { for (const line of different) console.error(line); }
  console.log(JSON.stringify({ ...report, different: different.length }, null, 1));
  if (Deno.args.includes("--record")) {
    const file = new URL("../results/differential-tokenizers.json", import.meta.url);
    await Deno.writeTextFile(file, `${JSON.stringify(report, null, 1)}\n`);
  }
  if (different.length > 0) Deno.exit(1);
}
