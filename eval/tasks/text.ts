/** Text as Python sees it: the benchmarks' prompts are defined by Python's notions of white space, case and length. */

const space = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;
const leading = new RegExp(`^[${space}]+`, "u");
const trailing = new RegExp(`[${space}]+$`, "u");
const runs = new RegExp(`[${space}]+`, "u");

/** `text.strip()`. */
export function strip(text: string): string {
  return text.replace(leading, "").replace(trailing, "");
}

/** `text.rstrip()`. */
export function stripEnd(text: string): string {
  return text.replace(trailing, "");
}

/** `re.split(r"\s+", text)`: white space at an end leaves an empty string there. */
export function splitWords(text: string): string[] {
  return text.split(runs);
}

/** `len(text)`: code points, not UTF-16 units. */
export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

// Letters whose title case is neither their upper case nor themselves.
const digraphs = ["Ǆǅǆ", "Ǉǈǉ", "Ǌǋǌ", "Ǳǲǳ"];

/** `text.capitalize()`: the first letter in title case, all others in lower case. */
export function capitalize(text: string): string {
  const [first = ""] = text;
  const digraph = digraphs.find((forms) => first !== "" && forms.includes(first));
  const [upper = "", ...rest] = /\p{Script=Georgian}/u.test(first) ? first : first.toUpperCase();
  const title = digraph?.[1] ?? upper + rest.join("").toLowerCase();
  return title + text.slice(first.length).toLowerCase();
}
