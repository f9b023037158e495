/** Pre-tokenizers of a `tokenizer.json`: a text in pieces, each of which the model takes alone. */
import { byteLetters } from "../bytes.ts";
import type { Fields } from "../fields.ts";
import { matchesOf } from "../pattern.ts";
import { numeric, punctuation, rustWord, space } from "../unicode.ts";
import { mapped, type Piece, prepend, type Rewrite } from "./normalizers.ts";
import { patternOf } from "./patterns.ts";

/** A step that parts pieces; none of the parts is empty. */
export type Part = (piece: Piece) => Piece[];

/** Steps of a pre-tokenizer, and what is done to each piece at last, whatever is around it. */
export interface PreTokenizer {
  readonly steps: readonly Part[];
  /** Part of the last step that depends on a piece alone. */
  readonly last?: (text: string) => string;
}

/** What becomes of a delimiter. */
const behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"] as const;
type Behavior = typeof behaviors[number];

/** GPT-2's pattern. */
const words =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gv;

/** The pre-tokenizer that `fields` describe. */
export function preTokenizerOf(fields: Fields): PreTokenizer {
  const made = build(fields);
  fields.finish("trim_offsets");
  return made;
}

function build(fields: Fields): PreTokenizer {
  const type = fields.text("type");
  switch (type) {
    case "Sequence":
      return joined(fields.objects("pretokenizers").map(preTokenizerOf));
    case "ByteLevel":
      return byteLevel(fields);
    case "Metaspace":
      return metaspace(fields);
    case "Split":
      return one(split(patternOf(fields), fields.choice("behavior", behaviors), fields.flag("invert")));
    case "Digits":
      return one(split(charactersOf(numeric), fields.flag("individual_digits") ? "Isolated" : "Contiguous"));
    case "Punctuation":
      return one(split(charactersOf(punctuation), fields.choice("behavior", behaviors, "Isolated")));
    case "BertPreTokenizer":
      return {
        steps: [split(charactersOf(space), "Removed"), split(charactersOf(punctuation), "Isolated")],
      };
    case "Whitespace":
      return one(split(new RegExp(`${rustWord}+|[^${rustWord}${space}]+`, "gv"), "Removed", true));
    case "WhitespaceSplit":
      return one(split(charactersOf(space), "Removed"));
    case "CharDelimiterSplit":
      return one(split(charactersOf(classOf(fields.character("delimiter"))), "Removed"));
    case "FixedLength":
      return one(fixedLength(fields.count("length", 5) || fields.fail("length", "1 or more")));
    case "UnicodeScripts":
      return fields.refuse("type", "the scripts are those of another version of Unicode");
  }
  return fields.refuse(
    "type",
    "expected BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, FixedLength, Metaspace, Punctuation, Sequence, " +
      "Split, Whitespace or WhitespaceSplit",
  );
}

function one(step: Part): PreTokenizer {
  return { steps: [step] };
}

/** What is done to each piece at last is a step of its own unless nothing follows. */
function joined(parts: readonly PreTokenizer[]): PreTokenizer {
  const end = parts.at(-1);
  const steps = parts.flatMap(({ steps, last }, i) =>
    last && i < parts.length - 1 ? [...steps, rewritten(mapped(last))] : steps
  );
  return { steps, last: end?.last };
}

function rewritten(rewrite: Rewrite): Part {
  return (piece) => [rewrite(piece)];
}

function byteLevel(fields: Fields): PreTokenizer {
  const steps: Part[] = [], prefix = prepend(" ");
  if (fields.flag("add_prefix_space")) {
    steps.push((piece) => [piece.text.startsWith(" ") ? piece : prefix(piece)]);
  }
  if (fields.flag("use_regex", true)) steps.push(split(words, "Isolated"));
  fields.flag("trim_offsets");
  return { steps, last: byteLetters };
}

