/**
 * Patterns of a `tokenizer.json` as JavaScript's. They are written in Oniguruma's Ruby syntax
 * (https://github.com/kkos/oniguruma/blob/master/doc/RE), which differs in more than spelling: `^` and `$` are ends of
 * lines, `++` is possessive but `{1,3}+` is a repeat of a repeat, classes nest and intersect, `\h` is a hexadecimal digit.
 * What has no exact translation is refused by name.
 */
import { space } from "./unicode.ts";

/** A piece of a translated pattern. */
interface Part {
  /** JavaScript, for the flag `v`. */
  readonly js: string;
  /** Whether it always takes exactly one character. */
  readonly one?: boolean;
  /** Whether it repeats something without bound: repeated in turn, it can take exponential time. */
  readonly unbounded?: boolean;
  /** A literal character, for the check of case folding. */
  readonly literal?: string;
  /** The character of which it is one or some: repeated, it is the character repeated. */
  readonly run?: string;
}

/** Flags that hold at a place of the pattern. */
interface Flags {
  /** Case is ignored (`i`). */
  readonly fold: boolean;
  /** `.` takes line ends too (Ruby's `m`). */
  readonly dotAll: boolean;
}

const word = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]";
/** Outside of classes a table for the first 256 characters is asked, and it has more of them. */
const looseWord = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\xb2\\xb3\\xb9\\xbc-\\xbe]";

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

/** Neighbours that fold to one character (ß, ﬀ, ﬁ, ﬂ, ﬆ): JavaScript folds single characters only. */
const foldsTogether = /ss|ff|fi|fl|st/;

/** Properties that hold for a letter and for those that it folds to. */
const caseless = ["White_Space", "Nd", "N", "P", "Z", "Zs", "S", "Cc", "Any"];

/** A group with more repeats than this is spelt out too long to be a pattern of a tokenizer. */
const maxRepeat = 1000;

/** Translates a pattern; it has the flags `g` and `v`. */
export function translate(pattern: string): RegExp {
  return new RegExp(new Translator(pattern).whole(), "gv");
}

/** Where a pattern matches: starts and ends in turns. As Oniguruma finds them: none is empty right after another. */
export function matchesOf(pattern: RegExp, text: string): number[] {
  const found: number[] = [];
  for (let at = 0, last = -1; at <= text.length;) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) break;
    const start = match.index, end = start + match[0].length;
    if (end > start || (end !== last && !isInside(text, end))) {
      found.push(start, end);
      at = last = end;
    } else {
      at = end + 1;
      if (isInside(text, at)) at++;
    }
  }
  return found;
}

/** Whether a place lies inside a character that takes two units. */
function isInside(text: string, at: number): boolean {
  return at > 0 && at < text.length && (text.codePointAt(at - 1) ?? 0) > 0xffff;
}

class Translator {
  #at = 0;
  #atoms = 0;
  #depth = 0;

  constructor(readonly pattern: string) {}

