/** SentencePiece's way to normalize: replacements, blanks, and the blank before the text (its normalizer.cc). */
import type { Charsmap } from "../charsmap.ts";
import { TokenizerError } from "../error.ts";
import { beginningsOf } from "../models/model.ts";
import type { NormalizerSpec } from "./pieces.ts";

const utf8 = new TextEncoder(), decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Finds the longest of some texts at a place. */
export class Prefixes {
  readonly #beginnings: ReadonlyMap<string, number>;

  constructor(texts: Iterable<string>) {
    this.#beginnings = beginningsOf(new Map(Array.from(texts, (text, i) => [text, i])));
  }

  /** Length of the longest; 0 where there is none. */
  lengthAt(text: string, at: number): number {
    if (this.#beginnings.size === 0) return 0;
    let length = 0;
    for (let end = at + 1; end <= text.length; end++) {
      const found = this.#beginnings.get(text.slice(at, end));
      if (found === undefined) break;
      if (found >= 0) length = end - at;
    }
    return length;
  }
}

/** The parts of a text one after the other, each with what it becomes: a character, a replacement, a user's symbol. */
function* replaced(text: string, charsmap: Charsmap | undefined, symbols: Prefixes): Generator<string> {
  const bytes = charsmap ? utf8.encode(text) : undefined;
  for (let at = 0, byte = 0; at < text.length;) {
    let length = symbols.lengthAt(text, at), becomes: string | undefined;
    const found = length > 0 || !bytes ? undefined : charsmap?.match(bytes, byte, "longest");
    if (found && bytes) {
      const taken = decoder.decode(bytes.subarray(byte, byte + found.length));
      if (!text.startsWith(taken, at)) {
        throw new TokenizerError("format", "the table of replacements cuts characters");
      }
      length = taken.length;
      becomes = found.text;
    } else if (length === 0) {
      length = (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
    }
    const taken = text.slice(at, at + length);
    yield becomes ?? taken;
    at += length;
    if (bytes) byte += utf8.encode(taken).length;
  }
}

/** A text as a specification makes it. */
export function normalized(text: string, spec: NormalizerSpec, symbols: Prefixes): string {
  const { removeBlanks, addBlank, blankLast, charsmap } = spec;
  const mark = spec.markBlanks ? "▁" : " ";
  let result = "", started = false, isAfterBlank = removeBlanks;
  for (const part of replaced(text, charsmap, symbols)) {
    if (!started) {
      if (removeBlanks && part === " ") continue;
      started = true;
      if (addBlank && !blankLast) result = mark;
    }
    const kept = isAfterBlank ? part.replace(/^ +/, "") : part;
    result += kept.replaceAll(" ", mark);
    if (kept !== "") isAfterBlank = removeBlanks && kept.endsWith(" ");
  }
  if (!started) return "";
  if (removeBlanks) { while (result.endsWith(mark)) result = result.slice(0, -mark.length); }
  return addBlank && blankLast ? result + mark : result;
}
