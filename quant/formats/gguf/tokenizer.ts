/** The tokenizer of a model as metadata of a GGUF file: the contrary of `model/gguf/tokenizer.ts`. */
import { isJsonObject, type JsonObject, own } from "../../../base/json.ts";
import { show } from "../../../base/show.ts";
import type { GgufEntry } from "../../../model/gguf/encode.ts";
import { isGguf, openGguf } from "../../../model/gguf/file.ts";
import type { GgufValue } from "../../../model/gguf/header.ts";
import { preTokenizers } from "../../../model/gguf/pre_tokenizers.ts";
import { tokenTypes } from "../../../model/gguf/vocabulary.ts";
import type { Model } from "../../../model/model.ts";
import { TokenizerError } from "../../../model/tokenizer/error.ts";
import type { Tokenizer } from "../../../model/tokenizer/tokenizer.ts";
import { SchemeError } from "../../error.ts";
import type { Entry } from "./entries.ts";

function refuse(message: string): never {
  throw new SchemeError("combination", `gguf: ${message}`);
}

/**
 * The entries of a tokenizer: those of the GGUF file that the model came from, or of its `tokenizer.json` (`json`), which must be
 * byte-level pairs. A model without a tokenizer says so.
 *
 * @throws {SchemeError} `combination` naming what llama.cpp has no word for
 */
export async function tokenizerEntries(
  { tokenizer, architecture, checkpoint }: Model,
  json: JsonObject | undefined,
): Promise<Entry[]> {
  const { source } = checkpoint.config;
  if (await isGguf(source)) return copied((await openGguf(source)).metadata);
  if (json === undefined) {
    if (isThere(tokenizer)) refuse("the tokenizer is no tokenizer.json, which is all that can be written");
    return [["tokenizer.ggml.model", { type: "string", value: "none" }]];
  }
  const { merges, vocabulary, pre } = byteLevelParts(json);
  const rows = architecture.vocabularySize;
  const tokens = Array.from({ length: rows }, (_, id) => `[PAD${id}]`);
  const types: number[] = tokens.map(() => tokenTypes.unused);
  const put = (token: string, id: unknown, type: number) => {
    if (typeof id !== "number" || id >= rows) {
      refuse(`token ${show(token)} is ${show(id)}, the model has ${rows} rows`);
    }
    tokens[id] = token;
    types[id] = type;
  };
  for (const [token, id] of Object.entries(vocabulary)) put(token, id, tokenTypes.normal);
  const added = own(json, "added_tokens");
  for (const one of Array.isArray(added) ? added.filter(isJsonObject) : []) {
    const content = String(own(one, "content"));
    for (const flag of ["single_word", "lstrip", "rstrip"]) {
      if (own(one, flag) === true) {
        refuse(`added token ${show(content)} has ${flag}, which llama.cpp has no key for`);
      }
    }
    put(content, own(one, "id"), own(one, "special") === true ? tokenTypes.control : tokenTypes.userDefined);
  }
  const { bos, eos, chatTemplate, chatTemplates = {} } = tokenizer;
  const id = (name: string, value: number | undefined): Entry[] =>
    value === undefined ? [] : [[`tokenizer.ggml.${name}_token_id`, { type: "u32", value }]];
  const named = Object.entries(chatTemplates).filter(([name]) => name !== "default");
  return [
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: pre }],
    ["tokenizer.ggml.tokens", { type: "strings", value: tokens }],
    ["tokenizer.ggml.token_type", { type: "i32s", value: types }],
    ["tokenizer.ggml.merges", { type: "strings", value: merges }],
    ...around(tokenizer),
    ...id("bos", bos),
    ...id("eos", eos),
    ...templateEntry("tokenizer.chat_template", chatTemplate),
    ...named.flatMap(([name, text]) => templateEntry(`tokenizer.chat_template.${name}`, text)),
  ];
}

function templateEntry(key: string, value: string | undefined): Entry[] {
  return value === undefined ? [] : [[key, { type: "string", value }]];
}

function isThere(tokenizer: Tokenizer): boolean {
  try {
    tokenizer.encode("");
    return true;
  } catch (error) {
    if (error instanceof TokenizerError) return false;
    throw error;
  }
}