  whole(): string {
    const { js } = this.#alternatives({ fold: false, dotAll: false });
    if (this.#at < this.pattern.length) throw new SyntaxError("unmatched )");
    return js;
  }

  /** Branches up to the end of the group. */
  #alternatives(flags: Flags): Part {
    if (++this.#depth > 100) throw new SyntaxError("groups are nested more than 100 deep");
    const branches = [this.#branch(flags)];
    while (this.#take("|")) branches.push(this.#branch(flags));
    this.#depth--;
    return {
      js: branches.map(({ js }) => js).join("|"),
      one: branches.every(({ one }) => one === true),
      unbounded: branches.some(({ unbounded }) => unbounded === true),
    };
  }

  #branch(flags: Flags): Part {
    const parts: Part[] = [];
    while (this.#at < this.pattern.length && !"|)".includes(this.pattern[this.#at])) {
      const rest = this.#looseFlags(flags);
      // Flags without a group hold to its end, branches and all.
      if (rest) parts.push(grouped(this.#alternatives(rest), flags, rest));
      else parts.push(this.#repeats(this.#atom(flags)));
    }
    if (flags.fold) checkFolding(parts);
    return {
      js: parts.map(({ js }) => js).join(""),
      one: parts.length === 1 && parts[0].one === true,
      unbounded: parts.some(({ unbounded }) => unbounded === true),
    };
  }

  #looseFlags(flags: Flags): Flags | undefined {
    const found = /^\(\?([a-zA-Z]*(?:-[a-zA-Z]*)?)\)/.exec(this.pattern.slice(this.#at));
    if (!found) return undefined;
    this.#at += found[0].length;
    return withFlags(flags, found[1]);
  }

  #atom(flags: Flags): Part {
    const char = this.#character();
    if (char === "(") return this.#group(flags);
    if (char === "[") return this.#foldable(this.#set(), flags);
    if (char === "\\") return this.#escape(flags);
    if (char === ".") return { js: flags.dotAll ? "\\p{Any}" : "[^\\n]", one: true };
    // At the end of the text an empty line has no beginning.
    if (char === "^") return { js: "(?:^|(?<=\\n)(?!$))" };
    if (char === "$") return { js: "(?![^\\n])" };
    if ("*+?".includes(char)) throw new SyntaxError(`nothing to repeat before ${char}`);
    return { js: literal(char), one: true, literal: char };
  }

  #group(flags: Flags): Part {
    const kind = /^\?(?:<?[=!]|[:>#]|<[a-zA-Z_]\w*>|([a-zA-Z]*(?:-[a-zA-Z]*)?):)/.exec(
      this.pattern.slice(this.#at),
    );
    if (!kind) {
      if (this.pattern[this.#at] === "?" || this.pattern[this.#at] === "*") {
        throw new SyntaxError(`the group ${show(this.pattern.slice(this.#at - 1, this.#at + 3))} is unknown`);
      }
      return this.#closed(flags);
    }
    this.#at += kind[0].length;
    if (kind[0] === "?#") {
      const end = this.pattern.indexOf(")", this.#at);
      if (end < 0) throw new SyntaxError("a comment does not end");
      this.#at = end + 1;
      return { js: "" };
    }
    if (kind[0] === "?>") return this.#atomic(this.#closed(flags));
    if (/[=!]$/.test(kind[0])) {
      const inner = this.#closed(flags);
      if (kind[0].startsWith("?<") && inner.js.includes("(?<a")) {
        throw new SyntaxError("an atomic group in a look-behind");
      }
      return { js: `(${kind[0]}${inner.js.slice(3)}` };
    }
    // Names and numbers of groups are for back references only.
    const inside = kind[1] === undefined ? flags : withFlags(flags, kind[1]);
    return inside === flags ? this.#closed(flags) : grouped(this.#body(inside), flags, inside);
  }

  /** What stands before the closing bracket, in brackets of its own. */
  #closed(flags: Flags): Part {
    return grouped(this.#body(flags), flags, flags);
  }

  #body(flags: Flags): Part {
    const inner = this.#alternatives(flags);
    if (!this.#take(")")) throw new SyntaxError("a group does not end");
    return inner;
  }

  /** A look-ahead keeps its first match: this is what atomic means. */
  #atomic({ js, unbounded, one }: Part): Part {
    if (one) return { js, one };
    const name = `a${this.#atoms++}`;
    return { js: `(?:(?=(?<${name}>${js}))\\k<${name}>)`, unbounded };
  }

  #repeats(part: Part): Part {
    let result = part;
    for (let repeat = this.#quantifier(); repeat; repeat = this.#quantifier()) {
      const [least, most, mode] = repeat;
      if (part.js === "") throw new SyntaxError("nothing to repeat");
      result = this.#repeat(result, least, most, mode);
    }
    return result;
  }

  /** Bounds and kind of a quantifier; what is none, such as `{x}`, is text. */
  #quantifier(): [number, number, "greedy" | "lazy" | "possessive"] | undefined {
    const found = /^(?:([?*+])([?+]?)|\{(\d+)\}|\{(\d*),(\d*)\}(\??))/.exec(this.pattern.slice(this.#at));
    if (!found || found[0].startsWith("{,}")) return undefined;
    this.#at += found[0].length;
    const [, sign, mode, exactly, from, to, lazy] = found;
    if (sign) {
      return [
        sign === "+" ? 1 : 0,
        sign === "?" ? 1 : Infinity,
        mode === "+" ? "possessive" : mode === "?" ? "lazy" : "greedy",
      ];
    }
    const least = Number(exactly ?? (from || 0)), most = exactly ? least : to ? Number(to) : Infinity;
    if (least > maxRepeat || (most > maxRepeat && most !== Infinity) || least > most) {
      throw new SyntaxError(`${found[0]}: expected bounds from 0 to ${maxRepeat}, in order`);
    }
    return [least, most, lazy ? "lazy" : "greedy"];
  }

  #repeat(part: Part, least: number, most: number, mode: "greedy" | "lazy" | "possessive"): Part {
    const { js, one } = part, unbounded = most === Infinity;
    if (part.run && unbounded && mode === "greedy" && least < 2) {
      return { js: `${part.run}${"*+"[least]}`, unbounded };
    }
    if (unbounded && part.unbounded) {
      throw new SyntaxError("it repeats a repeat, which can take exponential time");
    }
    const atom = one || isGroup(js) ? js : `(?:${js})`;
    const times = (a: number, b: number) =>
      a === 0 && b === 1 ? "?" : b === Infinity && a < 2 ? "*+"[a] : `{${a},${b === Infinity ? "" : b}}`;
    if (mode === "lazy") return { js: `${atom}${times(least, most)}?`, unbounded };
    const run = one && least === 1 ? js : undefined;
    if (mode === "greedy") return { js: `${atom}${times(least, most)}`, unbounded, run };
    if (!one) return this.#atomic({ js: `${atom}${times(least, most)}`, unbounded });
    // Of one character: all that there are, and none may follow.
    return {
      js: unbounded ? `(?:${atom}${times(least, most)}(?!${atom}))` : `(?:${atom}|(?!${atom}))`,
      unbounded,
    };
  }

  #escape(flags: Flags): Part {
    const char = this.#character();
    switch (char) {
      case "A":
        return { js: "^" };
      case "z":
        return { js: "$" };
      case "Z":
        return { js: "(?=\\n?$)" };
      case "b":
        return { js: `(?:(?<=${looseWord})(?!${looseWord})|(?<!${looseWord})(?=${looseWord}))` };
      case "B":
        return { js: `(?:(?<=${looseWord})(?=${looseWord})|(?<!${looseWord})(?!${looseWord}))` };
      case "R":
        return { js: "(?:\\r\\n|(?!\\r\\n)[\\n-\\r\\x85\\u2028\\u2029])" };
      case "N":
        return { js: "[^\\n]", one: true };
      case "O":
        return { js: "\\p{Any}", one: true };
      case "w":
        return { js: looseWord, one: true };
      case "W":
        return { js: not(looseWord), one: true };
    }
    this.#at -= char.length;
    const member = this.#member();
    if (member.code === undefined) return this.#foldable(member.js, flags);
    const text = String.fromCodePoint(member.code);
    return { js: literal(text), one: true, literal: text };
  }

  /** A class; where case is ignored, only of ASCII: the engines fold others differently. */
  #foldable(js: string, flags: Flags): Part {
    const beyond = Array.from(js.matchAll(/\\[pP]\{([^}]*)\}|\\u\{(\w+)\}/g)).some(([, name, code]) =>
      name === undefined ? parseInt(code, 16) > 0x7f : !caseless.includes(name)
    );
    if (flags.fold && beyond) {
      throw new SyntaxError("a class of letters beyond ASCII where case is ignored");
    }
    return { js, one: true };
  }

  /** A class after its opening bracket. */
  #set(): string {
    if (++this.#depth > 100) throw new SyntaxError("classes are nested more than 100 deep");
    const negated = this.#take("^");
    const operands: string[] = [];
    let members = "";
    if (this.#take("]")) {
      if (!this.pattern.includes("]", this.#at)) throw new SyntaxError("an empty class");
      members = "\\]";
    }
    while (!this.#take("]")) {
      if (this.#at >= this.pattern.length) throw new SyntaxError("a class does not end");
      if (this.#take("&&")) {
        operands.push(`[${members}]`);
        members = "";
      } else {
        members += this.#range();
      }
    }
    this.#depth--;
    operands.push(`[${members}]`);
    return `[${negated ? "^" : ""}${operands.length === 1 ? members : operands.join("&&")}]`;
  }

  /** A member of a class, or a range of them. */
  #range(): string {
    const bracket = /^\[:(\^?)([a-z]+):\]/.exec(this.pattern.slice(this.#at));
    if (bracket) {
      this.#at += bracket[0].length;
      if (!Object.hasOwn(posix, bracket[2])) throw new SyntaxError(`${bracket[0]} is unknown`);
      return bracket[1] ? not(posix[bracket[2]]) : posix[bracket[2]];
    }
    if (this.#take("[")) return this.#set();
    const first = this.#classMember();
    if (first.code === undefined || !/^-[^\]]/.test(this.pattern.slice(this.#at))) return first.js;
    this.#at++;
    if (this.pattern[this.#at] === "[" || this.pattern.startsWith("&&", this.#at)) return `${first.js}\\-`;
    const last = this.#classMember();
    if (last.code === undefined) throw new SyntaxError("a range ends with a class");
    if (last.code < first.code) throw new SyntaxError("a range is empty");
    return `${first.js}-${last.js}`;
  }

  #classMember(): Member {
    const char = this.#character();
    if (char !== "\\") return memberOf(char.codePointAt(0) ?? 0);
    if (this.pattern[this.#at] === "b") {
      this.#at++;
      return memberOf(8);
    }
    return this.#member();
  }

  /** What an escape means, in a class and outside. */
  #member(): Member {
    const rest = this.pattern.slice(this.#at), char = this.#character();
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
      this.#at += property[0].length - 1;
      const set = propertyOf(property[3]);
      return { js: (property[1] === "P") !== (property[2] === "^") ? not(set) : set };
    }
    const code =
      /^(?:x\{([0-9a-fA-F]{1,8})\}|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|(0[0-7]{0,2}|[1-3][0-7]{2}))/
        .exec(rest);
    if (code) {
      this.#at += code[0].length - 1;
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

  #take(text: string): boolean {
    if (!this.pattern.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #character(): string {
    const code = this.pattern.codePointAt(this.#at);
    if (code === undefined) throw new SyntaxError("it ends too early");
    const char = String.fromCodePoint(code);
    this.#at += char.length;
    return char;
  }
}

/** A member of a class: a set, or one character. */
interface Member {
  readonly js: string;
  readonly code?: number;
}

function memberOf(code: number): Member {
  return { js: literal(String.fromCodePoint(code)), code };
}

/** A character as itself. */
function literal(char: string): string {
  return /^[A-Za-z0-9 ]$/.test(char) ? char : `\\u{${char.codePointAt(0)?.toString(16)}}`;
}

function not(set: string): string {
  if (/^\\p\{/.test(set)) return `\\P${set.slice(2)}`;
  return `[^${set}]`;
}

/** Whether brackets hold the whole of it already. */
function isGroup(js: string): boolean {
  return /^\((?:\?:|\?<a)[^()]*\)$/.test(js);
}

/** A group in which other flags may hold. */
function grouped(inner: Part, outside: Flags, inside: Flags): Part {
  const change = inside.fold === outside.fold ? "" : inside.fold ? "i" : "-i";
  return { one: inner.one, unbounded: inner.unbounded, js: `(?${change}:${inner.js})` };
}

function withFlags(flags: Flags, change: string): Flags {
  const [on, off = ""] = change.split("-");
  for (const flag of on + off) {
    if (!"im".includes(flag)) throw new SyntaxError(`the flag ${flag} is unknown here`);
  }
  return {
    fold: off.includes("i") ? false : on.includes("i") || flags.fold,
    dotAll: off.includes("m") ? false : on.includes("m") || flags.dotAll,
  };
}

function checkFolding(parts: readonly Part[]): void {
  const text = parts.map(({ literal = "\n" }) => literal).join("");
  // deno-lint-ignore no-control-regex
  if (foldsTogether.test(text.toLowerCase()) || /[^\x00-\x7f]/.test(text)) {
    throw new SyntaxError(`${show(text)} where case is ignored`);
  }
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
