/** Normalizers of a `tokenizer.json`: text to text, before it is split. */
import { charsmapOf } from "../charsmap.ts";
import type { Fields } from "../fields.ts";
import { byteLetters } from "../bytes.ts";
import { matchesOf } from "../pattern.ts";
import { control, lowercase, marks, nonspacing, normalForm, space } from "../unicode.ts";
import { patternOf } from "./patterns.ts";

/** A text on its way, and how many of its first units come from the very first character of what is encoded. */
export interface Piece {
  readonly text: string;
  /** Metaspace marks the beginning of a text where this is more than 0 (`prepend_scheme: "first"`). */
  readonly first: number;
}

/** A step that rewrites a piece. */
export type Rewrite = (piece: Piece) => Piece;

/** The normalizer that `fields` describe. */
export function normalizerOf(fields: Fields): Rewrite {
  const rewrite = build(fields);
  fields.finish();
  return rewrite;
}

function build(fields: Fields): Rewrite {
  const type = fields.text("type");
  switch (type) {
    case "Sequence": {
      const all = fields.objects("normalizers").map(normalizerOf);
      return (piece) => all.reduce((result, one) => one(result), piece);
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return mapped((text) => normalForm(text, type));
    case "Lowercase":
      return mapped(lowercase);
    case "StripAccents":
      return removed(marks);
    case "Strip":
      return strip(fields.flag("strip_left"), fields.flag("strip_right"));
    case "Replace":
      return replace(patternOf(fields), fields.text("content"));
    case "Prepend":
      return prepend(
        fields.text("prepend") || fields.refuse("prepend", "the library fails without a character"),
      );
    case "Nmt":
      return nmt;
    case "Precompiled":
      return mapped(charsmapOf(fields, "precompiled_charsmap").byGraphemes);
    case "ByteLevel":
      return mapped(byteLetters);
    case "Bert":
    case "BertNormalizer":
      return bert(fields);
  }
  return fields.refuse(
    "type",
    "expected BertNormalizer, ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled, Prepend, Replace, " +
      "Sequence, Strip or StripAccents",
  );
}

/** A function of the text that makes of each beginning a beginning. */
export function mapped(map: (text: string) => string): Rewrite {
  return ({ text, first }) => ({
    text: map(text),
    first: first === 0 ? 0 : map(text.slice(0, first)).length,
  });
}

/** Puts a text before a piece that is not empty. */
export function prepend(start: string): Rewrite {
  return (piece) =>
    piece.text === ""
      ? piece
      : { text: start + piece.text, first: piece.first === 0 ? 0 : piece.first + start.length };
}

function removed(set: string): Rewrite {
  const pattern = new RegExp(set, "gv");
  return mapped((text) => text.replace(pattern, ""));
}

function strip(left: boolean, right: boolean): Rewrite {
  const before = new RegExp(`^${space}+`, "v"), after = new RegExp(`${space}+$`, "v");
  return ({ text, first }) => {
    const kept = left ? text.replace(before, "") : text;
    return {
      text: right ? kept.replace(after, "") : kept,
      first: Math.max(0, first - (text.length - kept.length)),
    };
  };
}

/** What replaces a match belongs to its last character. */
function replace(pattern: RegExp, content: string): Rewrite {
  return ({ text, first }) => {
    let result = "", start = 0, from = 0;
    const found = matchesOf(pattern, text);
    for (let i = 0; i < found.length; i += 2) {
      const begin = found[i], end = found[i + 1];
      if (from <= first && first < begin) start = result.length + first - from;
      result += text.slice(from, begin);
      if (begin <= first) start = result.length + (end <= first ? content.length : 0);
      result += content;
      from = end;
    }
    if (from <= first) start = result.length + first - from;
    return { text: result + text.slice(from), first: first === 0 ? 0 : start };
  };
}

// deno-lint-ignore no-control-regex
const nmtGone = /[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]/gu;
const nmtBlank = /[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/gu;
const nmt = mapped((text) => text.replace(nmtGone, "").replace(nmtBlank, " "));

/** Of the blocks that BERT's code lists. */
const ideographs =
  "[\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\u{20000}-\\u{2a6df}\\u{2a700}-\\u{2b81f}" +
  "\\u{2b920}-\\u{2ceaf}\\u{2f800}-\\u{2fa1f}]";

function bert(fields: Fields): Rewrite {
  const clean = fields.flag("clean_text"), chinese = fields.flag("handle_chinese_chars");
  const lower = fields.flag("lowercase"), accents = fields.flag("strip_accents", lower);
  const gone = new RegExp(`[\\0\\ufffd${control}]`, "gv"), blank = new RegExp(space, "gv");
  const ideograph = new RegExp(ideographs, "gv");
  const accent = new RegExp(nonspacing, "gv");
  return mapped((text) => {
    let result = text;
    if (clean) result = result.replace(gone, "").replace(blank, " ");
    if (chinese) result = result.replace(ideograph, " $& ");
    if (accents) result = normalForm(result, "NFD").replace(accent, "");
    return lower ? lowercase(result) : result;
  });
}
