/**
 * What the files beside a vocabulary add to it: special tokens, tokens around a text, cleaning up. The rules are those of
 * transformers 5.24 (`_from_pretrained` and `TokenizersBackend.__init__`), which the differential tests hold this to.
 */
import { checkFields } from "../../base/fields.ts";
import { isJsonObject, type JsonObject, own } from "../../base/json.ts";
import { show } from "../../base/show.ts";
import type { AddedToken } from "./added.ts";
import { defaultTokens, isToken } from "./byte_level_files.ts";
import type { Engine } from "./engine.ts";
import { TokenizerError } from "./error.ts";
import { isId } from "./fields.ts";
import { specialTokensOf } from "./special_tokens.ts";

/** Parsed files. */
export interface Companions {
  /** Where they lie, for messages. */
  readonly folder: string;
  /** `tokenizer_config.json`, with the tokens of `special_tokens_map.json`. */
  readonly config: JsonObject;
  /** `added_tokens.json`: ids by token. */
  readonly added?: JsonObject;
}

/** An engine, as it was opened. */
export interface OpenEngine {
  readonly engine: Engine;
  /** Whether its file says what stands around a text. */
  readonly isWhole: boolean;
  /** Names that it has for tokens where the configuration has none. */
  readonly names: Readonly<Record<string, string>>;
  /** Whether its class adds special tokens again, without the flags that files give them. */
  readonly readdsPlainly?: boolean;
}

/** Keys of `tokenizer_config.json` that are read, here or by the chat templates. */
const used = [
  "added_tokens_decoder",
  "additional_special_tokens",
  "extra_special_tokens",
  "add_bos_token",
  "add_eos_token",
  "add_prefix_space",
  "clean_up_tokenization_spaces",
  "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
  "tokenizer_class",
  "chat_template",
  "model_specific_special_tokens",
];

/** Keys that change no id: limits and padding that are asked for by name, records of where a tokenizer is from. */
const harmless = [
  "backend",
  "device_map",
  "errors",
  "from_slow",
  "is_local",
  "legacy",
  "local_files_only",
  "max_length",
  "model_input_names",
  "model_max_length",
  "name_or_path",
  "pad_to_multiple_of",
  "pad_token_type_id",
  "padding_side",
  "processor_class",
  "return_token_type_ids",
  "spaces_between_special_tokens",
  "special_tokens_map_file",
  "stride",
  "tokenizer_file",
  "tokenizer_type",
  "trim_offsets",
  "truncation_side",
  "truncation_strategy",
  "trust_remote_code",
  "use_default_system_prompt",
  "use_fast",
  "vocab_file",
  "vocab_size",
  "_commit_hash",
  "transformers_version",
];

const named = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map((part) => `${part}_token`);

/**
 * Adds to an engine what the files say beside it.
 *
 * @returns the configuration, with the names that the class gives to its tokens
 * @throws {TokenizerError} `format` or `unsupported`, naming the key
 */
export function completed(
  { engine, isWhole, names, readdsPlainly }: OpenEngine,
  { folder, config: given, added }: Companions,
  notices: string[],
): JsonObject {
  const file = `${folder}tokenizer_config.json`;
  const refuse = (message: string): never => {
    throw new TokenizerError("unsupported", message);
  };
  const refused = {
    split_special_tokens: [false],
    sp_model_kwargs: [{}],
    dropout: [0],
    do_lower_case: [false],
  };
  notices.push(
    ...checkFields(file, given, { used: [...used, ...named, "*_token"], harmless, refused }, refuse),
  );
  for (const key of Object.keys(given)) {
    if (/_token$/.test(key) && !used.includes(key) && own(given, key) !== null && !isToken(given[key])) {
      throw new TokenizerError("format", `${file}: ${key} is ${show(given[key])}: expected a token`);
    }
  }
  const config = { ...names, ...defaultsOf(engine, given), ...given };
  const tokens = listed(file, config, folder, added, engine);
  const known = new Set([...engine.added.entries(), ...tokens.entries()].map(([, { content }]) => content));
  const others = [...namedTokens(config), ...extraTokens(config)];
  engine.added.add([...tokens, ...others.filter(({ content }) => !known.has(content))]);
  if (readdsPlainly) engine.added.add(others.map(({ content }) => plain(content, true)));
  around(engine, config, isWhole, file, notices);
  return config;
}

/** A class's names of its tokens, as far as the vocabulary has them. */
function defaultsOf(engine: Engine, config: JsonObject): JsonObject {
  const name = own(config, "tokenizer_class"),
    known = typeof name === "string" ? name.replace(/Fast$/, "") : "";
  const defaults = Object.hasOwn(defaultTokens, known) ? Object.entries(defaultTokens[known]) : [];
  return Object.fromEntries(defaults.filter(([, token]) => engine.idOf(token) !== undefined));
}

/**
 * Tokens with ids: those of `added_tokens_decoder`; of old files those of `added_tokens.json`, and again those that the engine has,
 * since one that has a name is special.
 */
