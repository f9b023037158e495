/** WordPiece vocabularies (`tokenizer.ggml.model` is `"bert"`) as the model of a `tokenizer.json`. */
import type { JsonObject } from "../../base/json.ts";

/** A token as WordPiece writes it: files mark the beginnings of words, WordPiece what goes on. */
export function wordPieceToken(token: string): string {
  if (token.startsWith("▁")) return token.slice(1);
  return /^\[.*\]$/s.test(token) ? token : `##${token}`;
}

/** Model, normalizer, pre-tokenizer and decoder. */
export function wordPieceModel(
  tokens: readonly string[],
  unknown: string,
  { lowercase, stripAccents }: { readonly lowercase: boolean; readonly stripAccents: boolean },
): JsonObject {
  return {
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: stripAccents,
      lowercase,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    decoder: { type: "WordPiece", prefix: "##", cleanup: false },
    model: {
      type: "WordPiece",
      vocab: Object.fromEntries(tokens.map((token, id) => [wordPieceToken(token), id])),
      unk_token: unknown,
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
    },
  };
}
