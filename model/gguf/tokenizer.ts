/** The tokenizer inside a GGUF file, as the `tokenizer.json` that it was made from. */
import { show } from "../../base/show.ts";
import type { GgufFile } from "./file.ts";
import { sentencePieceModel } from "./sentencepiece.ts";
import type { JsonObject } from "../../base/json.ts";
import { type Tokenizer, tokenizerOf } from "../tokenizer/tokenizer.ts";
import { TokenizerError } from "../tokenizer/error.ts";

/** How text is split before merges apply, by `tokenizer.ggml.pre`; the patterns are those of the models' own tokenizers. */
export const preTokenizers: Readonly<Record<string, readonly JsonObject[]>> = {
  "default": [byteLevel(true)],
  "gpt-2": [byteLevel(true)],
  "smollm": [{ type: "Digits", individual_digits: true }, byteLevel(true)],
  "starcoder": [{ type: "Digits", individual_digits: true }, byteLevel(true)],
  "llama-bpe": [
    split(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" +
        "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ),
    byteLevel(false),
  ],
  "qwen2": [
    split(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" +
        "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ),
    byteLevel(false),
  ],
};

/** Token types of the file: control tokens never come out of text; user-defined ones are found in it. */
const normal = 1, control = 3, userDefined = 4;

/**
 * Makes the tokenizer of a GGUF file.
 *
 * @throws {TokenizerError} `missing`, `format` or `unsupported`, naming the metadata key
 */
export function ggufTokenizer(file: GgufFile): Tokenizer {
  const { metadata, path } = file;
  const model = metadata.get("tokenizer.ggml.model");
  if (model === undefined) throw new TokenizerError("missing", `${path}: tokenizer.ggml.model is missing`);
  if (model !== "gpt2" && model !== "llama") {
    throw new TokenizerError(
      "unsupported",
      `${path}: tokenizer.ggml.model is ${show(model)}: expected "gpt2" or "llama"`,
    );
  }
  const tokens = strings(metadata, "tokenizer.ggml.tokens", path);
  const vocabulary = new Map(tokens.map((token, id) => [token, id]));
  if (vocabulary.size !== tokens.length) {
    throw new TokenizerError("format", `${path}: tokenizer.ggml.tokens has the same token twice`);
  }
  const types = metadata.get("tokenizer.ggml.token_type");
  const added = Array.isArray(types) ? types : [];
  const special = (key: string): string | undefined => {
    const name = `tokenizer.ggml.${key}`, id = metadata.get(name);
    if (id === undefined) return undefined;
    if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < tokens.length) return tokens[id];
    throw new TokenizerError("format", `${path}: ${name} is ${show(id)}: expected 0 to ${tokens.length - 1}`);
  };
  const bos = special("bos_token_id"), eos = special("eos_token_id");
  const parts = model === "gpt2" ? byteLevelModel(file, vocabulary) : sentencePieceModel(path, {
    tokens,
    scores: scoresOf(file, tokens.length),
    isText: (id) =>
      added[id] === normal || (added[id] === undefined && !/^<0x[0-9A-F]{2}>$/.test(tokens[id])),
    unknown: special("unknown_token_id"),
    blankFirst: metadata.get("tokenizer.ggml.add_space_prefix") !== false,
  });
  // SentencePiece vocabularies begin a text unless they say that they do not, the others only if they say so.
  const begins = metadata.get("tokenizer.ggml.add_bos_token") ?? model === "llama";
  const json: JsonObject = {
    version: "1.0",
    added_tokens: tokens.flatMap((content, id) =>
      added[id] === control || added[id] === userDefined
        ? [{
          id,
          content,
          special: added[id] === control,
          single_word: false,
          lstrip: false,
          rstrip: false,
          normalized: false,
        }]
        : []
    ),
    post_processor: bos !== undefined && begins === true ? startWith(bos, vocabulary.get(bos)) : null,
    ...parts,
  };
  const template = metadata.get("tokenizer.chat_template");
  const gemma = String(metadata.get("general.architecture")).startsWith("gemma");
  const config = { bos_token: bos, eos_token: eos, ...gemma && { tokenizer_class: "GemmaTokenizer" } };
  return tokenizerOf(path, json, config, {
    chatTemplate: typeof template === "string" ? template : undefined,
  });
}

/** Model, pre-tokenizer and decoder of a byte-level vocabulary with its merges. */
function byteLevelModel({ metadata, path }: GgufFile, vocabulary: ReadonlyMap<string, number>): JsonObject {
  const pre = metadata.get("tokenizer.ggml.pre") ?? "default";
  if (typeof pre !== "string" || !Object.hasOwn(preTokenizers, pre)) {
    const known = Object.keys(preTokenizers).join(", ");
    throw new TokenizerError("unsupported", `${path}: tokenizer.ggml.pre is ${show(pre)}: expected ${known}`);
  }
  const merges = strings(metadata, "tokenizer.ggml.merges", path).map((merge, i) => {
    // Neither part holds a space: the byte level writes spaces as another letter.
    const parts = merge.split(" ");
    if (parts.length === 2) return parts;
    throw new TokenizerError(
      "format",
      `${path}: tokenizer.ggml.merges[${i}] is ${show(merge)}: expected two parts`,
    );
  });
  return {
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: preTokenizers[pre] },
    decoder: byteLevel(true),
    model: { type: "BPE", vocab: Object.fromEntries(vocabulary), merges },
  };
}

function scoresOf({ metadata, path }: GgufFile, count: number): readonly number[] {
  const key = "tokenizer.ggml.scores", value = metadata.get(key);
  const scores = Array.isArray(value)
    ? value.filter((one): one is number => typeof one === "number" && Number.isFinite(one))
    : [];
  if (scores.length === count && Array.isArray(value) && value.length === count) return scores;
  throw new TokenizerError("format", `${path}: ${key} must be ${count} finite numbers, got ${show(value)}`);
}

function strings(metadata: GgufFile["metadata"], key: string, path: string): readonly string[] {
  const value = metadata.get(key);
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value;
  throw new TokenizerError("format", `${path}: ${key} must be a list of texts, got ${show(value)}`);
}

function byteLevel(regex: boolean): JsonObject {
  return { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: regex };
}

function split(pattern: string): JsonObject {
  return { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
}

function startWith(token: string, id: number | undefined): JsonObject {
  const one = { SpecialToken: { id: token, type_id: 0 } };
  return {
    type: "TemplateProcessing",
    single: [one, { Sequence: { id: "A", type_id: 0 } }],
    pair: [one, { Sequence: { id: "A", type_id: 0 } }, one, { Sequence: { id: "B", type_id: 1 } }],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
}
