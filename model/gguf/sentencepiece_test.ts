/** SentencePiece vocabularies of GGUF files: the pieces of its own greedy rule, and ids of Llama 2 as published. */
import { assertEquals, assertThrows } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { type GgufFile, openGguf } from "./file.ts";
import { ggufTokenizer } from "./tokenizer.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { TokenizerError } from "../tokenizer/error.ts";

interface Vocabulary {
  readonly tokens: string[];
  readonly scores: number[];
  readonly types: number[];
}

function fileOf({ tokens, scores, types }: Vocabulary, more: Record<string, unknown> = {}): GgufFile {
  const entries = {
    model: "llama",
    tokens,
    scores,
    token_type: types,
    bos_token_id: 1,
    eos_token_id: 2,
    unknown_token_id: 0,
    ...more,
  };
  const metadata = new Map(
    Object.entries(entries).map(([key, value]) => [`tokenizer.ggml.${key}`, value]),
  ) as GgufFile["metadata"];
  return {
    path: "file.gguf",
    paths: ["file.gguf"],
    byteLength: 0,
    metadata,
    tensors: new Map(),
    read: () => Promise.reject(),
  };
}

/** The rule in its plain form: join the neighbours whose union scores highest, the first of equals, until none is a piece. */
function greedy({ tokens, scores, types }: Vocabulary, text: string): number[] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const scoreOf = (piece: string) => {
    const id = ids.get(piece);
    return id === undefined || types[id] !== 1 ? -Infinity : scores[id];
  };
  const parts = [...`▁${text.replaceAll(" ", "▁")}`];
  while (true) {
    let best = -1, most = -Infinity;
    for (let i = 0; i + 1 < parts.length; i++) {
      const score = scoreOf(parts[i] + parts[i + 1]);
      if (score > most) [best, most] = [i, score];
    }
    if (best < 0) break;
    parts.splice(best, 2, parts[best] + parts[best + 1]);
  }
  return parts.flatMap((part) => {
    const id = ids.get(part);
    if (id !== undefined && types[id] === 1) return [id];
    return [...new TextEncoder().encode(part)].map((byte) => ids.get(byteToken(byte)) ?? 0);
  });
}

const byteToken = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;

/** Control tokens, all bytes, and pieces in the order of their scores, as SentencePiece numbers those of a trained BPE. */
function vocabularyOf(pieces: readonly string[]): Vocabulary {
  const bytes = Array.from({ length: 256 }, (_, byte) => byteToken(byte));
  const tokens = ["<unk>", "<s>", "</s>", ...bytes, ...pieces];
  const types = tokens.map((_, id) => id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1);
  return { tokens, scores: tokens.map((_, id) => Math.min(0, 259 - id)), types };
}

const encode = (tokenizer: Tokenizer, text: string) => [...tokenizer.encode(text)];

Deno.test("random vocabularies: the pieces are those of the greedy rule, and come back as text", () => {
  let state = 7;
  const random = (bound: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * bound);
  };
  for (let round = 0; round < 30; round++) {
    const letters = ["▁", "a", "b", "c", "é"];
    const pieces = new Set(letters);
    while (pieces.size < 40) {
      const all = [...pieces];
      pieces.add(all[random(all.length)] + all[random(all.length)]);
    }
    // A trained vocabulary has the parts of a piece before the piece; single letters score least.
    const joined = [...pieces].slice(letters.length);
    const vocabulary = vocabularyOf([...joined, ...letters]);
    const tokenizer = ggufTokenizer(fileOf(vocabulary));
    for (let i = 0; i < 20; i++) {
      const text = Array.from(
        { length: random(24) },
        () => [" ", "a", "b", "c", "é", "z", "\n", "日"][random(8)],
      ).join("");
      if (text === "") continue;
      const ids = encode(tokenizer, text);
      assertEquals(ids, [1, ...greedy(vocabulary, text)], JSON.stringify(text));
      assertEquals(tokenizer.decode(ids, { skipSpecialTokens: true }), text);
    }
  }
});

