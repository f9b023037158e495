/** What a `tokenizer.json` must satisfy before it is used: the library that runs it checks little. */
import { show } from "../../base/show.ts";
import { isJsonObject, type JsonObject, own } from "../../base/json.ts";
import { TokenizerError } from "./error.ts";

const components: readonly (readonly [field: string, child: string, types: readonly string[]])[] = [
  ["normalizer", "normalizers", [
    "BertNormalizer",
    "Lowercase",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Precompiled",
    "Prepend",
    "Replace",
    "Sequence",
    "Strip",
    "StripAccents",
  ]],
  ["pre_tokenizer", "pretokenizers", [
    "BertPreTokenizer",
    "ByteLevel",
    "Digits",
    "FixedLength",
    "Metaspace",
    "Punctuation",
    "Replace",
    "Sequence",
    "Split",
    "Whitespace",
    "WhitespaceSplit",
  ]],
  ["post_processor", "processors", [
    "BertProcessing",
    "ByteLevel",
    "RobertaProcessing",
    "Sequence",
    "TemplateProcessing",
  ]],
  ["decoder", "decoders", [
    "BPEDecoder",
    "ByteFallback",
    "ByteLevel",
    "CTC",
    "Fuse",
    "Metaspace",
    "Replace",
    "Sequence",
    "Strip",
    "WordPiece",
  ]],
];

/** Ids index embedding rows and Int32Arrays; no vocabulary is near this size. */
const maxId = 2 ** 24;

/**
 * Checks a parsed `tokenizer.json`.
 *
 * @throws {TokenizerError} `format` or `unsupported`, naming the field
 */
export function checkTokenizer(json: JsonObject, file: string): void {
  const version = own(json, "version");
  if (version !== undefined && version !== "1.0") {
    throw new TokenizerError("unsupported", `${file}: version ${show(version)}: expected "1.0"`);
  }
  const model = own(json, "model");
  if (!isJsonObject(model)) {
    throw new TokenizerError("format", `${file}: model must be an object, got ${show(model)}`);
  }
  for (const [field, child, types] of components) checkComponent(own(json, field), field, child, types, file);
  checkAdded(own(json, "added_tokens"), file);
  // Old files have no type: BPE is the model with merges.
  const type = own(model, "type") ?? (Object.hasOwn(model, "merges") ? "BPE" : "Unigram");
  if (type === "BPE") checkBpe(model, file);
  else if (type === "Unigram") checkUnigram(model, file);
  else if (type === "WordPiece") checkVocabulary(model, file);
  else {
    throw new TokenizerError(
      "unsupported",
      `${file}: model type ${show(type)}: expected BPE, Unigram or WordPiece`,
    );
  }
}

function checkComponent(
  value: unknown,
  field: string,
  child: string,
  types: readonly string[],
  file: string,
): void {
  if (value === undefined || value === null) return;
  if (!isJsonObject(value)) {
    throw new TokenizerError("format", `${file}: ${field} must be an object, got ${show(value)}`);
  }
  const type = own(value, "type");
  if (typeof type !== "string" || !types.includes(type)) {
    throw new TokenizerError(
      "unsupported",
      `${file}: ${field} type ${show(type)}: expected ${types.join(", ")}`,
    );
  }
  if (type === "Sequence") {
    const children = own(value, child);
    if (!Array.isArray(children)) {
      throw new TokenizerError("format", `${file}: ${field}.${child} must be a list`);
    }
    for (const inner of children) checkComponent(inner, field, child, types, file);
  }
  if (type === "TemplateProcessing") checkTemplate(value, file);
  const pattern = own(value, "pattern");
  const regex = isJsonObject(pattern) ? own(pattern, "Regex") : undefined;
  if (regex !== undefined) checkRegex(regex, field, file);
}

