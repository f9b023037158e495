/** Reads JSON that comes from outside: strict UTF-8, no silent duplicate keys, plain type guards. */

/** A JSON object. Read it with `Object.hasOwn` or `Object.entries`: names such as `__proto__` are data. */
export type JsonObject = Record<string, unknown>;

/** Whether `value` is a JSON object (not null, not an array). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The own property `key` of `object`, or `undefined`: never an inherited one. */
export function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/**
 * Decodes UTF-8, keeping a byte order mark (which JSON does not allow) visible.
 *
 * @throws {SyntaxError} when the bytes are not UTF-8.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SyntaxError("the text is not valid UTF-8");
  }
}

/**
 * Parses JSON and refuses what `JSON.parse` lets pass silently: a key that stands twice in one object, and lone surrogates.
 *
 * @throws {SyntaxError} whose message starts with "not valid JSON".
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * assert(JSON.stringify(parseJson('{"a":[1]}')) === '{"a":[1]}');
 * try {
 *   parseJson('{"a":1,"\\u0061":2}');
 * } catch (error) {
 *   assert(error instanceof SyntaxError && error.message.includes('duplicate key "a"'));
 * }
 * ```
 */
export function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`not valid JSON: ${error instanceof Error ? error.message : error}`);
  }
  checkKeys(text);
  return value;
}

/**
 * {@linkcode parseJson} of what Python's `json` writes: `NaN`, `Infinity` and `-Infinity` are numbers there.
 *
 * @throws {SyntaxError} whose message starts with "not valid JSON".
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(parsePythonJson('{"limits": [0.5, Infinity], "about": "NaN"}'), { limits: [0.5, Infinity], about: "NaN" });
 * ```
 */
export function parsePythonJson(text: string): unknown {
  let plain = "", from = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') at = stringEnd(text, at) - 1;
    // JSON.parse reads a number beyond the largest as Infinity; NaN needs a stand-in.
    const name = text.startsWith("NaN", at) ? "NaN" : text.startsWith("Infinity", at) ? "Infinity" : "";
    if (name === "") continue;
    plain += text.slice(from, at) + (name === "NaN" ? `"${notANumber}"` : "1e999");
    from = at + name.length;
    at = from - 1;
  }
  return from === 0 ? parseJson(text) : numbered(parseJson(plain + text.slice(from)));
}

/** A noncharacter of Unicode: no text has it. */
const notANumber = "\uFDD0NaN";

/** The value with numbers for their stand-ins, changed in place; without recursion, since values may be nested deeply. */
function numbered(value: unknown): unknown {
  const root: JsonObject = { value }, open: object[] = [root];
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    for (const [key, inner] of Object.entries(one)) {
      if (key === notANumber) throw new SyntaxError("not valid JSON: NaN is the name of a value");
      if (inner === notANumber) Object.defineProperty(one, key, { value: NaN });
      if (typeof inner === "object" && inner !== null) open.push(inner);
    }
  }
  return root.value;
}

/** Scans text that is known to be valid JSON; a key is a string followed by a colon. */
function checkKeys(text: string): void {
  const open: Set<string>[] = [];
  const path: string[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === "{") {
      open.push(new Set());
    } else if (char === "}") {
      open.pop();
      path.length = Math.min(path.length, open.length);
    } else if (char === '"') {
      const end = stringEnd(text, at);
      const literal = unescape(text.slice(at, end));
      const keys = open.at(-1);
      const parents = path.slice(0, Math.max(0, open.length - 1));
      const where = parents.length > 0 ? ` in ${parents.join(".")}` : "";
      if (!literal.isWellFormed()) {
        throw new SyntaxError(`not valid JSON: lone surrogate in ${text.slice(at, end)}${where}`);
      }
      if (keys && isFollowedByColon(text, end)) {
        if (keys.has(literal)) {
          throw new SyntaxError(`not valid JSON: duplicate key ${JSON.stringify(literal)}${where}`);
        }
        keys.add(literal);
        path[open.length - 1] = literal;
      }
      at = end - 1;
    }
  }
}

function unescape(literal: string): string {
  return literal.includes("\\") ? String(JSON.parse(literal)) : literal.slice(1, -1);
}

function isFollowedByColon(text: string, start: number): boolean {
  let at = start;
  while (text[at] === " " || text[at] === "\n" || text[at] === "\r" || text[at] === "\t") at++;
  return text[at] === ":";
}

function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}

const floatKey = "$float";
const floats: Readonly<Record<string, number>> = { NaN, Infinity, "-Infinity": -Infinity, "-0": -0 };

/**
 * JSON of a value whose numbers are kept: NaN and the infinities, of which `JSON.stringify` makes null, and -0, which it makes 0,
 * are written as `{"$float":"NaN"}`. All else is as `JSON.stringify` writes it. `readNumbers` reads it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const text = writeNumbers({ perplexity: Infinity, tokens: 4 });
 * assertEquals(text, '{"perplexity":{"$float":"Infinity"},"tokens":4}');
 * assertEquals(readNumbers(text), { perplexity: Infinity, tokens: 4 });
 * ```
 */
export function writeNumbers(value: unknown): string {
  return JSON.stringify(
    value,
    (_, one) => {
      const name = Object.is(one, -0) ? "-0" : String(one);
      return typeof one === "number" && Object.hasOwn(floats, name) ? { [floatKey]: name } : one;
    },
  );
}

/**
 * Parses what `writeNumbers` wrote.
 *
 * @throws {SyntaxError}
 */
export function readNumbers(text: string): unknown {
  return JSON.parse(text, (_, one) => isJsonObject(one) ? numberOf(one) ?? one : one);
}

function numberOf(object: JsonObject): number | undefined {
  const name = Object.keys(object).length === 1 ? own(object, floatKey) : undefined;
  return typeof name === "string" && Object.hasOwn(floats, name) ? floats[name] : undefined;
}
