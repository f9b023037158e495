/** Texts cut where a sign stands outside of brackets and quotes. */
import { SchemeError } from "../error.ts";

const closing: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/**
 * The parts of a text between signs that stand in no bracket and no quote.
 *
 * @throws {SchemeError} `notation`, where a bracket or a quote has no end
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(splitOutside('a=(b,c),d="e,f"', ","), ["a=(b,c)", 'd="e,f"']);
 * ```
 */
export function splitOutside(text: string, signs: string): string[] {
  const parts: string[] = [], open: string[] = [];
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') {
      const end = quoteEnd(text, at);
      if (end < 0) throw unfinished(text, '"');
      at = end;
    } else if (closing[char] !== undefined) open.push(closing[char]);
    else if (char === open.at(-1)) open.pop();
    else if (")]}".includes(char)) {
      throw new SchemeError("notation", `${char} in ${JSON.stringify(text)} closes nothing`);
    } else if (open.length === 0 && signs.includes(char)) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  const missing = open.at(-1);
  if (missing !== undefined) throw unfinished(text, missing);
  return [...parts, text.slice(from)];
}

/** What stands before and behind the first sign outside of brackets and quotes; null where there is none. */
export function cutOutside(text: string, sign: string): readonly [before: string, behind: string] | null {
  const [before] = splitOutside(text, sign);
  return before.length === text.length ? null : [before, text.slice(before.length + 1)];
}

/** What stands between the brackets that a text begins and ends with; null where it does not. */
export function insideBrackets(text: string): string | null {
  return text.startsWith("(") && text.endsWith(")") ? text.slice(1, -1) : null;
}

/** The index of the quote that ends the one at `from`, -1 where none does. */
function quoteEnd(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at;
  }
  return -1;
}

function unfinished(text: string, missing: string): SchemeError {
  return new SchemeError("notation", `${JSON.stringify(text)} has no end: expected ${missing}`);
}
