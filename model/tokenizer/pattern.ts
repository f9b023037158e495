/**
 * Patterns of a `tokenizer.json` as JavaScript's. They are written in Oniguruma's Ruby syntax
 * (https://github.com/kkos/oniguruma/blob/master/doc/RE), which differs in more than spelling: `^` and `$` are ends of
 * lines, `++` is possessive but `{1,3}+` is a repeat of a repeat, classes nest and intersect, `\h` is a hexadecimal digit.
 * What has no exact translation is refused by name.
 */
import { show } from "../../base/show.ts";
import { Cursor } from "./pattern/cursor.ts";
import { literal, not, readMember, readSet } from "./pattern/sets.ts";

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
  /** Number of the group that it is, if back references may mean it. */
  readonly group?: number;
  /** Whether it may be left out. */
  readonly optional?: boolean;
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

/** Outside of classes a table for the first 256 characters is asked, and it has more of them. */
const looseWord = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\xb2\\xb3\\xb9\\xbc-\\xbe]";

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

/**
 * Where a pattern matches: starts and ends in turns. As Oniguruma finds them, none is empty right after another; and as the library
 * asks for them, there is none in an empty text.
 */
export function matchesOf(pattern: RegExp, text: string): number[] {
  if (text === "") return [];
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
  #atoms = 0;
  #groups = 0;
  #depth = 0;
  /** Groups that have matched wherever this place of the pattern is reached. */
  #sure: ReadonlySet<number> = new Set();
  readonly #cursor: Cursor;

  constructor(pattern: string) {
    this.#cursor = new Cursor(pattern);
  }

  whole(): string {
    const { js } = this.#alternatives({ fold: false, dotAll: false });
    if (this.#cursor.at < this.#cursor.pattern.length) throw new SyntaxError("unmatched )");
    return js;
  }

  /** Branches up to the end of the group. */
  #alternatives(flags: Flags): Part {
    if (++this.#depth > 100) throw new SyntaxError("groups are nested more than 100 deep");
    const branches = [this.#branch(flags)];
    while (this.#cursor.take("|")) branches.push(this.#branch(flags));
    this.#depth--;
    return {
      js: branches.map(({ js }) => js).join("|"),
      one: branches.every(({ one }) => one === true),
      unbounded: branches.some(({ unbounded }) => unbounded === true),
    };
  }

  #branch(flags: Flags): Part {
    const parts: Part[] = [], before = this.#sure;
    while (
      this.#cursor.at < this.#cursor.pattern.length && !"|)".includes(this.#cursor.pattern[this.#cursor.at])
    ) {
      const rest = this.#looseFlags(flags);
      // Flags without a group hold to its end, branches and all.
      if (rest) {
        parts.push(grouped(this.#alternatives(rest), flags, rest));
        continue;
      }
      const part = this.#repeats(this.#atom(flags));
      parts.push(part);
      if (part.group !== undefined && !part.optional) this.#sure = new Set([...this.#sure, part.group]);
    }
    this.#sure = before;
    if (flags.fold) checkFolding(parts);
    return {
      js: parts.map(({ js }) => js).join(""),
      one: parts.length === 1 && parts[0].one === true,
      unbounded: parts.some(({ unbounded }) => unbounded === true),
    };
  }

  #looseFlags(flags: Flags): Flags | undefined {
    const found = /^\(\?([a-zA-Z]*(?:-[a-zA-Z]*)?)\)/.exec(this.#cursor.rest);
    if (!found) return undefined;
    this.#cursor.at += found[0].length;
    return withFlags(flags, found[1]);
  }

  #atom(flags: Flags): Part {
    const char = this.#cursor.character();
    if (char === "(") return this.#group(flags);
    if (char === "[") return this.#foldable(readSet(this.#cursor), flags);
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
      this.#cursor.rest,
    );
    if (!kind) {
      if (this.#cursor.pattern[this.#cursor.at] === "?" || this.#cursor.pattern[this.#cursor.at] === "*") {
        throw new SyntaxError(
          `the group ${
            show(this.#cursor.pattern.slice(this.#cursor.at - 1, this.#cursor.at + 3))
          } is unknown`,
        );
      }
      return this.#numbered(flags);
    }
    this.#cursor.at += kind[0].length;
    if (kind[0] === "?#") {
      const end = this.#cursor.pattern.indexOf(")", this.#cursor.at);
      if (end < 0) throw new SyntaxError("a comment does not end");
      this.#cursor.at = end + 1;
      return { js: "" };
    }
    if (kind[0] === "?>") return this.#atomic(this.#closed(flags));
    if (/[=!]$/.test(kind[0])) {
      const inner = this.#closed(flags);
      // It is read from its end: what is remembered comes after what asks for it.
      if (kind[0].startsWith("?<") && inner.js.includes("\\k<")) {
        throw new SyntaxError("an atomic group or a back reference in a look-behind");
      }
      return { js: `(${kind[0]}${inner.js.slice(3)}` };
    }
    // Names of groups are for back references only.
    const inside = kind[1] === undefined ? flags : withFlags(flags, kind[1]);
    return inside === flags ? this.#closed(flags) : grouped(this.#body(inside), flags, inside);
  }

  /** What stands before the closing bracket, in brackets of its own. */
  #closed(flags: Flags): Part {
    return grouped(this.#body(flags), flags, flags);
  }

  /** A group that a back reference may mean. */
  #numbered(flags: Flags): Part {
    const group = ++this.#groups, inner = this.#closed(flags);
    if (!/\\[1-9]/.test(this.#cursor.pattern)) return inner;
    if (/\(\?<[a-zA-Z_]/.test(this.#cursor.pattern)) {
      throw new SyntaxError("back references beside names of groups");
    }
    return { ...inner, js: `(?<g${group}>${inner.js})`, group };
  }

  #body(flags: Flags): Part {
    const inner = this.#alternatives(flags);
    if (!this.#cursor.take(")")) throw new SyntaxError("a group does not end");
    return inner;
  }

  /** A look-ahead keeps its first match: this is what atomic means. */
  #atomic({ js, unbounded, one }: Part): Part {
    if (one) return { js, one };
    const name = `a${this.#atoms++}`;
    return { js: `(?:(?=(?<${name}>${js}))\\k<${name}>)`, unbounded };
  }

  #repeats(part: Part): Part {
    let result = part, optional = false;
    for (let repeat = this.#quantifier(); repeat; repeat = this.#quantifier()) {
      const [least, most, mode] = repeat;
      if (part.js === "") throw new SyntaxError("nothing to repeat");
      result = this.#repeat(result, least, most, mode);
      optional ||= least === 0;
    }
    return { ...result, group: part.group, optional };
  }

  /** Bounds and kind of a quantifier; what is none, such as `{x}`, is text. */
  #quantifier(): [number, number, "greedy" | "lazy" | "possessive"] | undefined {
    const found = /^(?:([?*+])([?+]?)|\{(\d+)\}|\{(\d*),(\d*)\}(\??))/.exec(this.#cursor.rest);
    if (!found || found[0].startsWith("{,}")) return undefined;
    this.#cursor.at += found[0].length;
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
    const char = this.#cursor.character();
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
    if (/[1-9]/.test(char) && !/^[0-9]/.test(this.#cursor.rest)) return this.#reference(Number(char), flags);
    this.#cursor.at -= char.length;
    const member = readMember(this.#cursor);
    if (member.code === undefined) return this.#foldable(member.js, flags);
    const text = String.fromCodePoint(member.code);
    return { js: literal(text), one: true, literal: text };
  }

  /** What a group matched. Where it did not, the engines disagree; where case is ignored, so do they. */
  #reference(group: number, flags: Flags): Part {
    if (flags.fold) throw new SyntaxError(`\\${group} where case is ignored`);
    if (!this.#sure.has(group)) throw new SyntaxError(`\\${group} where its group may not have matched`);
    return { js: `\\k<g${group}>` };
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
