/**
 * One part of a scheme as a short text: `gptq:4:g128,actOrder`. Behind the method's name come its options, between `:` or `,`:
 *
 * - a value alone is the option that the method is mostly told apart by: `bits` where it has that, else its first one (`mx:e2m1`);
 * - `g128` is `groupSize=128`;
 * - a name alone is `name=true`;
 * - `name=value`, with a value as JSON has it, text without quotes where nothing else reads like it, a scheme of a method in brackets
 *   (`grid=(nvfp4)`).
 */
import { didYouMean, nearest } from "../../base/nearest.ts";
import { parseJson, readNumbers, writeNumbers } from "../../base/json.ts";
import { SchemeError } from "../error.ts";
import type { Method, SchemePart } from "../method.ts";
import type { Tagged } from "../options.ts";
import { findMethod, methodOf, registeredMethods } from "../registry.ts";
import { cutOutside, insideBrackets, splitOutside } from "./split.ts";

type Options = Readonly<Record<string, unknown>>;

/** The option that a value alone is. */
export function shortOption({ short, options = {} }: Method): string {
  return short ?? (Object.hasOwn(options, "bits") ? "bits" : Object.keys(options)[0] ?? "bits");
}

/**
 * Options of a method by its text, not checked yet but for their names: `parseScheme` does the rest.
 *
 * @throws {SchemeError} `method`, `option` or `notation`
 */
export function readPart(text: string): Tagged {
  const [name, ...items] = splitOutside(text.trim(), ":,");
  const method = findMethod(name.trim());
  if (method === undefined) {
    const known = registeredMethods().map((one) => one.name), hint = didYouMean(name, known);
    throw new SchemeError(
      "method",
      `there is no method ${JSON.stringify(name)}${hint || `: expected one of ${known.join(", ")}`}`,
    );
  }
  const read: Record<string, unknown> = {};
  for (const item of items) {
    const [option, value] = readItem(item.trim(), method);
    if (Object.hasOwn(read, option)) {
      throw new SchemeError("option", `${method.name}: ${option} is given twice in ${JSON.stringify(text)}`);
    }
    read[option] = value;
  }
  return { method: method.name, ...read };
}

function readItem(item: string, method: Method): readonly [name: string, value: unknown] {
  const names = namesOf(method), short = shortOption(method), cut = cutOutside(item, "=");
  if (item === "") {
    throw new SchemeError("notation", `${method.name}: an option is missing between two signs`);
  }
  if (cut !== null) return [known(cut[0].trim(), names, method), readValue(cut[1].trim())];
  const size = /^g(-?\d+)$/.exec(item);
  if (size !== null && names.includes("groupSize")) return ["groupSize", Number(size[1])];
  if (names.includes(item)) return [item, true];
  const value = readValue(item);
  // A text is either a value of the short option or the wrong name of another.
  if (typeof value !== "string" || accepts(method, short, value)) return [short, value];
  return [known(item, names, method), true];
}

function namesOf(method: Method): string[] {
  return [...new Set([...Object.keys(method.options ?? {}), shortOption(method)])];
}

function accepts({ options = {} }: Method, name: string, value: string): boolean {
  if (!Object.hasOwn(options, name)) return false;
  try {
    options[name].read(name, value);
    return true;
  } catch {
    return false;
  }
}

function known(name: string, names: readonly string[], method: Method): string {
  if (names.includes(name) || method.options === undefined) return name;
  const meant = nearest(name, names);
  const expected = meant === undefined ? `: expected ${names.join(", ")}` : `: did you mean ${meant}?`;
  throw new SchemeError("option", `${method.name} has no option ${JSON.stringify(name)}${expected}`);
}

function readValue(text: string): unknown {
  const inside = insideBrackets(text);
  if (inside !== null) return readPart(inside);
  if (number.test(text)) return Number(text);
  if (!/^(?:true$|false$|null$|["[{])/.test(text)) return text;
  try {
    parseJson(text);
    return readNumbers(text);
  } catch (cause) {
    throw new SchemeError(
      "notation",
      `${text} is no value: ${cause instanceof Error ? cause.message : cause}`,
      {
        cause,
      },
    );
  }
}

const number = /^-?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Infinity)$/;

/**
 * The shortest text that reads as a part: options that the builder fills in by itself are left out.
 *
 * @param part which part of a scheme it fills
 */
export function writePart(scheme: Tagged, part: SchemePart, method: Method): string {
  const same = writeNumbers(scheme), { method: _, ...options } = scheme as Tagged & Options;
  const makes = (given: Options) => {
    try {
      return writeNumbers(method.parse({ method: method.name, ...given }, part)) === same;
    } catch {
      return false;
    }
  };
  const short = shortOption(method), own = Object.hasOwn(options, short);
  // An option that stands for others (`bits` of a cache, for keys and values) is tried with each of their values.
  const stands = own
    ? []
    : [...new Set(Object.values(options))].map((value) => ({ ...options, [short]: value }));
  const candidates = [options, ...stands].filter(makes).map((full) => {
    let left: Options = full;
    for (const name of Object.keys(full)) {
      const { [name]: _, ...rest } = left;
      if (makes(rest)) left = rest;
    }
    return textOf(method.name, left, short, method);
  });
  return candidates.reduce(
    (best, one) => one.length < best.length ? one : best,
    candidates[0] ?? textOf(method.name, options, short, method),
  );
}

function textOf(name: string, options: Options, short: string, method: Method): string {
  const { [short]: first, ...rest } = options;
  const items = Object.entries(rest).map(([option, value]) => {
    if (option === "groupSize") return `g${value}`;
    return value === true ? option : `${option}=${writeValue(value)}`;
  });
  const alone = first === undefined ? [] : [alonely(first, short, method)];
  return [name, [...alone, ...items].join(",")].filter((one) => one !== "").join(":");
}

/** A value of the short option: alone, unless it would read as something else. */
function alonely(value: unknown, short: string, method: Method): string {
  const text = writeValue(value);
  try {
    const [name, read] = readItem(text, method);
    if (name === short && writeNumbers(read) === writeNumbers(value)) return text;
  } catch {
    // Then it needs its name.
  }
  return `${short}=${text}`;
}

function writeValue(value: unknown): string {
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (typeof value === "string") {
    const plain = /^[\w.+-]+$/.test(value) && readValue(value) === value;
    return plain ? value : JSON.stringify(value);
  }
  if (typeof value === "object" && value !== null && "method" in value && typeof value.method === "string") {
    return `(${writePart(value as Tagged, "weights", methodOf(value as Tagged))})`;
  }
  return writeNumbers(value);
}
