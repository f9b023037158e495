/** Narrowing of untrusted JSON: what arrives from files and sockets is `unknown` until one of these has looked at it. */

/** Any value that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Whether a value is a JSON object: neither null nor an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value of an object's own key; `undefined` for inherited ones such as `__proto__`. */
export function own(object: unknown, key: string): unknown {
  return isObject(object) && Object.hasOwn(object, key) ? object[key] : undefined;
}

/** The string at a key, or `fallback` when something else stands there. */
export function stringAt(object: unknown, key: string, fallback = ""): string {
  const value = own(object, key);
  return typeof value === "string" ? value : fallback;
}

/** The object at a key, or an empty one. */
export function objectAt(object: unknown, key: string): JsonObject {
  const value = own(object, key);
  return isObject(value) ? value : {};
}

/** JSON text with sorted keys: equal values give equal text, whatever the order in which they were built. */
export function canonicalJson(value: unknown, indent?: number): string {
  const sort = (_: string, item: unknown) =>
    isObject(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item;
  return JSON.stringify(value, sort, indent);
}
