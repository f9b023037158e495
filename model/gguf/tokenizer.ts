/** The tokenizer inside a GGUF file, as the `tokenizer.json` that it was made from, with llama.cpp's defaults for what files leave out. */
import type { JsonObject } from "../../base/json.ts";
import { show } from "../../base/show.ts";
import { namedTemplates } from "../tokenizer/chat/templates.ts";
import { type Tokenizer, tokenizerOf } from "../tokenizer/tokenizer.ts";
import { endTokens, isEndText } from "./end_tokens.ts";
import type { GgufFile } from "./file.ts";
import { byteLevel, preTokenizers } from "./pre_tokenizers.ts";
import { sentencePieceModel, unigramModel } from "./sentencepiece.ts";
import { tokenTypes, Vocabulary } from "./vocabulary.ts";
import { wordPieceModel, wordPieceToken } from "./wordpiece.ts";
import { TokenizerError } from "../tokenizer/error.ts";

/** A tokenizer as llama.cpp's loader begins it, before the file's own keys. */
interface Kind {
  /** Model, normalizer, pre-tokenizer and decoder. */
  readonly json: JsonObject;
  /** Ids of special tokens that the file does not name. */
  readonly defaults: Readonly<Record<string, number | undefined>>;
  readonly addBos?: boolean;
  readonly addEos?: boolean;
  readonly addSep?: boolean;
  /** The text of a token, where the file writes it another way. */
  readonly text?: (token: string) => string;
  /** Sentences about what is guessed. */
  readonly notices?: readonly string[];
}

/** By `tokenizer.ggml.model`. */
const kinds: Readonly<Record<string, (vocabulary: Vocabulary) => Kind>> = {
  gpt2: byteLevelKind,
  llama: sentencePieceKind,
  t5: unigramKind,
  bert: wordPieceKind,
};

/**
 * Makes the tokenizer of a GGUF file.
 *
 * @throws {TokenizerError} `missing`, `format` or `unsupported`, naming the metadata key
 */
export function ggufTokenizer(file: GgufFile): Tokenizer {
  const { metadata, path } = file, model = metadata.get("tokenizer.ggml.model");
  if (model === undefined) throw new TokenizerError("missing", `${path}: tokenizer.ggml.model is missing`);
  if (typeof model !== "string" || !Object.hasOwn(kinds, model)) {
    const known = Object.keys(kinds).map((one) => `"${one}"`).join(", ");
    throw new TokenizerError(
      "unsupported",
      `${path}: tokenizer.ggml.model is ${show(model)}: expected ${known}`,
    );
  }
  const vocabulary = new Vocabulary(file), { tokens } = vocabulary;
  vocabulary.value("model");
  const kind = kinds[model](vocabulary), { text = (token) => token } = kind;
  const special = (name: string) => vocabulary.special(`${name}_token_id`, kind.defaults[name]);
  // Converters of WordPiece name the first token either way.
  const bos = special("bos") ?? special("cls"), eos = special("eos"), sep = special("seperator");
  const around = {
    first: vocabulary.flag("add_bos_token", kind.addBos ?? false) ? bos : undefined,
    last: vocabulary.flag("add_eos_token", kind.addEos ?? false) ? eos : undefined,
    sep: kind.addSep ? sep : undefined,
  };
  const json: JsonObject = {
    version: "1.0",
    added_tokens: tokens.flatMap((token, id) => addedToken(vocabulary, text(token), id)),
    post_processor: template(tokens.map(text), around),
    ...kind.json,
  };
  const names = { bos, eos, unk: special("unknown"), pad: special("padding"), sep, mask: special("mask") };
  const config = Object.fromEntries(
    Object.entries(names).flatMap(([name, id]) =>
      id === undefined ? [] : [[`${name}_token`, text(tokens[id])]]
    ),
  );
  // Gemma's models were trained to see their first token at the beginning of every sequence.
  const isGemma = String(metadata.get("general.architecture")).startsWith("gemma");
  const own = { ...config, ...isGemma && { tokenizer_class: "GemmaTokenizer" } };
  const made = tokenizerOf(path, json, own, templates(file));
  const notices = [...kind.notices ?? [], ...vocabulary.notices(), ...made.notices ?? []];
  const ends = endTokens(tokens, (key) => vocabulary.special(key, key === "eos_token_id" ? eos : undefined));
  return Object.assign(made, { notices, endTokens: ends });
}

/** Byte-level pairs in the order of their merges. */
function byteLevelKind(vocabulary: Vocabulary): Kind {
  const stated = vocabulary.value("pre"), pre = stated ?? "default";
  const known = typeof pre === "string" ? preTokenizers.get(pre) : undefined;
  if (known === undefined) {
    const names = [...preTokenizers.keys()].join(", ");
    return vocabulary.fail("unsupported", `tokenizer.ggml.pre is ${show(pre)}: expected ${names}`);
  }
  const merges = vocabulary.strings("merges").map((merge, i) => {
    // Neither part holds a space: the byte level writes spaces as another letter.
    const parts = merge.split(" ");
    if (parts.length === 2) return parts;
    return vocabulary.fail("format", `tokenizer.ggml.merges[${i}] is ${show(merge)}: expected two parts`);
  });
  // llama.cpp takes token 11 for both where the file names none: Falcon's, which is a control token there.
  const usual = vocabulary.type(11) === tokenTypes.control ? 11 : undefined;
  const guessed =
    `${vocabulary.path}: tokenizer.ggml.pre is missing: texts are split as llama.cpp splits them then`;
  const { steps, ignoreMerges = false, addBos } = known;
  return {
    json: {
      normalizer: null,
      pre_tokenizer: { type: "Sequence", pretokenizers: steps },
      decoder: byteLevel(true),
      model: { type: "BPE", vocab: Object.fromEntries(vocabulary.ids), merges, ignore_merges: ignoreMerges },
    },
    defaults: { bos: usual, eos: usual },
    addBos,
    notices: [
      ...(stated === undefined ? [guessed] : []),
      ...["add_space_prefix", "remove_extra_whitespaces"].flatMap((name) => passedOver(vocabulary, name)),
    ],
  };
}

