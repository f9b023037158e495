/** The tokens of a GGUF file with their types and scores, and the keys that say how they are used. */
import { checkFields } from "../../base/fields.ts";
import { show } from "../../base/show.ts";
import { TokenizerError } from "../tokenizer/error.ts";
import type { GgufFile } from "./file.ts";
import type { GgufValue } from "./header.ts";

/** Token types of the format: control tokens never come out of text, user-defined ones are found in it. */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** No result depends on these. */
const harmless = [
  ...["token_type_count", "padding_token_id", "seperator_token_id", "cls_token_id", "mask_token_id"],
  ...["prefix_token_id", "suffix_token_id", "middle_token_id", "eot_token_id", "eom_token_id"],
  ...["scores", "merges", "pre", "add_space_prefix", "add_sep_token", "unknown_token_id"],
].map((name) => `tokenizer.ggml.${name}`);

/** The keys under `tokenizer.ggml.`, and the tokens. */
export class Vocabulary {
  readonly #used = new Set<string>();
  /** Where messages come from. */
  readonly path: string;
  /** Texts by id. */
  readonly tokens: readonly string[];
  /** Ids by text. */
  readonly ids: ReadonlyMap<string, number>;
  readonly #types: GgufValue | undefined;

  /** @throws {TokenizerError} `format` when the tokens are no texts, or the same text stands twice */
  constructor(private readonly file: GgufFile) {
    this.path = file.path;
    // A token without a text is never found.
    this.tokens = this.strings("tokens").map((token, id) => token === "" ? `[EMPTY_${id}]` : token);
    this.ids = new Map(this.tokens.map((token, id) => [token, id]));
    if (this.ids.size !== this.tokens.length) {
      this.fail("format", "tokenizer.ggml.tokens has the same token twice");
    }
    this.#types = this.value("token_type");
  }

  /** The value under `tokenizer.ggml.`. */
  value(name: string): GgufValue | undefined {
    const key = `tokenizer.ggml.${name}`;
    this.#used.add(key);
    return this.file.metadata.get(key);
  }

  /** Type of a token; undefined where the file has no types. */
  type(id: number): number | undefined {
    const type = Array.isArray(this.#types) ? this.#types[id] : undefined;
    return typeof type === "number" ? type : undefined;
  }

  /** A list of texts. */
  strings(name: string): readonly string[] {
    const value = this.value(name);
    if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value;
    return this.fail("format", `tokenizer.ggml.${name} must be a list of texts, got ${show(value)}`);
  }

  /** A finite score for each token. */
  scores(): readonly number[] {
    const value = this.value("scores"), { length } = this.tokens;
    const scores = Array.isArray(value)
      ? value.filter((one): one is number => typeof one === "number" && Number.isFinite(one))
      : [];
    if (scores.length === length && Array.isArray(value) && value.length === length) return scores;
    return this.fail("format", `tokenizer.ggml.scores must be ${length} finite numbers, got ${show(value)}`);
  }

  /** True or false. */
  flag(name: string, fallback: boolean): boolean {
    const value = this.value(name) ?? fallback;
    if (typeof value === "boolean") return value;
    return this.fail("format", `tokenizer.ggml.${name} must be true or false, got ${show(value)}`);
  }

  /** The id of a special token as the file gives it; `fallback` is llama.cpp's, if there is such a token. */
  special(name: string, fallback?: number): number | undefined {
    const value = this.value(name), { length } = this.tokens;
    if (value === undefined) return fallback !== undefined && fallback < length ? fallback : undefined;
    const id = typeof value === "bigint" ? Number(value) : value;
    if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < length) return id;
    return this.fail("format", `tokenizer.ggml.${name} is ${show(value)}: expected 0 to ${length - 1}`);
  }

  /** Refuses the file. */
  fail(code: "format" | "missing" | "unsupported", message: string): never {
    throw new TokenizerError(code, `${this.path}: ${message}`);
  }

  /** Sentences about the keys of tokenizers that were not used and are not known to be harmless. */
  notices(): string[] {
    const own = [...this.file.metadata].filter(([key]) => key.startsWith("tokenizer."));
    return checkFields(this.path, Object.fromEntries(own), {
      used: [...this.#used, "tokenizer.chat_template*"],
      harmless,
    }, (message) => this.fail("unsupported", message));
  }
}