/** The library compiles patterns lazily; a pattern that cannot work must fail here. */
function checkRegex(regex: unknown, field: string, file: string): void {
  try {
    if (typeof regex !== "string") throw new SyntaxError("it is not a string");
    new RegExp(regex.replace(/\\([#&~])/g, "$1"), "u");
    // An unbounded repeat of an unbounded repeat, as in (a+)+, makes a backtracking matcher take exponential time.
    if (/\([^()]*[+*][^()]*\)(?:[+*]|\{\d+,\})/.test(regex)) {
      throw new SyntaxError("it repeats a repeat, which can take exponential time");
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TokenizerError("format", `${file}: ${field}: Regex ${show(regex)} cannot be used: ${reason}`);
  }
}

function checkTemplate(template: JsonObject, file: string): void {
  const defined = own(template, "special_tokens");
  for (const form of ["single", "pair"]) {
    const items = own(template, form);
    for (const item of Array.isArray(items) ? items : []) {
      const special = isJsonObject(item) ? own(item, "SpecialToken") : undefined;
      const id = isJsonObject(special) ? own(special, "id") : undefined;
      if (typeof id !== "string") continue;
      if (!isJsonObject(defined) || !Object.hasOwn(defined, id)) {
        throw new TokenizerError(
          "format",
          `${file}: post_processor: special token ${show(id)} is not in special_tokens`,
        );
      }
    }
  }
}

function checkAdded(added: unknown, file: string): void {
  if (added === undefined || added === null) return;
  if (!Array.isArray(added)) throw new TokenizerError("format", `${file}: added_tokens must be a list`);
  for (const [i, token] of added.entries()) {
    const content = isJsonObject(token) ? own(token, "content") : undefined;
    const id = isJsonObject(token) ? own(token, "id") : undefined;
    if (typeof content !== "string" || content === "" || !isId(id)) {
      throw new TokenizerError(
        "format",
        `${file}: added_tokens[${i}] must have content (a text) and id (0 to ${maxId}), got ${show(token)}`,
      );
    }
  }
}

function checkVocabulary(model: JsonObject, file: string): JsonObject {
  const vocabulary = own(model, "vocab");
  if (!isJsonObject(vocabulary)) {
    throw new TokenizerError(
      "format",
      `${file}: model.vocab must be an object of token -> id, got ${show(vocabulary)}`,
    );
  }
  const seen = new Set<number>();
  for (const [token, id] of Object.entries(vocabulary)) {
    if (!isId(id) || seen.has(id)) {
      const reason = isId(id) ? "is given twice" : `must be an integer from 0 to ${maxId}`;
      throw new TokenizerError("format", `${file}: model.vocab: id ${show(id)} of ${show(token)} ${reason}`);
    }
    seen.add(id);
  }
  return vocabulary;
}

function checkBpe(model: JsonObject, file: string): void {
  const vocabulary = checkVocabulary(model, file);
  const merges = own(model, "merges");
  if (!Array.isArray(merges)) {
    throw new TokenizerError("format", `${file}: model.merges must be a list, got ${show(merges)}`);
  }
  const continuing = own(model, "continuing_subword_prefix");
  const prefix = typeof continuing === "string" ? continuing : "";
  for (const [i, merge] of merges.entries()) {
    const parts: unknown = typeof merge === "string" ? merge.split(" ") : merge;
    const [left, right] = Array.isArray(parts) && parts.length === 2 ? parts : [];
    if (typeof left !== "string" || typeof right !== "string") {
      throw new TokenizerError(
        "format",
        `${file}: model.merges[${i}] must be "left right" or ["left", "right"], got ${show(merge)}`,
      );
    }
    const result = left + (right.startsWith(prefix) ? right.slice(prefix.length) : right);
    for (const token of [left, right, result]) {
      if (!Object.hasOwn(vocabulary, token)) {
        throw new TokenizerError(
          "format",
          `${file}: model.merges[${i}]: ${show(token)} is not in the vocabulary`,
        );
      }
    }
  }
}

function checkUnigram(model: JsonObject, file: string): void {
  const vocabulary = own(model, "vocab");
  if (!Array.isArray(vocabulary)) {
    throw new TokenizerError("format", `${file}: model.vocab must be a list of [token, score]`);
  }
  for (const [i, entry] of vocabulary.entries()) {
    const [token, score] = Array.isArray(entry) && entry.length === 2 ? entry : [];
    if (typeof token !== "string" || typeof score !== "number" || !Number.isFinite(score)) {
      throw new TokenizerError(
        "format",
        `${file}: model.vocab[${i}] must be [token, finite score], got ${show(entry)}`,
      );
    }
  }
  const unknown = own(model, "unk_id") ?? undefined;
  if (unknown !== undefined && !(isId(unknown) && unknown < vocabulary.length)) {
    throw new TokenizerError(
      "format",
      `${file}: model.unk_id ${show(unknown)}: expected 0 to ${vocabulary.length - 1}`,
    );
  }
}

function isId(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= maxId;
}