Deno.test("a vocabulary says whether texts begin with a token and with a blank", () => {
  const vocabulary = vocabularyOf(["▁a", "a", "▁", "<", "s", ">"]);
  const a = vocabulary.tokens.indexOf("a"), mark = vocabulary.tokens.indexOf("▁a");
  assertEquals(encode(ggufTokenizer(fileOf(vocabulary)), "a"), [1, mark]);
  assertEquals(encode(ggufTokenizer(fileOf(vocabulary, { add_bos_token: false })), "a"), [mark]);
  const bare = ggufTokenizer(fileOf(vocabulary, { add_space_prefix: false }));
  assertEquals(encode(bare, "a"), [1, a]);
  assertEquals(bare.decode([a]), "a");
  // Control tokens are found in text as other tokenizers find them.
  assertEquals(encode(bare, "a</s>"), [1, a, 2]);
});

Deno.test("scores that are missing, too few or no numbers are refused, and so are endless pieces", () => {
  const vocabulary = vocabularyOf(["a"]);
  for (
    const scores of [
      undefined,
      [],
      [NaN],
      vocabulary.scores.map(() => "1"),
      vocabulary.scores.with(3, Infinity),
    ]
  ) {
    const error = assertThrows(() => ggufTokenizer(fileOf(vocabulary, { scores })), TokenizerError, "scores");
    assertEquals(error.code, "format");
  }
  const long = vocabularyOf(["a".repeat(100_000)]);
  assertThrows(() => ggufTokenizer(fileOf(long)), TokenizerError, "100000 characters");
});

Deno.test("a vocabulary that gguf-py wrote", async () => {
  const path = pathOf(new URL("../../fixtures/gguf/sentencepiece.gguf", import.meta.url));
  const tokenizer = ggufTokenizer(await openGguf(path)), ids = encode(tokenizer, "hello world 12é");
  const pieces = ids.map((id) => tokenizer.decode([id]));
  assertEquals(pieces.slice(0, 6), ["<s>", "hell", "o", " world", " ", "12"]);
  assertEquals(ids.slice(6), [...new TextEncoder().encode("é")].map((byte) => 3 + byte));
  assertEquals(tokenizer.decode(ids, { skipSpecialTokens: true }), "hello world 12é");
});

const llama2 = new URL("../../../shared/data/stories260k/llama2_32k_tokenizer.bin", import.meta.url);
const hasLlama2 = await Deno.stat(llama2).then(() => true, () => false);
if (!hasLlama2) console.log("Llama 2's vocabulary: skipped, ../shared/data is not there");

Deno.test({ name: "Llama 2's vocabulary gives the published ids", ignore: !hasLlama2 }, async () => {
  // llama2.c's layout: longest piece, then score, length and bytes of each; blanks stand as themselves.
  const bytes = await Deno.readFile(llama2), view = new DataView(bytes.buffer);
  const tokens: string[] = [], scores: number[] = [];
  for (let at = 4; at < bytes.length;) {
    const length = view.getInt32(at + 4, true);
    scores.push(view.getFloat32(at, true));
    const text = new TextDecoder().decode(bytes.subarray(at + 8, at + 8 + length));
    tokens.push(tokens.length < 3 ? ["<unk>", "<s>", "</s>"][tokens.length] : text.replaceAll(" ", "▁"));
    at += 8 + length;
  }
  assertEquals(tokens.length, 32000);
  const vocabulary = { ...vocabularyOf([]), tokens, scores };
  const types = tokens.map((_, id) => vocabulary.types[id] ?? 1);
  const tokenizer = ggufTokenizer(fileOf({ ...vocabulary, types }));
  // Of llama2.c's tests, whose ids are those of Meta's own tokenizer.
  const published: [string, number[]][] = [
    ["I believe the meaning of life is", [1, 306, 4658, 278, 6593, 310, 2834, 338]],
    [
      "Simply put, the theory of relativity states that ",
      [1, 3439, 17632, 1925, 29892, 278, 6368, 310, 14215, 537, 5922, 393, 29871],
    ],
  ];
  for (const [text, ids] of published) assertEquals(encode(tokenizer, text), ids);
  const text = await Deno.readTextFile(new URL("../../fixtures/corpora/sotu.test.txt", import.meta.url));
  for (let i = 0; i < 20; i++) {
    const part = text.slice(i * 997, i * 997 + 300);
    assertEquals(encode(tokenizer, part), [1, ...greedy({ tokens, scores, types }, part)]);
  }
});
