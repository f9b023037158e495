/** Text to token ids and back, by the rules of a `tokenizer.json`. */
import { isMissing, readBytes } from "../../base/file.ts";
import { decodeUtf8, isJsonObject, type JsonObject, own, parseJson } from "../../base/json.ts";
import { type ChatTemplates, configuredTemplates, readTemplates } from "./chat/templates.ts";
import { Pipeline } from "./pipeline.ts";
import { specialTokensOf, withSpecialTokens } from "./special_tokens.ts";
import { TokenizerError } from "./error.ts";

/** Turns text into token ids and back. */
export interface Tokenizer {
  /** One more than the largest id. */
  readonly vocabularySize: number;
  /** Id of the beginning-of-text token, if any. */
  readonly bos?: number;
  /** Id of the end-of-text token, if any. */
  readonly eos?: number;
  /** Text of the beginning-of-text token, if any. */
  readonly bosToken?: string;
  /** Text of the end-of-text token, if any. */
  readonly eosToken?: string;
  /** Whether its models were trained to see its first token at the beginning of every sequence, and fail without (Gemma). */
  readonly beginsEverySequence?: boolean;
  /** Ids of all tokens that end what a model says, where its files name more than `eos`. */
  readonly endTokens?: readonly number[];
  /** What its files say that was not used, in sentences. */
  readonly notices?: readonly string[];
  /** The chat template (Jinja), if any: see `renderChat`. */
  readonly chatTemplate?: string;
  /** Chat templates by name, where the model has several: `default`, `tool_use`. */
  readonly chatTemplates?: Readonly<Record<string, string>>;
  /** Special tokens by the names that chat templates know them by: `bos_token`, `pad_token`. */
  readonly specialTokens?: Readonly<Record<string, string>>;
  /** Token ids of a text; with the special tokens of the template (usually `bos`) unless `addSpecialTokens` is false. */
  encode(text: string, options?: { readonly addSpecialTokens?: boolean }): Int32Array<ArrayBuffer>;
  /** Text of token ids; special tokens are kept unless `skipSpecialTokens`. */
  decode(ids: Iterable<number>, options?: { readonly skipSpecialTokens?: boolean }): string;
}

/**
 * Loads a tokenizer.
 *
 * @param path a directory with `tokenizer.json` (and `tokenizer_config.json`), or a `tokenizer.json`
 * @throws {TokenizerError} `missing`, `json`, `format` (naming the field) or `unsupported` (naming the component)
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const tokenizer = await loadTokenizer("fixtures/models/llama");
 * const ids = tokenizer.encode("Fellow-Citizens of the Senate");
 * assertEquals(ids[0], tokenizer.bos);
 * assertEquals(tokenizer.decode(ids, { skipSpecialTokens: true }), "Fellow-Citizens of the Senate");
 * ```
 */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const isFile = path.endsWith(".json");
  const file = isFile ? path : `${path.replace(/\/+$/, "")}/tokenizer.json`;
  const folder = file.slice(0, file.lastIndexOf("/") + 1);
  const json = await readJson(file);
  if (json === undefined) throw new TokenizerError("missing", `${file}: no such file`);
  const config = withSpecialTokens(
    await readJson(`${folder}tokenizer_config.json`) ?? {},
    await readJson(`${folder}special_tokens_map.json`) ?? {},
  );
  const templates = await readTemplates(folder) ??
    configuredTemplates(config, `${folder}tokenizer_config.json`);
  return tokenizerOf(file, json, config, templates);
}

/**
 * A tokenizer from the parsed contents of `tokenizer.json` and `tokenizer_config.json`.
 *
 * @throws {TokenizerError} `format` (naming the field) or `unsupported` (naming the component); `file` is named in messages
 */
export function tokenizerOf(
  file: string,
  json: JsonObject,
  config: JsonObject,
  templates: ChatTemplates = {},
): Tokenizer {
  return new JsonTokenizer(file, json, config, templates);
}

/** Stands for the tokenizer of a model that has none: whoever encodes or decodes gets `error`. */
export function absentTokenizer(error: TokenizerError, vocabularySize: number): Tokenizer {
  const refuse = (): never => {
    throw error;
  };
  return { vocabularySize, encode: refuse, decode: refuse };
}

async function readJson(file: string): Promise<JsonObject | undefined> {
  try {
    const json = parseJson(decodeUtf8(await readBytes(file)));
    if (!isJsonObject(json)) throw new SyntaxError("not valid JSON for a tokenizer: expected an object");
    return json;
  } catch (error) {
    if (isMissing(error)) return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    const code = error instanceof SyntaxError ? "json" : "missing";
    throw new TokenizerError(code, `${file}: ${reason}`, { cause: error });
  }
}

class JsonTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly bos?: number;
  readonly eos?: number;
  readonly bosToken?: string;
  readonly eosToken?: string;
  readonly beginsEverySequence: boolean;
  readonly notices: readonly string[];
  readonly chatTemplate?: string;
  readonly chatTemplates?: Readonly<Record<string, string>>;
  readonly specialTokens: Readonly<Record<string, string>>;
  readonly #pipeline: Pipeline;

  constructor(file: string, json: JsonObject, config: JsonObject, templates: ChatTemplates) {
    const notices: string[] = [];
    this.#pipeline = new Pipeline(json, file, notices);
    this.notices = notices;
    this.vocabularySize = 1 + this.#pipeline.largestId;
    this.specialTokens = specialTokensOf(config);
    this.bosToken = this.specialTokens.bos_token;
    this.eosToken = this.specialTokens.eos_token;
    this.bos = this.#id(this.bosToken);
    this.eos = this.#id(this.eosToken);
    this.chatTemplate = templates.chatTemplate;
    this.chatTemplates = templates.chatTemplates;
    const kind = own(config, "tokenizer_class");
    this.beginsEverySequence = typeof kind === "string" && kind.startsWith("Gemma");
  }

  encode(text: string, { addSpecialTokens = true } = {}): Int32Array<ArrayBuffer> {
    if (typeof text !== "string") {
      throw new TokenizerError("text", `Cannot encode a ${typeof text}: expected a string`);
    }
    return this.#pipeline.encode(text, addSpecialTokens);
  }

  decode(ids: Iterable<number>, { skipSpecialTokens = false } = {}): string {
    const list = [...ids];
    for (const id of list) {
      if (!Number.isInteger(id) || id < 0 || id >= this.vocabularySize) {
        throw new TokenizerError("token", `Cannot decode id ${id}: expected 0 to ${this.vocabularySize - 1}`);
      }
    }
    return this.#pipeline.decode(list, skipSpecialTokens);
  }

  #id(token: string | undefined): number | undefined {
    return token === undefined ? undefined : this.#pipeline.idOf(token);
  }
}
