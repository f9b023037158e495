/** A row of task data that knows where it stands, so that what is wrong with it can be found. */
import { show } from "../../base/show.ts";
import { isJsonObject, type JsonObject, own } from "../../base/json.ts";
import { TaskError } from "./error.ts";

/** One example as its file has it; every reader throws {@linkcode TaskError} with file, line and field. */
export class DataRow {
  /** `where` is the file and line; `path` the fields that lead to `values`. */
  constructor(readonly values: JsonObject, readonly where: string, private readonly path = "") {}

  /** Whether a field is there. */
  has(key: string): boolean {
    return (own(this.values, key) ?? null) !== null;
  }

  /** A string. */
  text(key: string): string {
    const value = own(this.values, key);
    return typeof value === "string" ? value : this.#refuse(key, value, "a string");
  }

  /** A list of strings; at least `least` of them. */
  texts(key: string, least = 1): readonly string[] {
    const value = own(this.values, key);
    const whole = Array.isArray(value) && value.every((one) => typeof one === "string");
    if (!whole) return this.#refuse(key, value, "a list of strings");
    if (value.length < least) this.#refuse(key, value, `at least ${least} strings`);
    return value;
  }

  /** A list of numbers. */
  numbers(key: string): readonly number[] {
    const value = own(this.values, key);
    const whole = Array.isArray(value) && value.every((one) => typeof one === "number");
    return whole ? value : this.#refuse(key, value, "a list of numbers");
  }

  /** The index of the right one of `count` answers; digits in a string count as well. */
  label(key: string, count: number, first = 0): number {
    const value = own(this.values, key);
    const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
    if (typeof number === "number" && Number.isInteger(number) && number >= first && number < first + count) {
      return number - first;
    }
    if (value === undefined) this.#refuse(key, value, "an answer");
    return this.fail(
      "label",
      `${this.path}${key} is ${show(value)}: expected ${first} to ${first + count - 1}`,
    );
  }

  /** The position of `key`'s value among `labels`. */
  labelOf(key: string, labels: readonly string[]): number {
    const index = labels.indexOf(this.text(key));
    if (index >= 0) return index;
    const accepted = labels.map((one) => show(one)).join(", ");
    return this.fail(
      "label",
      `${this.path}${key} is ${show(own(this.values, key))}: expected one of ${accepted}`,
    );
  }

  /** A boolean, or 0 and 1. */
  flag(key: string): boolean {
    const value = own(this.values, key);
    if (typeof value === "boolean") return value;
    if (value === undefined) this.#refuse(key, value, "an answer");
    if (value === 0 || value === 1) return value === 1;
    return this.fail("label", `${this.path}${key} is ${show(value)}: expected true or false`);
  }

  /** An object. */
  object(key: string): DataRow {
    const value = own(this.values, key);
    if (!isJsonObject(value)) return this.#refuse(key, value, "an object");
    return new DataRow(value, this.where, `${this.path}${key}.`);
  }

  /** Throws, naming file and line. */
  fail(code: "format" | "label" | "length" | "empty", message: string): never {
    throw new TaskError(code, `${this.where}: ${message}`);
  }

  #refuse(key: string, value: unknown, accepted: string): never {
    const got = value === undefined ? "missing" : show(value);
    return this.fail("format", `${this.path}${key} is ${got}: expected ${accepted}`);
  }
}
