/** Fields of a tokenizer's files, read with their types; what nobody reads becomes a notice. */
import { isJsonObject, type JsonObject, own } from "../../base/json.ts";
import { checkFields } from "../../base/fields.ts";
import { show } from "../../base/show.ts";
import { TokenizerError } from "./error.ts";

/** Ids index embedding rows and Int32Arrays; no vocabulary is near this size. */
export const maxId = 2 ** 24;

/** Whether a value can be a token id. */
export function isId(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= maxId;
}

/** One JSON object of a file: a component of a `tokenizer.json`, say. */
export class Fields {
  readonly #read = new Set<string>();

  /**
   * @param file named in messages
   * @param at where the object stands in the file: `decoder.decoders[0]`; nothing for the whole
   * @param notices where {@linkcode finish} says what was not read
   */
  constructor(
    readonly json: JsonObject,
    readonly file: string,
    readonly at: string,
    readonly notices: string[],
  ) {}

  /** The value of a field; null counts as absent. */
  value(key: string): unknown {
    this.#read.add(key);
    return own(this.json, key) ?? undefined;
  }

  /** A text; without a `fallback` it must be there. */
  text(key: string, fallback?: string): string {
    const value = this.value(key) ?? fallback;
    return typeof value === "string" ? value : this.fail(key, "a text");
  }

  /** A text, or undefined where there is none. */
  optionalText(key: string): string | undefined {
    return this.value(key) === undefined ? undefined : this.text(key);
  }

  /** A text of exactly one character. */
  character(key: string, fallback?: string): string {
    const value = this.text(key, fallback);
    return [...value].length === 1 ? value : this.fail(key, "one character");
  }

  /** true or false; without a `fallback` it must be there. */
  flag(key: string, fallback?: boolean): boolean {
    const value = this.value(key) ?? fallback;
    return typeof value === "boolean" ? value : this.fail(key, "true or false");
  }

  /** An integer that is not negative. */
  count(key: string, fallback?: number): number {
    const value = this.value(key) ?? fallback;
    return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
      ? value
      : this.fail(key, "an integer from 0 up");
  }

  /** One of some texts. */
  choice<T extends string>(key: string, accepted: readonly T[], fallback?: T): T {
    const value = this.value(key) ?? fallback;
    return accepted.find((one) => one === value) ?? this.fail(key, accepted.join(", "));
  }

  /** A list. */
  list(key: string): readonly unknown[] {
    const value = this.value(key);
    return Array.isArray(value) ? value : this.fail(key, "a list");
  }

  /** An object, as fields; undefined where there is none. */
  optionalObject(key: string): Fields | undefined {
    return this.value(key) === undefined ? undefined : this.object(key);
  }

  /** An object, as fields. */
  object(key: string): Fields {
    const value = this.value(key);
    return isJsonObject(value) ? this.part(key, value) : this.fail(key, "an object");
  }

  /** Objects of a list, as fields. */
  objects(key: string): Fields[] {
    return this.list(key).map((one, i) =>
      isJsonObject(one)
        ? this.part(`${key}[${i}]`, one)
        : this.fail(key, `a list of objects`, `${key}[${i}]`, one)
    );
  }

  /** A value found inside a field, as fields of its own: `name` is its path, `single[0]`. */
  part(name: string, value: JsonObject): Fields {
    return new Fields(value, this.file, this.#inside(name), this.notices);
  }

  /** Where a field stands. */
  path(key: string): string {
    return `${this.file}: ${this.#inside(key)}`;
  }

  #inside(key: string): string {
    return this.at === "" ? key : `${this.at}.${key}`;
  }

  /** Refuses a field: `format`, or `unsupported` where the file may be right and this reader cannot. */
  fail(key: string, accepted: string, name = key, value: unknown = own(this.json, key)): never {
    throw new TokenizerError("format", `${this.path(name)} is ${show(value)}: expected ${accepted}`);
  }

  /** Refuses what this reader cannot do. */
  refuse(key: string, reason: string): never {
    throw new TokenizerError("unsupported", `${this.path(key)} is ${show(own(this.json, key))}: ${reason}`);
  }

  /** Ends the reading: fields that nobody read become notices, but those that are known to change nothing. */
  finish(...harmless: readonly string[]): void {
    const refuse = (message: string): never => {
      throw new TokenizerError("unsupported", message);
    };
    const source = this.at === "" ? this.file : `${this.file}: ${this.at}`;
    this.notices.push(...checkFields(source, this.json, { used: this.#read, harmless }, refuse));
  }
}
