/**
 * SentencePiece vocabularies (`tokenizer.ggml.model` is `"llama"`) as the model of a `tokenizer.json`. SentencePiece joins
 * the two neighbours whose union is the piece with the highest score, until none is; merges in the order of the scores of
 * what they make do the same.
 */
import type { JsonObject } from "../../base/json.ts";
import { TokenizerError } from "../tokenizer/error.ts";

/** A vocabulary with the score of each piece. */
export interface Pieces {
  /** Text of each piece; blanks are written `▁`. */
  readonly tokens: readonly string[];
  /** Higher ones are joined first. */
  readonly scores: readonly number[];
  /** Whether a piece comes out of text: no control token, byte or unknown token. */
  readonly isText: (id: number) => boolean;
  /** Text of the token for what no piece covers. */
  readonly unknown?: string;
  /** Whether a blank is put before the text. */
  readonly blankFirst: boolean;
}

/**
 * The likeliest pieces instead of joined ones (`tokenizer.ggml.model` is `"t5"`): model, normalizer and decoder. `charsmap` are
 * SentencePiece's replacements, in base64.
 */
export function unigramModel(
  { tokens, scores, blankFirst }: Pick<Pieces, "tokens" | "scores" | "blankFirst">,
  unknown: number | undefined,
  charsmap: string | undefined,
  removeBlanks: boolean,
): JsonObject {
  const steps = [
    ...(charsmap === undefined ? [] : [{ type: "Precompiled", precompiled_charsmap: charsmap }]),
    ...(removeBlanks
      ? [
        { type: "Strip", strip_left: true, strip_right: true },
        { type: "Replace", pattern: { Regex: " {2,}" }, content: " " },
      ]
      : []),
  ];
  const metaspace = {
    type: "Metaspace",
    replacement: "▁",
    prepend_scheme: blankFirst ? "always" : "never",
    split: false,
  };
  return {
    normalizer: steps.length === 0 ? null : { type: "Sequence", normalizers: steps },
    pre_tokenizer: metaspace,
    decoder: metaspace,
    model: {
      type: "Unigram",
      vocab: tokens.map((token, id) => [token, scores[id]]),
      unk_id: unknown ?? null,
      byte_fallback: false,
    },
  };
}

/** Pieces are cut everywhere: nothing that a vocabulary is trained to has such a length. */
const longestPiece = 512;

/**
 * Model, normalizer and decoder of a `tokenizer.json`.
 *
 * @throws {TokenizerError} `format`; `path` is named in the message
 */
export function sentencePieceModel(path: string, pieces: Pieces): JsonObject {
  const { tokens, unknown, blankFirst } = pieces;
  const blank = { String: " " }, mark = { String: "▁" };
  const replace = (pattern: JsonObject, content: string) => ({ type: "Replace", pattern, content });
  return {
    normalizer: {
      type: "Sequence",
      normalizers: [...(blankFirst ? [{ type: "Prepend", prepend: "▁" }] : []), replace(blank, "▁")],
    },
    pre_tokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [
        replace(mark, " "),
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(blankFirst ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: mergesOf(path, pieces),
      unk_token: unknown ?? null,
      fuse_unk: true,
      byte_fallback: true,
    },
  };
}

/** All ways to join two pieces to a third, the best ones first; of equals those with the shorter left part. */
function mergesOf(path: string, { tokens, scores, isText }: Pieces): [string, string][] {
  const known = new Map(tokens.flatMap((token, id) => isText(id) ? [[token, id]] : []));
  const found: { parts: [string, string]; score: number }[] = [];
  for (const [token, id] of known) {
    if (token.length > longestPiece) {
      throw new TokenizerError(
        "format",
        `${path}: tokenizer.ggml.tokens[${id}] has ${token.length} characters: expected at most ${longestPiece}`,
      );
    }
    for (let at = 1; at < token.length; at++) {
      const left = token.slice(0, at), right = token.slice(at);
      if (known.has(left) && known.has(right)) found.push({ parts: [left, right], score: scores[id] });
    }
  }
  return found.sort((a, b) => b.score - a.score || a.parts[0].length - b.parts[0].length)
    .map(({ parts }) => parts);
}
