/**
 * Vocabularies of every kind against llama.cpp 0.5.0 itself, run on files with the same metadata: 81 names of pre-tokenizers, SentencePiece
 * by joins and by likelihood, WordPiece; and against the makers' own tools (sentencepiece 0.2.3, tokenizers 0.23.3).
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { TokenizerError } from "../tokenizer/error.ts";
import type { GgufFile } from "./file.ts";
import { preTokenizers } from "./pre_tokenizers.ts";
import { ggufTokenizer } from "./tokenizer.ts";

interface Kind {
  readonly keys: Record<string, unknown>;
  readonly texts: string[];
  readonly "llama.cpp": number[][];
  readonly own: number[][];
  readonly ends: number[];
}

const judged: {
  readonly texts: string[];
  readonly bpe: {
    readonly tokens: string[];
    readonly types: number[];
    readonly merges: string[];
    readonly ids: readonly { readonly names: string[]; readonly ids: number[][] }[];
    readonly ends: number[];
  };
  readonly spm: Kind;
  readonly unigram: Kind;
  readonly wordpiece: Kind;
} = JSON.parse(await Deno.readTextFile(new URL("../../fixtures/gguf/tokenizers.json", import.meta.url)));

function fileOf(keys: Record<string, unknown>): GgufFile {
  const metadata = new Map(
    Object.entries(keys).map((
      [key, value],
    ) => [`tokenizer.${key.includes(".") ? key : `ggml.${key}`}`, value]),
  ) as GgufFile["metadata"];
  return {
    path: "a.gguf",
    paths: ["a.gguf"],
    byteLength: 0,
    metadata,
    tensors: new Map(),
    read: () => Promise.reject(),
  };
}

const { tokens, types, merges } = judged.bpe;
const byteLevel = {
  model: "gpt2",
  tokens,
  token_type: types,
  merges,
  bos_token_id: 0,
  eos_token_id: 1,
  seperator_token_id: 1,
};

/**
 * llama.cpp writes these patterns with what its engine has: capitals by ASCII, no marks within words. The models' own patterns are used
 * here, which tell these texts apart.
 */
const approximated = new Set([
  "gpt-4o",
  "llama4",
  "kanana2",
  "talkie",
  "minimax-m2",
  "tekken",
  "tiny_aya",
  "cohere2moe",
]);
const apart = /[\u0300\u0301\u0303\u094d]|camelCase/;

Deno.test("byte-level vocabularies are split, begun and joined by the name of their pre-tokenizer, as llama.cpp does", () => {
  const seen = new Set<string>();
  for (const { names, ids } of judged.bpe.ids) {
    for (const pre of names) {
      seen.add(pre);
      const tokenizer = ggufTokenizer(fileOf(pre === "none" ? byteLevel : { ...byteLevel, pre }));
      for (const [i, text] of judged.texts.entries()) {
        if (approximated.has(pre) && apart.test(text)) continue;
        assertEquals([...tokenizer.encode(text)], ids[i], `${pre}: ${JSON.stringify(text)}`);
        assertEquals(tokenizer.decode(tokenizer.encode(text, { addSpecialTokens: false })), text);
      }
    }
  }
  // The library's release is a day older than one name.
  assertEquals([...preTokenizers.keys()].filter((name) => !seen.has(name)), ["glm5"]);
  assertEquals(seen.size, preTokenizers.size);
});

Deno.test("SentencePiece and WordPiece vocabularies give llama.cpp's ids and the makers'", () => {
  const wrong: Record<string, [llama: number, own: number]> = {};
  for (const kind of ["spm", "unigram", "wordpiece"] as const) {
    const { keys, texts, own, ends } = judged[kind], tokenizer = ggufTokenizer(fileOf(keys));
    const bare = { addSpecialTokens: kind === "wordpiece" };
    const differs = (found: Int32Array, expected: number[]) => found.join() !== expected.join();
    wrong[kind] = [
      texts.filter((text, i) => differs(tokenizer.encode(text), judged[kind]["llama.cpp"][i])).length,
      texts.filter((text, i) => differs(tokenizer.encode(text, bare), own[i])).length,
    ];
    assertEquals(tokenizer.endTokens, ends, kind);
    assertEquals(tokenizer.notices, [], kind);
  }
  // Beside user-defined tokens llama.cpp begins again with a blank, sentencepiece does not; llama.cpp drops vowel signs and Hangul's
  // parts, which BERT's own tokenizer keeps; six digits can be cut in several ways of one likelihood.
  assertEquals(wrong, { spm: [0, 2], unigram: [0, 3], wordpiece: [2, 0] });
});

Deno.test("texts end at the tokens that llama.cpp ends at; they are control tokens whatever the file says", () => {
  const tokenizer = ggufTokenizer(fileOf({ ...byteLevel, pre: "qwen2" }));
  assertEquals(tokenizer.endTokens, judged.bpe.ends);
  assertEquals([...tokenizer.encode("<|im_end|>")], [3]);
  assertEquals(types[3], 1);
  const more = {
    tokens: [...tokens, "<|end|>", "<|return|>", "<|call|>", "<|fim_pad|>", "<X>"],
    eot_token_id: tokens.length + 4,
  };
  const ends = ggufTokenizer(fileOf({ ...byteLevel, ...more, pre: "gpt-4o" })).endTokens ?? [];
  assertEquals(ends.slice(2).map((id) => more.tokens[id]), ["<|return|>", "<|call|>", "<|fim_pad|>", "<X>"]);
});

Deno.test("keys say what stands around a text; what they do not say is llama.cpp's default", () => {
  const ids = (keys: Record<string, unknown>) => [...ggufTokenizer(fileOf(keys)).encode("a")];
  const [a] = ids({ ...byteLevel, pre: "gpt-2" });
  assertEquals(ids({ ...byteLevel, pre: "llama-bpe" }), [0, a]);
  assertEquals(ids({ ...byteLevel, pre: "llama-bpe", add_bos_token: false }), [a]);
  assertEquals(ids({ ...byteLevel, pre: "gpt-2", add_bos_token: true, add_eos_token: true }), [0, a, 1]);
  const { bos_token_id: _, eos_token_id: __, unknown_token_id: ___, ...unnamed } = judged.spm.keys;
  const tokenizer = ggufTokenizer(fileOf(unnamed));
  assertEquals([tokenizer.bos, tokenizer.eos, tokenizer.encode("a")[0]], [1, 2, 1]);
});

Deno.test("named templates, and keys that nobody knows", () => {
  const tokenizer = ggufTokenizer(fileOf({
    ...byteLevel,
    "chat_template.tool_use": "tools",
    "chat_template.default": "plain",
    "ggml.new_rule": 3,
  }));
  assertEquals(tokenizer.chatTemplates, { tool_use: "tools", default: "plain" });
  assertEquals(tokenizer.notices, [
    "a.gguf: tokenizer.ggml.pre is missing: texts are split as llama.cpp splits them then",
    "a.gguf: tokenizer.ggml.new_rule (3) is not known here and was not used",
  ]);
  const error = assertThrows(() => ggufTokenizer(fileOf({ ...byteLevel, pre: "superbpe" })), TokenizerError);
  assert(error.code === "unsupported" && error.message.includes(`tokenizer.ggml.pre is "superbpe"`));
});