function listed(
  file: string,
  config: JsonObject,
  folder: string,
  added: JsonObject | undefined,
  engine: Engine,
): AddedToken[] {
  const isNamed = new Set(Object.values(specialTokensOf(config)));
  const decoder = own(config, "added_tokens_decoder");
  const tokens = new Map<number, AddedToken>();
  if (decoder !== undefined) {
    if (!isJsonObject(decoder)) {
      throw new TokenizerError(
        "format",
        `${file}: added_tokens_decoder is ${show(decoder)}: expected an object`,
      );
    }
    for (const [id, token] of Object.entries(decoder)) {
      tokens.set(Number(id), tokenOf(token, false, `${file}: added_tokens_decoder.${id}`));
    }
  } else {
    const special = plainlyNamed(config);
    for (const [content, id] of Object.entries(added ?? {})) {
      if (!isId(id)) {
        throw new TokenizerError(
          "format",
          `${folder}added_tokens.json: ${show(content)} is ${show(id)}: expected an id`,
        );
      }
      tokens.set(id, plain(content, special.has(content)));
    }
    for (const [id, token] of engine.added.entries()) tokens.set(id, token);
  }
  return Array.from(tokens).sort(([a], [b]) => a - b).map(([, token]) => ({
    ...token,
    special: token.special || isNamed.has(token.content),
  }));
}

/** Values of keys that name a token: the known names first, in the library's order. */
function namedValues(config: JsonObject): (string | JsonObject)[] {
  const others = Object.keys(config).filter((key) => /_token$/.test(key) && !named.includes(key));
  return [...named, ...others].map((key) => own(config, key)).filter(isToken);
}

function namedTokens(config: JsonObject): AddedToken[] {
  return namedValues(config).map((value) => ({ ...tokenOf(value, true, "a token"), special: true }));
}

/** Values of special tokens without names. */
function extraValues(config: JsonObject): unknown[] {
  const value = own(config, "extra_special_tokens") ?? own(config, "additional_special_tokens") ?? [];
  return Array.isArray(value) ? value : isJsonObject(value) ? Object.values(value) : [value];
}

function extraTokens(config: JsonObject): AddedToken[] {
  return extraValues(config).map((token, i) =>
    tokenOf(token, typeof token === "string", `extra_special_tokens[${i}]`)
  );
}

/** Tokens that old files make special: the library looks them up before it has read objects of `tokenizer_config.json`. */
function plainlyNamed(config: JsonObject): ReadonlySet<unknown> {
  const named = namedValues(config).flatMap((value) =>
    typeof value === "string" ? value : Object.hasOwn(value, "__type") ? [] : own(value, "content")
  );
  return new Set([...named, ...extraValues(config)]);
}

/** A token as files write it; what an object leaves out has the defaults of the library's `AddedToken`. */
function tokenOf(value: unknown, special: boolean, where: string): AddedToken {
  if (typeof value === "string" && value !== "") return plain(value, special);
  const content = isJsonObject(value) ? own(value, "content") : undefined;
  if (!isJsonObject(value) || typeof content !== "string" || content === "") {
    throw new TokenizerError(
      "format",
      `${where} is ${show(value)}: expected a text, or an object with content`,
    );
  }
  const flag = (key: string, fallback: boolean): boolean => {
    const found = own(value, key) ?? fallback;
    if (typeof found === "boolean") return found;
    throw new TokenizerError("format", `${where}.${key} is ${show(found)}: expected true or false`);
  };
  const isSpecial = flag("special", special);
  return {
    content,
    singleWord: flag("single_word", false),
    left: flag("lstrip", false),
    right: flag("rstrip", false),
    normalized: flag("normalized", !isSpecial),
    special: isSpecial,
  };
}

function plain(content: string, special: boolean): AddedToken {
  return { content, singleWord: false, left: false, right: false, normalized: !special, special };
}

/** What stands around a text where the engine's file does not say it. */
function around(engine: Engine, config: JsonObject, isWhole: boolean, file: string, notices: string[]): void {
  const tokens = specialTokensOf(config);
  const wanted = (key: string): boolean => {
    const value = own(config, key) ?? false;
    if (typeof value === "boolean") return value;
    throw new TokenizerError("format", `${file}: ${key} is ${show(value)}: expected true or false`);
  };
  const idOf = (name: string): number[] => {
    const id = tokens[name] === undefined ? undefined : engine.idOf(tokens[name]);
    return id === undefined ? [] : [id];
  };
  const bos = wanted("add_bos_token"), eos = wanted("add_eos_token");
  if (!isWhole) {
    engine.template = [...(bos ? idOf("bos_token") : []), undefined, ...(eos ? idOf("eos_token") : [])];
    return;
  }
  for (
    const [key, asked, name, at] of [["add_bos_token", bos, "bos_token", 0], [
      "add_eos_token",
      eos,
      "eos_token",
      -1,
    ]] as const
  ) {
    const [id] = idOf(name);
    if (own(config, key) === undefined || id === undefined || (engine.template.at(at) === id) === asked) {
      continue;
    }
    notices.push(
      `${file}: ${key} (${asked}) is not used: the post_processor of tokenizer.json says otherwise`,
    );
  }
}

/** Whether blanks before punctuation go from what is decoded: not for byte-pair vocabularies, whose texts have them. */
export function cleansUp(engine: Engine, config: JsonObject): boolean {
  if (own(config, "clean_up_tokenization_spaces") !== true) return false;
  return !engine.isBpe ||
    own(config, "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output") === true;
}
