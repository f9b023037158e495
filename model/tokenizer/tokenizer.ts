/** Text to token ids and back, by the rules of a `tokenizer.json`. */
import { isMissing, readBytes, readText } from "../../base/file.ts";
import { decodeUtf8, isJsonObject, type JsonObject, own, parseJson } from "../../base/json.ts";
import { Pipeline } from "./pipeline.ts";
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
  /** What its files say that was not used, in sentences. */
  readonly notices?: readonly string[];
  /** The chat template (Jinja), if any: see `renderChat`. */
  readonly chatTemplate?: string;
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
  const config = await readJson(`${folder}tokenizer_config.json`) ?? {};
  return tokenizerOf(file, json, config, await chatTemplate(folder, config));
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
  template?: string,
): Tokenizer {
  return new JsonTokenizer(file, json, config, template);
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

/** Newer checkpoints keep the template in a file of its own. */
async function chatTemplate(folder: string, config: JsonObject): Promise<string | undefined> {
  const inline = own(config, "chat_template");
  if (typeof inline === "string") return inline;
  return await readText(`${folder}chat_template.jinja`).catch(() => undefined);
}

class JsonTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly bos?: number;
  readonly eos?: number;
  readonly bosToken?: string;
  readonly eosToken?: string;
  readonly notices: readonly string[];
  readonly chatTemplate?: string;
  readonly #pipeline: Pipeline;

  constructor(file: string, json: JsonObject, config: JsonObject, template?: string) {
    const notices: string[] = [];
    this.#pipeline = new Pipeline(json, file, notices);
    this.notices = notices;
    this.vocabularySize = 1 + this.#pipeline.largestId;
    this.bosToken = content(config, "bos_token");
    this.eosToken = content(config, "eos_token");
    this.bos = this.#id(this.bosToken);
    this.eos = this.#id(this.eosToken);
    this.chatTemplate = template;
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

function content(config: JsonObject, key: string): string | undefined {
  const value = own(config, key);
  const text = isJsonObject(value) ? own(value, "content") : value;
  return typeof text === "string" ? text : undefined;
}