function metaspace(fields: Fields): PreTokenizer {
  const mark = fields.character("replacement"), scheme = schemeOf(fields);
  const blanks = mapped((text) => text.replaceAll(" ", mark)), prefix = prepend(mark);
  const begin: Part = (piece) => {
    const marked = blanks(piece);
    const wanted = scheme === "always" || (scheme === "first" && marked.first > 0);
    return [wanted && !marked.text.startsWith(mark) ? prefix(marked) : marked];
  };
  const steps = [begin];
  if (fields.flag("split", true)) steps.push(split(charactersOf(classOf(mark)), "MergedWithNext"));
  fields.value("str_rep");
  return { steps };
}

/** Where Metaspace puts a mark in front; old files say it with a flag, which must not contradict. */
export function schemeOf(fields: Fields): "always" | "first" | "never" {
  const scheme = fields.choice("prepend_scheme", ["first", "never", "always"], "always");
  if (fields.value("add_prefix_space") === undefined || fields.flag("add_prefix_space")) return scheme;
  if (scheme !== "never") fields.fail("add_prefix_space", 'true, or prepend_scheme "never"');
  return scheme;
}

function classOf(char: string): string {
  return `\\u{${char.codePointAt(0)?.toString(16)}}`;
}

/** Matches each character of a set alone. */
function charactersOf(set: string): RegExp {
  return new RegExp(set, "gv");
}

function fixedLength(length: number): Part {
  return (piece) => {
    const starts: number[] = [];
    let at = 0, count = 0;
    for (const char of piece.text) {
      if (count++ % length === 0) starts.push(at);
      at += char.length;
    }
    return cut(piece, starts);
  };
}

/** The parts of a piece from each start to the next. */
function cut({ text, first }: Piece, starts: readonly number[]): Piece[] {
  return starts.map((start, i) => part(text, first, start, starts[i + 1] ?? text.length));
}

function part(text: string, first: number, start: number, end: number): Piece {
  return { text: text.slice(start, end), first: first > start ? Math.min(first, end) - start : 0 };
}

/** Splits at matches, or with `invert` at what is between them. */
export function split(pattern: RegExp, behavior: Behavior, invert = false): Part {
  return ({ text, first }) => {
    if (text === "") return [];
    const spans = spansOf(pattern, text);
    const isMatch = (i: number) => (spans[i + 2] === 1) !== invert;
    const parts: Piece[] = [];
    const add = (start: number, end: number) => {
      if (end > start) parts.push(part(text, first, start, end));
    };
    const count = spans.length;
    if (behavior === "Removed" || behavior === "Isolated") {
      for (let i = 0; i < count; i += 3) {
        if (behavior === "Isolated" || !isMatch(i)) add(spans[i], spans[i + 1]);
      }
    } else if (behavior === "Contiguous") {
      for (let i = 0, j = 0; i < count; i = j) {
        for (j = i + 3; j < count && isMatch(j) === isMatch(i);) j += 3;
        add(spans[i], spans[j - 2]);
      }
    } else {
      // A delimiter joins its neighbour unless that is a delimiter itself.
      const ends: number[] = [];
      for (let i = 0; i < count; i += 3) {
        const joins = behavior === "MergedWithPrevious"
          ? i + 3 < count && isMatch(i + 3) && !isMatch(i)
          : i + 3 < count && isMatch(i) && !isMatch(i + 3);
        if (!joins) ends.push(spans[i + 1]);
      }
      let start = 0;
      for (const end of ends) {
        add(start, end);
        start = end;
      }
    }
    return parts;
  };
}

/** The whole text as spans: start, end, and 1 where it is a match. */
function spansOf(pattern: RegExp, text: string): number[] {
  const found = matchesOf(pattern, text);
  const spans: number[] = [];
  let from = 0;
  for (let i = 0; i < found.length; i += 2) {
    if (from < found[i]) spans.push(from, found[i], 0);
    spans.push(found[i], found[i + 1], 1);
    from = found[i + 1];
  }
  if (from < text.length) spans.push(from, text.length, 0);
  return spans;
}
