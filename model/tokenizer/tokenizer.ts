/** Text to token ids and back, by the files of a tokenizer. */
import { directoryOf, trimmedPath } from "../../base/file.ts";
import { type JsonObject, own } from "../../base/json.ts";
import { type ChatTemplates, configuredTemplates, readTemplates } from "./chat/templates.ts";
import { cleansUp, completed } from "./companions.ts";
import type { Engine } from "./engine.ts";
import { TokenizerError } from "./error.ts";
import { openEngine, readJson } from "./files.ts";
import { Pipeline } from "./pipeline.ts";
import { specialTokensOf, withSpecialTokens } from "./special_tokens.ts";
import { cleanUp } from "./steps/decoders.ts";

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
 * Loads a tokenizer: a `tokenizer.json`, or where there is none a SentencePiece `tokenizer.model`, or a `vocab.json` with its
 * `merges.txt`; and what `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` beside it say about special
 * tokens, as transformers 5 reads them.
 *
 * @param path a directory, a `.json` file in the form of `tokenizer.json`, or a `.model` file
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
  const isFile = /\.(?:json|model)$/.test(path);
  const folder = `${isFile ? directoryOf(path) : trimmedPath(path)}/`;
  const config = withSpecialTokens(
    await readJson(`${folder}tokenizer_config.json`) ?? {},
    await readJson(`${folder}special_tokens_map.json`) ?? {},
  );
  const companions = { folder, config, added: await readJson(`${folder}added_tokens.json`) };
  const notices: string[] = [];
  const opened = await openEngine(folder, isFile ? path : undefined, companions, notices);
  const { engine } = opened, complete = completed(opened, companions, notices);
  const templates = await readTemplates(folder) ??
    configuredTemplates(complete, `${folder}tokenizer_config.json`);
  return new EngineTokenizer(engine, complete, templates, notices);
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
  const notices: string[] = [];
  return engineTokenizer(new Pipeline(json, file, notices), config, templates, notices);
}

/** A tokenizer that runs an engine as it is, with the special tokens that `config` names. */
export function engineTokenizer(
  engine: Engine,
  config: JsonObject,
  templates: ChatTemplates = {},
  notices: readonly string[] = [],
): Tokenizer {
  return new EngineTokenizer(engine, config, templates, notices);
}

/** Stands for the tokenizer of a model that has none: whoever encodes or decodes gets `error`. */
export function absentTokenizer(error: TokenizerError, vocabularySize: number): Tokenizer {
  const refuse = (): never => {
    throw error;
  };
  // That a model has no tokenizer is no news; that the one it has cannot be used is.
  const notices = error.code === "missing" ? [] : [`${error.message}: the model takes token ids only`];
  return { vocabularySize, notices, encode: refuse, decode: refuse };
}

class EngineTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly bos?: number;
  readonly eos?: number;
  readonly bosToken?: string;
  readonly eosToken?: string;
  readonly beginsEverySequence: boolean;
  readonly chatTemplate?: string;
  readonly chatTemplates?: Readonly<Record<string, string>>;
  readonly specialTokens: Readonly<Record<string, string>>;
  readonly #engine: Engine;
  readonly #cleansUp: boolean;

  constructor(
    engine: Engine,
    config: JsonObject,
    templates: ChatTemplates,
    readonly notices: readonly string[],
  ) {
    this.#engine = engine;
    this.#cleansUp = cleansUp(engine, config);
    this.vocabularySize = 1 + engine.largestId;
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
    return this.#engine.encode(text, addSpecialTokens);
  }

  decode(ids: Iterable<number>, { skipSpecialTokens = false } = {}): string {
    const list = [...ids];
    for (const id of list) {
      if (!Number.isInteger(id) || id < 0 || id >= this.vocabularySize) {
        throw new TokenizerError("token", `Cannot decode id ${id}: expected 0 to ${this.vocabularySize - 1}`);
      }
    }
    const text = this.#engine.decode(list, skipSpecialTokens);
    return this.#cleansUp ? cleanUp(text, false) : text;
  }

  #id(token: string | undefined): number | undefined {
    return token === undefined ? undefined : this.#engine.idOf(token);
  }
}