/** A switch that llama.cpp does not look at in this kind of vocabulary. */
function passedOver(vocabulary: Vocabulary, name: string): string[] {
  if (!vocabulary.flag(name, false)) return [];
  return [`${vocabulary.path}: tokenizer.ggml.${name} is not used, as in llama.cpp`];
}

/** SentencePiece: neighbours are joined by score. */
function sentencePieceKind(vocabulary: Vocabulary): Kind {
  const { tokens, path } = vocabulary, unknown = vocabulary.special("unknown_token_id", 0);
  return {
    json: sentencePieceModel(path, {
      tokens,
      scores: vocabulary.scores(),
      isText: (id) => {
        const type = vocabulary.type(id);
        return type === tokenTypes.normal || (type === undefined && !/^<0x[0-9A-F]{2}>$/.test(tokens[id]));
      },
      unknown: unknown === undefined ? undefined : tokens[unknown],
      blankFirst: vocabulary.flag("add_space_prefix", true),
    }),
    defaults: { bos: 1, eos: 2, unknown: 0 },
    addBos: true,
    notices: passedOver(vocabulary, "remove_extra_whitespaces"),
  };
}

/** SentencePiece: the likeliest way to cut a text. */
function unigramKind(vocabulary: Vocabulary): Kind {
  const map = vocabulary.value("precompiled_charsmap");
  const bytes = Array.isArray(map) ? Uint8Array.from(map, (one) => Number(one) & 255) : undefined;
  const charsmap = bytes && bytes.length > 0 ? bytes.toBase64() : undefined;
  return {
    json: unigramModel(
      {
        tokens: vocabulary.tokens,
        scores: vocabulary.scores(),
        blankFirst: vocabulary.flag("add_space_prefix", false),
      },
      vocabulary.special("unknown_token_id", 2),
      charsmap,
      vocabulary.flag("remove_extra_whitespaces", false),
    ),
    defaults: { eos: 1, unknown: 2, padding: 0 },
    addEos: true,
  };
}

/** Words of pieces, the longest first. */
function wordPieceKind(vocabulary: Vocabulary): Kind {
  const { tokens } = vocabulary;
  const lowercase = vocabulary.flag("normalizer.lowercase", true);
  const unknown = vocabulary.special("unknown_token_id", 100);
  if (unknown === undefined) return vocabulary.fail("format", "tokenizer.ggml.unknown_token_id is missing");
  return {
    json: wordPieceModel(tokens, wordPieceToken(tokens[unknown]), {
      lowercase,
      stripAccents: vocabulary.flag("normalizer.strip_accents", lowercase),
    }),
    defaults: { bos: 101, unknown: 100, seperator: 102, padding: 0, mask: 103 },
    addBos: true,
    addSep: true,
    text: wordPieceToken,
  };
}

/** A control or user-defined token; tokens that end texts are control tokens whatever the file says. */
function addedToken(vocabulary: Vocabulary, content: string, id: number): JsonObject[] {
  const type = vocabulary.type(id), special = type === tokenTypes.control || isEndText(vocabulary.tokens[id]);
  if (!special && type !== tokenTypes.userDefined) return [];
  return [{ id, content, special, single_word: false, lstrip: false, rstrip: false, normalized: false }];
}

/** What stands around a text. */
function template(
  tokens: readonly string[],
  { first, last, sep }: { readonly first?: number; readonly last?: number; readonly sep?: number },
): JsonObject | null {
  const after = [sep, last].filter((id) => id !== undefined);
  const ids = [...(first === undefined ? [] : [first]), ...after];
  if (ids.length === 0) return null;
  const token = (id: number, type: number) => ({ SpecialToken: { id: tokens[id], type_id: type } });
  const text = (name: string, type: number) => [
    ...(first === undefined ? [] : [token(first, type)]),
    { Sequence: { id: name, type_id: type } },
    ...after.map((id) => token(id, type)),
  ];
  return {
    type: "TemplateProcessing",
    single: text("A", 0),
    pair: [...text("A", 0), ...text("B", 1)],
    special_tokens: Object.fromEntries(
      ids.map((id) => [tokens[id], { id: tokens[id], ids: [id], tokens: [tokens[id]] }]),
    ),
  };
}

/** The chat template, and others by name under keys of their own. */
function templates({ metadata }: GgufFile): ReturnType<typeof namedTemplates> {
  const key = "tokenizer.chat_template";
  const found = [...metadata].flatMap(([name, value]): [string, string][] => {
    if (typeof value !== "string") return [];
    if (name === key) return [["default", value]];
    return name.startsWith(`${key}.`) ? [[name.slice(key.length + 1), value]] : [];
  });
  const [first] = found;
  if (first === undefined) return {};
  return found.length === 1 && first[0] === "default" ? { chatTemplate: first[1] } : namedTemplates(found);
}
