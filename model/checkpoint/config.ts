/** Reads `config.json`: a checked record that the family files turn into an architecture. */
import { CheckpointError } from "../files/error.ts";
import { isJsonObject, type JsonObject, own } from "../../base/json.ts";
import { show } from "../../base/show.ts";

/** The `model_type`s that can be loaded. */
export const modelTypes = [
  "bloom",
  "cohere",
  "falcon",
  "gemma",
  "gemma2",
  "gemma3_text",
  "gpt2",
  "gpt_neox",
  "gptj",
  "granite",
  "llama",
  "mamba",
  "mistral",
  "mixtral",
  "olmo",
  "olmo2",
  "opt",
  "phi",
  "phi3",
  "qwen2",
  "qwen3",
  "qwen3_moe",
  "smollm3",
  "stablelm",
  "starcoder2",
] as const;

/** Multimodal `model_type`s whose text model can be loaded, without the rest. */
export const compositeTypes = [
  "gemma3",
  "idefics3",
  "internvl",
  "llava",
  "llava_next",
  "mistral3",
  "smolvlm",
] as const;

/** A `model_type` that can be loaded. */
export type ModelType = typeof modelTypes[number];

/** Whether a `model_type` is one of {@linkcode modelTypes}. */
export function isModelType(type: string): type is ModelType {
  return modelTypes.some((one) => one === type);
}

/** Limits of a number; both ends are allowed values. */
export interface NumberOptions {
  /** Value of an absent (or null) key; without it the key is required. */
  readonly fallback?: number;
  /** Smallest value. */
  readonly min?: number;
  /** Largest value. */
  readonly max?: number;
}

/**
 * A model configuration: JSON values with accessors that name the key when it is absent, of another type or out of range.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * const config = new ModelConfig("inline", { model_type: "llama", hidden_size: 64 });
 * assert(config.integer("hidden_size") === 64);
 * assert(config.integer("num_key_value_heads", { fallback: 4 }) === 4);
 * ```
 */
export class ModelConfig {
  /** Where the values come from, for messages. */
  readonly source: string;
  /** The JSON object as read. */
  readonly values: JsonObject;
  /** What absent keys mean; a key that is null is not absent. */
  readonly defaults: JsonObject;
  /** What it says that is not used, in sentences. */
  readonly notices: readonly string[];

  /** Wraps values without checking them; {@linkcode readConfig} checks. */
  constructor(
    source: string,
    values: JsonObject,
    defaults: JsonObject = {},
    notices: readonly string[] = [],
  ) {
    this.source = source;
    this.values = values;
    this.defaults = defaults;
    this.notices = notices;
  }

  #value(key: string): unknown {
    return Object.hasOwn(this.values, key) ? this.values[key] : own(this.defaults, key);
  }

  /** The architecture's name, such as `"llama"`. */
  get modelType(): string {
    return this.string("model_type");
  }

  /** Whether the key, or else its default, is there and not null. */
  has(key: string): boolean {
    return (this.#value(key) ?? null) !== null;
  }

  /**
   * An integer, from 1 up unless `min` says otherwise.
   *
   * @throws {CheckpointError} code `config`
   */
  integer(key: string, options: NumberOptions = {}): number {
    const { min = 1 } = options;
    const value = this.number(key, { ...options, min });
    if (!Number.isSafeInteger(value)) this.fail(key, `an integer from ${min}`);
    return value;
  }

  /**
   * A finite number.
   *
   * @throws {CheckpointError} code `config`
   */
  number(key: string, { fallback, min = -Infinity, max = Infinity }: NumberOptions = {}): number {
    const value = this.#value(key) ?? fallback;
    if (typeof value !== "number" || !Number.isFinite(value) || value < min || value > max) {
      const range = min === -Infinity && max === Infinity ? "" : ` from ${min} to ${max}`;
      this.fail(key, `a finite number${range}`);
    }
    return value;
  }

  /**
   * A boolean.
   *
   * @throws {CheckpointError} code `config`
   */
  boolean(key: string, fallback?: boolean): boolean {
    const value = this.#value(key) ?? fallback;
    if (typeof value !== "boolean") this.fail(key, "true or false");
    return value;
  }

  /**
   * A string; with `accepted`, one of these.
   *
   * @throws {CheckpointError} code `config`
   */
  string(
    key: string,
    { fallback, accepted }: { fallback?: string; accepted?: readonly string[] } = {},
  ): string {
    const value = this.#value(key) ?? fallback;
    if (typeof value !== "string") this.fail(key, "a string");
    if (accepted && !accepted.includes(value)) this.fail(key, accepted.map((x) => `"${x}"`).join(" or "));
    return value;
  }

  /** A list, or `undefined` when absent or null. */
  list(key: string): readonly unknown[] | undefined {
    const value = this.#value(key) ?? undefined;
    if (value !== undefined && !Array.isArray(value)) this.fail(key, "a list");
    return value;
  }

  /** A nested object such as `rope_scaling`, or `undefined` when absent or null. */
  section(key: string): ModelConfig | undefined {
    const value = this.#value(key) ?? undefined;
    if (value === undefined) return undefined;
    if (!isJsonObject(value)) this.fail(key, "an object");
    return new ModelConfig(`${this.source}: ${key}`, value);
  }

  /** Throws an error about `key` that names its value and what is accepted. */
  fail(key: string, expected: string): never {
    const value = this.#value(key);
    const whence = Object.hasOwn(this.values, key) ? "" : " by default";
    const got = value === undefined ? "it is missing" : `got ${show(value)}${whence}${unwritable(value)}`;
    throw new CheckpointError("config", `${this.source}: ${key} must be ${expected}, ${got}`);
  }
}

/** What JSON has no name for, though Python writes it. */
function unwritable(value: unknown): string {
  return typeof value === "number" && !Number.isFinite(value) ? ", which is no number of JSON" : "";
}
