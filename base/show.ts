/** Values in messages: short, on one line, and never the reason for another error. */

/**
 * A value as JSON where it has any, cut to `most` characters.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals([show("a"), show([1, NaN]), show(undefined), show(2n)], ['"a"', "[1,NaN]", "undefined", "2"]);
 * ```
 */
export function show(value: unknown, most = 80): string {
  const text = textOf(value);
  return text.length > most ? `${text.slice(0, most - 3)}...` : text;
}

function textOf(value: unknown, depth = 0): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return `function ${value.name}`.trim();
  if (typeof value !== "object" || value === null) return String(value);
  if (depth === 4) return "...";
  const inner = (one: unknown) => textOf(one, depth + 1);
  // Nobody reads more of them.
  if (Array.isArray(value)) return `[${value.slice(0, 100).map(inner).join(",")}]`;
  return `{${
    Object.entries(value).slice(0, 100).map(([key, one]) => `${JSON.stringify(key)}:${inner(one)}`).join(",")
  }}`;
}
