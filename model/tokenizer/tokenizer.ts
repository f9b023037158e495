/** Text to token ids and back, by the rules of a `tokenizer.json`. */
import { isMissing, readBytes, readText } from "../../base/file.ts";
import { Tokenizer as HubTokenizer } from "@huggingface/tokenizers";
import { QuantbookError } from "../../base/error.ts";
import { decodeUtf8, isJsonObject, type JsonObject, own, parseJson } from "../../base/json.ts";
import { checkTokenizer } from "./rules.ts";
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
  checkTokenizer(json, file);
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
  readonly chatTemplate?: string;
  readonly #inner: HubTokenizer;

  constructor(private readonly file: string, json: JsonObject, config: JsonObject, template?: string) {
    try {
      this.#inner = new HubTokenizer(
        { ...json, pre_tokenizer: wholeDigits(own(json, "pre_tokenizer")) },
        config,
      );
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new TokenizerError("unsupported", `${file}: ${reason}`, { cause: error });
    }
    this.vocabularySize = 1 + largestId(json);
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
    return this.#run(
      "encode",
      () => Int32Array.from(this.#inner.encode(text, { add_special_tokens: addSpecialTokens }).ids),
    );
  }

  decode(ids: Iterable<number>, { skipSpecialTokens = false } = {}): string {
    const list = [...ids];
    for (const id of list) {
      if (!Number.isInteger(id) || id < 0 || id >= this.vocabularySize) {
        throw new TokenizerError("token", `Cannot decode id ${id}: expected 0 to ${this.vocabularySize - 1}`);
      }
    }
    if (list.length === 0) return "";
    return this.#run("decode", () => this.#inner.decode(list, { skip_special_tokens: skipSpecialTokens }));
  }

  #id(token: string | undefined): number | undefined {
    return token === undefined ? undefined : this.#inner.token_to_id(token);
  }

  #run<T>(what: string, run: () => T): T {
    try {
      return run();
    } catch (error) {
      if (error instanceof QuantbookError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new TokenizerError("unsupported", `${this.file}: cannot ${what}: ${reason}`, { cause: error });
    }
  }
}

/** The library's digits are 0 to 9; those of the format are all that Unicode calls a number. */
function wholeDigits(part: unknown): unknown {
  if (!isJsonObject(part)) return part;
  const children = own(part, "pretokenizers");
  if (Array.isArray(children)) return { ...part, pretokenizers: children.map(wholeDigits) };
  if (own(part, "type") !== "Digits") return part;
  const pattern = own(part, "individual_digits") === true ? "\\p{N}" : "\\p{N}+";
  return { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
}

function content(config: JsonObject, key: string): string | undefined {
  const value = own(config, key);
  const text = isJsonObject(value) ? own(value, "content") : value;
  return typeof text === "string" ? text : undefined;
}

function largestId(json: JsonObject): number {
  let largest = -1;
  const model = own(json, "model");
  const vocabulary = isJsonObject(model) ? own(model, "vocab") : undefined;
  if (Array.isArray(vocabulary)) largest = vocabulary.length - 1;
  else if (isJsonObject(vocabulary)) {
    for (const id of Object.values(vocabulary)) if (typeof id === "number" && id > largest) largest = id;
  }
  const added = own(json, "added_tokens");
  for (const token of Array.isArray(added) ? added : []) {
    const id = isJsonObject(token) ? own(token, "id") : undefined;
    if (typeof id === "number" && id > largest) largest = id;
  }
  return largest;
}