/** What stands around a text, which may be the beginning and the end of it. */
function around(tokenizer: Tokenizer): Entry[] {
  const bare = tokenizer.encode("a", { addSpecialTokens: false }), whole = [...tokenizer.encode("a")];
  const first = whole[0] === tokenizer.bos && whole.length > bare.length;
  const last = whole.length > bare.length + Number(first) && whole.at(-1) === tokenizer.eos;
  const expected = [...(first ? [tokenizer.bos] : []), ...bare, ...(last ? [tokenizer.eos] : [])];
  if (whole.join() !== expected.join()) {
    refuse(
      `the post_processor puts ${show(whole)} around ${show([...bare])}, which is more than bos and eos`,
    );
  }
  return [
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: first }],
    ["tokenizer.ggml.add_eos_token", { type: "bool", value: last }],
  ];
}

/** Vocabulary, merges and the name of the pre-tokenizer of byte-level pairs; anything else is refused by its component. */
function byteLevelParts(json: JsonObject): { merges: string[]; vocabulary: JsonObject; pre: string } {
  const model = own(json, "model"), normalizer = own(json, "normalizer") ?? null;
  if (!isJsonObject(model)) return refuse("tokenizer.json has no model");
  const vocabulary = own(model, "vocab"), merges = own(model, "merges"), type = own(model, "type") ?? "BPE";
  if (type !== "BPE" || !isJsonObject(vocabulary) || !Array.isArray(merges)) {
    return refuse(`the tokenizer's model is ${show(type)}: expected byte-level BPE`);
  }
  for (const name of ["byte_fallback", "continuing_subword_prefix", "end_of_word_suffix", "dropout"]) {
    if (own(model, name)) {
      refuse(`the tokenizer's ${name} is ${show(own(model, name))}: expected byte-level BPE`);
    }
  }
  // llama.cpp does not bring texts into a normal form; files of models that do are made nevertheless.
  if (normalizer !== null && !(isJsonObject(normalizer) && own(normalizer, "type") === "NFC")) {
    refuse(`the tokenizer's normalizer is ${show(normalizer)}: expected none`);
  }
  const ignoreMerges = own(model, "ignore_merges") === true;
  const steps = JSON.stringify(stepsOf(own(json, "pre_tokenizer")).map(significant));
  const known = [...preTokenizers].find(([, one]) =>
    JSON.stringify(one.steps.map(significant)) === steps && (one.ignoreMerges ?? false) === ignoreMerges
  );
  if (known === undefined) {
    const more = ignoreMerges ? " that ignores merges" : "";
    return refuse(`the pre-tokenizer ${steps}${more} has no name in llama.cpp`);
  }
  return {
    merges: merges.map((merge) => Array.isArray(merge) ? merge.join(" ") : String(merge)),
    vocabulary,
    pre: known[0],
  };
}

function stepsOf(part: unknown): JsonObject[] {
  if (!isJsonObject(part)) return [];
  const children = own(part, "pretokenizers");
  return Array.isArray(children) ? children.filter(isJsonObject) : [part];
}

/** What makes a difference to how text is split. */
function significant(part: JsonObject): unknown[] {
  return ["type", "pattern", "behavior", "individual_digits", "add_prefix_space", "use_regex"].map((key) =>
    own(part, key) ?? null
  );
}

/** The tokenizer of another GGUF file, as it stands. */
function copied(metadata: ReadonlyMap<string, GgufValue>): Entry[] {
  const found = [...metadata].filter(([key]) => key.startsWith("tokenizer."));
  return found.map(([key, value]) => [key, entryOf(key, value)]);
}

function entryOf(key: string, value: GgufValue): GgufEntry {
  if (typeof value === "string") return { type: "string", value };
  if (typeof value === "boolean") return { type: "bool", value };
  if (typeof value === "number") {
    return { type: Number.isInteger(value) && value >= 0 ? "u32" : "f32", value };
  }
  if (Array.isArray(value)) {
    if (value.every((one) => typeof one === "string")) return { type: "strings", value };
    if (value.every((one) => typeof one === "number")) {
      return { type: key.endsWith(".scores") ? "f32s" : key.endsWith("charsmap") ? "u8s" : "i32s", value };
    }
  }
  return refuse(`${key} (${show(value)}) of the source cannot be written again`);
}
