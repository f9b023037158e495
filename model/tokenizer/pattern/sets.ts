/** Sets of characters in Oniguruma's syntax as JavaScript's: classes, properties, escapes. */
import { space } from "../unicode.ts";
import type { Cursor } from "./cursor.ts";

const word = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]";
/** POSIX names, in brackets and as properties. */
const posix: Readonly<Record<string, string>> = {
  alnum: "[\\p{Alphabetic}\\p{Nd}]",
  alpha: "\\p{Alphabetic}",
  ascii: "[\\x00-\\x7f]",
  blank: "[\\p{Zs}\\t]",
  cntrl: "\\p{Cc}",
  digit: "\\p{Nd}",
  graph: "[[\\p{Any}--\\p{White_Space}]--[\\p{Cc}\\p{Cn}\\p{Cs}]]",
  lower: "\\p{Lowercase}",
  print: "[\\p{Any}--[\\p{Cc}\\p{Cn}\\p{Cs}\\u2028\\u2029]]",
  punct: "[\\p{P}\\p{S}]",
  space,
  upper: "\\p{Uppercase}",
  word,
  xdigit: "[0-9A-Fa-f]",
};

/** A class after its opening bracket. */
export function readSet(cursor: Cursor, depth = 0): string {
  if (depth > 100) throw new SyntaxError("classes are nested more than 100 deep");
  const negated = cursor.take("^");
  const operands: string[] = [];
  let members = "";
  if (cursor.take("]")) {
    if (!cursor.pattern.includes("]", cursor.at)) throw new SyntaxError("an empty class");
    members = "\\]";
  }
  while (!cursor.take("]")) {
    if (cursor.at >= cursor.pattern.length) throw new SyntaxError("a class does not end");
    if (cursor.take("&&")) {
      operands.push(`[${members}]`);
      members = "";
    } else {
      members += range(cursor, depth);
    }
  }
  operands.push(`[${members}]`);
  return `[${negated ? "^" : ""}${operands.length === 1 ? members : operands.join("&&")}]`;
}

/** A member of a class, or a range of them. */
function range(cursor: Cursor, depth: number): string {
  const bracket = /^\[:(\^?)([a-z]+):\]/.exec(cursor.pattern.slice(cursor.at));
  if (bracket) {
    cursor.at += bracket[0].length;
    if (!Object.hasOwn(posix, bracket[2])) throw new SyntaxError(`${bracket[0]} is unknown`);
    return bracket[1] ? not(posix[bracket[2]]) : posix[bracket[2]];
  }
  if (cursor.take("[")) return readSet(cursor, depth + 1);
  const first = classMember(cursor);
  if (first.code === undefined || !/^-[^\]]/.test(cursor.pattern.slice(cursor.at))) return first.js;
  cursor.at++;
  if (cursor.pattern[cursor.at] === "[" || cursor.pattern.startsWith("&&", cursor.at)) {
    return `${first.js}\\-`;
  }
  const last = classMember(cursor);
  if (last.code === undefined) throw new SyntaxError("a range ends with a class");
  if (last.code < first.code) throw new SyntaxError("a range is empty");
  return `${first.js}-${last.js}`;
}

function classMember(cursor: Cursor): Member {
  const char = cursor.character();
  if (char !== "\\") return memberOf(char.codePointAt(0) ?? 0);
  if (cursor.pattern[cursor.at] === "b") {
    cursor.at++;
    return memberOf(8);
  }
  return readMember(cursor);
}

/** What an escape means, in a class and outside. */
export function readMember(cursor: Cursor): Member {
  const rest = cursor.pattern.slice(cursor.at), char = cursor.character();
  const simple: Record<string, number> = { t: 9, v: 11, n: 10, r: 13, f: 12, a: 7, e: 27 };
  if (Object.hasOwn(simple, char)) return memberOf(simple[char]);
  const sets: Record<string, string> = {
    d: "\\p{Nd}",
    D: "\\P{Nd}",
    s: space,
    S: "\\P{White_Space}",
    h: "[0-9a-fA-F]",
    H: "[^0-9a-fA-F]",
    w: word,
    W: not(word),
  };
  if (Object.hasOwn(sets, char)) return { js: sets[char] };
  const property = /^([pP])\{(\^?)([\w \-]+)\}/.exec(rest);
  if (property) {
    cursor.at += property[0].length - 1;
    const set = propertyOf(property[3]);
    return { js: (property[1] === "P") !== (property[2] === "^") ? not(set) : set };
  }
  const code =
    /^(?:x\{([0-9a-fA-F]{1,8})\}|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|(0[0-7]{0,2}|[1-3][0-7]{2}))/
      .exec(rest);
  if (code) {
    cursor.at += code[0].length - 1;
    const value = code[4] ? parseInt(code[4], 8) : parseInt(code[1] ?? code[2] ?? code[3], 16);
    const isByte = code[2] !== undefined || code[4] !== undefined;
    if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff) || (isByte && value > 0x7f)) {
      throw new SyntaxError(`\\${code[0]} is no character`);
    }
    return memberOf(value);
  }
  if (/[0-9A-Za-z]/.test(char)) throw new SyntaxError(`\\${char} is unknown here`);
  return memberOf(char.codePointAt(0) ?? 0);
}

/** A member of a class: a set, or one character. */
export interface Member {
  readonly js: string;
  readonly code?: number;
}

function memberOf(code: number): Member {
  return { js: literal(String.fromCodePoint(code)), code };
}

/** A character as itself. */
export function literal(char: string): string {
  return /^[A-Za-z0-9 ]$/.test(char) ? char : `\\u{${char.codePointAt(0)?.toString(16)}}`;
}

export function not(set: string): string {
  if (/^\\p\{/.test(set)) return `\\P${set.slice(2)}`;
  return `[^${set}]`;
}

/** A property by one of its names. */
function propertyOf(name: string): string {
  const plain = name.replaceAll(/[ _\-]/g, "").toLowerCase();
  if (plain === "punct") return "\\p{P}";
  if (Object.hasOwn(posix, plain)) return posix[plain];
  // Sets of strings are no sets of characters.
  const candidates = /emoji|rgi/i.test(name) && !/^Emoji$/.test(name) ? [] : [name, `sc=${name}`];
  for (const candidate of candidates) {
    try {
      new RegExp(`\\p{${candidate}}`, "v");
      return `\\p{${candidate}}`;
    } catch {
      // Tried under the next name.
    }
  }
  throw new SyntaxError(`the property ${show(name)} is unknown`);
}

function show(text: string): string {
  return JSON.stringify(text);
}
