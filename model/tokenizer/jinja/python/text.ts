/** Python's text: indexed by code points, its classes of characters, its letter case. */
import { spend, spendText, TemplateError } from "../error.ts";

const surrogate = /[\ud800-\udfff]/;

/** The code points of a text, one by one: what goes through them is slower than what the engine does with the whole. */
export function points(text: string): readonly string[] {
  spend(1 + text.length);
  return surrogate.test(text) ? Array.from(text) : text.split("");
}

/** How many code points a text has. */
export function lengthOf(text: string): number {
  return surrogate.test(text) ? points(text).length : text.length;
}

/** Code points `from` (included) to `to` (excluded). */
export function between(text: string, from: number, to: number): string {
  return surrogate.test(text) ? points(text).slice(from, to).join("") : text.slice(from, Math.max(from, to));
}

/** The order of two texts by code points: negative, 0 or positive. */
export function compareText(a: string, b: string): number {
  if (!surrogate.test(a) && !surrogate.test(b)) return a < b ? -1 : a > b ? 1 : 0;
  const left = points(a), right = points(b);
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = (left[i].codePointAt(0) ?? 0) - (right[i].codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** What Python calls white space, as the inside of a class of characters. */
export const whiteSpace =
  "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const blank = new RegExp(`[${whiteSpace}]`);

/** Whether a character is white space to Python. */
export function isSpace(character: string): boolean {
  return blank.test(character);
}

/** Without the characters (white space if undefined) at the ends that are asked for. */
export function strip(text: string, characters: string | undefined, ends: "both" | "left" | "right"): string {
  const set = characters === undefined ? undefined : new Set(points(characters));
  const drops = (one: string) => set === undefined ? isSpace(one) : set.has(one);
  let from = 0, to = text.length;
  // A code point beyond the basic plane is two units.
  const width = (at: number, forwards: boolean) => {
    const pair = forwards ? text.slice(at, at + 2) : text.slice(Math.max(from, at - 2), at);
    return /^[\ud800-\udbff][\udc00-\udfff]$/.test(pair) ? 2 : 1;
  };
  if (ends !== "right") {
    for (
      let step = width(from, true);
      from < to && drops(text.slice(from, from + step));
      step = width(from, true)
    ) from += step;
  }
  if (ends !== "left") {
    for (
      let step = width(to, false);
      to > from && drops(text.slice(to - step, to));
      step = width(to, false)
    ) to -= step;
  }
  spend(1 + (text.length - (to - from)) / 4);
  return text.slice(from, to);
}

const lineEnds = "\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029";
const line = new RegExp(`[^${lineEnds}]*(?:\\r\\n|[${lineEnds}])|[^${lineEnds}]+$`, "g");
const lineEnd = new RegExp(`(?:\\r\\n|[${lineEnds}])$`);

/** The lines of a text, with their ends if `keep`. */
export function splitLines(text: string, keep = false): string[] {
  spendText(text.length);
  const lines = text.match(line) ?? [];
  return keep ? lines : lines.map((one) => one.replace(lineEnd, ""));
}

/** The letters whose form at the beginning of a title is neither their capital nor the first of its letters. */
const titles: Readonly<Record<string, string>> = {
  ...{ "Ǆ": "ǅ", "ǅ": "ǅ", "ǆ": "ǅ", "Ǉ": "ǈ", "ǈ": "ǈ", "ǉ": "ǈ" },
  ...{ "ŉ": "ʼN", "Ǌ": "ǋ", "ǋ": "ǋ", "ǌ": "ǋ", "Ǳ": "ǲ", "ǲ": "ǲ", "ǳ": "ǲ" },
};

/** A character as the first of a title. */
function titleCase(character: string): string {
  if (character < "\x80") return character.toUpperCase();
  const known = titles[character];
  if (known !== undefined) return known;
  const upper = character.toUpperCase();
  // Greek with an iota below and Georgian have forms of their own.
  if (/[\u1f80-\u1fff\u10d0-\u10ff]/.test(character)) return greekTitle(character, upper);
  const [first, ...rest] = Array.from(upper);
  return rest.length === 0 ? upper : first + rest.join("").toLowerCase();
}

function greekTitle(character: string, upper: string): string {
  if (/[\u10d0-\u10ff]/.test(character)) return character;
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0x1f80 && code <= 0x1faf) return String.fromCodePoint(code | 8);
  const single: Readonly<Record<number, number>> = { 0x1fb3: 0x1fbc, 0x1fc3: 0x1fcc, 0x1ff3: 0x1ffc };
  if (code in single) return String.fromCodePoint(single[code]);
  if (/[\u1fbc\u1fcc\u1ffc]/.test(character)) return character;
  return upper.length > 1 ? upper.replace(/Ι$/, "\u0345") : upper;
}

/** `str.capitalize`. */
export function capitalize(text: string): string {
  const [first, ...rest] = points(text);
  if (first === undefined) return "";
  // Whether a sigma ends a word depends on what stands before it.
  return titleCase(first) + (first + rest.join("")).toLowerCase().slice(first.toLowerCase().length);
}

/** `str.title`. */
export function title(text: string): string {
  const list = points(text);
  let after = false;
  return list.map((one, i) => {
    const cased = after ? lowerAt(list, i) : titleCase(one);
    after = isCased(one);
    return cased;
  }).join("");
}

/** A character in small letters: a sigma has another form at the end of a word. */
function lowerAt(list: readonly string[], at: number): string {
  if (list[at] !== "Σ") return list[at].toLowerCase();
  const next = (step: number) => {
    let i = at + step;
    while (list[i] !== undefined && /^\p{Case_Ignorable}$/u.test(list[i]) && !isCased(list[i])) {
      spend(1);
      i += step;
    }
    return list[i] !== undefined && isCased(list[i]);
  };
  const isLast = next(-1) && !next(1);
  return isLast ? "ς" : "σ";
}

/** Whether a character has a case. */
function isCased(character: string): boolean {
  return /^\p{Cased}$/u.test(character);
}

/** `str.swapcase`. */
export function swapCase(text: string): string {
  const list = points(text);
  return list.map((one, i) => isUpper(one) ? lowerAt(list, i) : isLower(one) ? one.toUpperCase() : one).join(
    "",
  );
}

/** Whether a character is a small letter. */
export function isLower(character: string): boolean {
  return /^\p{Lowercase}$/u.test(character);
}

/** Whether a character is a capital. */
export function isUpper(character: string): boolean {
  return /^\p{Uppercase}$/u.test(character);
}

/** A text as Python writes it in code: between the quotes that it needs, what cannot be printed as an escape. */
export function quote(text: string): string {
  spendText(text.length);
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  let result = mark;
  for (const one of text) {
    if (one === mark || one === "\\") result += `\\${one}`;
    else if (one >= " " && one <= "~") result += one;
    else result += escaped(one);
  }
  return result + mark;
}

function escaped(one: string): string {
  const short: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
  return short[one] ?? (isPrintable(one) ? one : asciiEscape(one));
}

/** Whether `repr` shows a character as it is. */
export function isPrintable(character: string): boolean {
  return character === " " ||
    !/^[\p{C}\p{Z}]$/u.test(character) && !surrogate.test(character[1] ? "" : character);
}

/** A character as `\xhh`, `\uhhhh` or `\Uhhhhhhhh`. */
export function asciiEscape(character: string): string {
  const code = character.codePointAt(0) ?? 0, hex = code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** Decodes the escapes of Python's texts in ASCII that came from `asciiEscape` and from the template. */
export function unescapeText(source: string): string {
  // As Jinja does it: what is not ASCII becomes an escape first, so that a backslash before it is one of its own.
  const ascii = Array.from(source, (one) => one <= "\x7f" ? one : asciiEscape(one)).join("");
  const simple: Readonly<Record<string, string>> = {
    ...{ "\\": "\\", "'": "'", '"': '"', "\n": "", a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" },
    v: "\v",
  };
  return ascii.replace(
    /\\(?:([0-7]{1,3})|x([0-9a-fA-F]{0,2})|u([0-9a-fA-F]{0,4})|U([0-9a-fA-F]{0,8})|(N)|([^]))/g,
    (whole, octal, x, u, long, name, other) => {
      if (octal !== undefined) return String.fromCharCode(parseInt(octal, 8));
      const digits: string | undefined = x ?? u ?? long;
      if (digits !== undefined) {
        const code = parseInt(digits, 16), wanted = x !== undefined ? 2 : u !== undefined ? 4 : 8;
        if (digits.length === wanted && code <= 0x10ffff) return String.fromCodePoint(code);
        throw new TemplateError("syntax", `truncated escape ${whole}`);
      }
      if (name !== undefined) throw new TemplateError("unsupported", "\\N{...} in a text: not supported");
      return simple[other] ?? whole;
    },
  );
}
