/** Data of JavaScript as Python's values. */
import { show } from "../../../../base/show.ts";
import { TemplateError } from "../error.ts";
import { Dict, type Value } from "./values.ts";

/** A value of JSON as Python reads it; an integral number is an int. */
export function fromData(value: unknown): Value {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "boolean" || typeof value === "bigint") return value;
  if (typeof value === "number") {
    return Number.isInteger(value) && !Object.is(value, -0) ? BigInt(value) : value;
  }
  if (Array.isArray(value)) return value.map(fromData);
  if (value instanceof Map) {
    return Dict.from([...value].map(([key, one]) => [fromData(key), fromData(one)] as const));
  }
  if (typeof value === "object") {
    const entries = Object.entries(value).filter(([, one]) => one !== undefined);
    return Dict.from(entries.map(([key, one]) => [key, fromData(one)] as const));
  }
  throw new TemplateError("value", `a template cannot have ${show(value)}: expected data as JSON has it`);
}
