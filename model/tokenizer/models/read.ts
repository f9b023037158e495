/** The `model` of a `tokenizer.json`. */
import { isJsonObject } from "../../../base/json.ts";
import { show } from "../../../base/show.ts";
import { TokenizerError } from "../error.ts";
import { type Fields, isId, maxId } from "../fields.ts";
import { Bpe } from "./bpe.ts";
import type { TokenModel } from "./model.ts";
import { Unigram } from "./unigram.ts";
import { WordLevel, WordPiece } from "./words.ts";

/** The model that `fields` describe. */
export function modelOf(fields: Fields): TokenModel {
  const model = build(fields);
  fields.finish();
  return model;
}

function build(fields: Fields): TokenModel {
  // Old files have no type; the library tries them in this order.
  const type = fields.optionalText("type") ?? guess(fields);
  switch (type) {
    case "BPE":
      return bpe(fields);
    case "Unigram":
      return unigram(fields);
    case "WordPiece": {
      const unknown = fields.text("unk_token"), prefix = fields.text("continuing_subword_prefix");
      return new WordPiece(vocabularyOf(fields), unknown, prefix, fields.count("max_input_chars_per_word"));
    }
    case "WordLevel":
      return new WordLevel(vocabularyOf(fields), fields.text("unk_token"));
  }
  return fields.refuse("type", "expected BPE, Unigram, WordLevel or WordPiece");
}

function guess(fields: Fields): string {
  const has = (key: string) => fields.value(key) !== undefined;
  if (has("merges") || !has("vocab")) return "BPE";
  if (Array.isArray(fields.value("vocab"))) return "Unigram";
  return has("max_input_chars_per_word") ? "WordPiece" : "WordLevel";
}

function bpe(fields: Fields): TokenModel {
  const dropout = fields.value("dropout");
  if (dropout !== undefined && dropout !== 0) {
    fields.refuse("dropout", "the same text would have other ids each time; expected null or 0");
  }
  const vocabulary = vocabularyOf(fields);
  const merges = fields.list("merges").flatMap((merge, i) => mergesOf(fields, merge, i));
  return new Bpe({
    vocabulary,
    merges,
    unknown: fields.optionalText("unk_token"),
    fuseUnknown: fields.flag("fuse_unk", false),
    byteFallback: fields.flag("byte_fallback", false),
    ignoreMerges: fields.flag("ignore_merges", false),
    prefix: fields.optionalText("continuing_subword_prefix"),
    suffix: fields.optionalText("end_of_word_suffix"),
  }, fields.path("merges"));
}

/** A merge as a pair; as one text, a version line among them says nothing. */
function mergesOf(fields: Fields, merge: unknown, i: number): [string, string][] {
  if (typeof merge === "string" && merge.startsWith("#version")) return [];
  const parts: unknown = typeof merge === "string" ? merge.split(" ") : merge;
  const [left, right] = Array.isArray(parts) && parts.length === 2 ? parts : [];
  if (typeof left === "string" && typeof right === "string") return [[left, right]];
  return fields.fail("merges", '"left right" or ["left", "right"]', `merges[${i}]`, merge);
}

/** Ids by token; no id stands twice. */
export function vocabularyOf(fields: Fields): Map<string, number> {
  const value = fields.value("vocab");
  if (!isJsonObject(value)) return fields.fail("vocab", "an object of token -> id");
  const vocabulary = new Map<string, number>(), seen = new Set<number>();
  for (const [token, id] of Object.entries(value)) {
    if (!isId(id) || seen.has(id)) {
      const reason = isId(id) ? "is given twice" : `must be an integer from 0 to ${maxId}`;
      throw new TokenizerError(
        "format",
        `${fields.path("vocab")}: id ${show(id)} of ${show(token)} ${reason}`,
      );
    }
    seen.add(id);
    vocabulary.set(token, id);
  }
  return vocabulary;
}

function unigram(fields: Fields): TokenModel {
  const vocabulary = fields.list("vocab").map((entry, i): [string, number] => {
    const [token, score] = Array.isArray(entry) && entry.length === 2 ? entry : [];
    if (typeof token === "string" && typeof score === "number" && Number.isFinite(score)) {
      return [token, score];
    }
    return fields.fail("vocab", "[token, finite score]", `vocab[${i}]`, entry);
  });
  const unknown = fields.value("unk_id");
  if (unknown !== undefined && !(isId(unknown) && unknown < vocabulary.length)) {
    fields.fail("unk_id", `0 to ${vocabulary.length - 1}`);
  }
  return new Unigram(vocabulary, isId(unknown) ? unknown : undefined, fields.flag("byte_fallback", false));
}
