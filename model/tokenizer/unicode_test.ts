/** Sets of characters and patterns are those of tokenizers 0.23.3, which was asked about every code point and many patterns. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { matchesOf, translate } from "./pattern.ts";
import {
  control,
  lowercase,
  marks,
  nonspacing,
  normalForm,
  numeric,
  punctuation,
  rustWord,
  space,
} from "./unicode.ts";

const read = (name: string) => Deno.readTextFile(`fixtures/differential/${name}`);
const { sets, changed }: Record<string, Record<string, string>> = JSON.parse(await read("unicode.json"));
const { texts, cases }: { texts: string[]; cases: [pattern: string, pieces: string[][] | string][] } = JSON
  .parse(
    await read("patterns.json"),
  );

/** All characters in their order, below and above the surrogates, which are none. */
const all = [[0, 0xd7ff], [0xe000, 0x10ffff]].map(([from, to]) =>
  Array.from({ length: to - from + 1 }, (_, i) => String.fromCodePoint(from + i)).join("")
);

/** The characters that a pattern matches, as ranges of code points. */
function ranges(pattern: string): string {
  const runs = all.flatMap((part) =>
    Array.from(part.matchAll(new RegExp(`(?:${pattern})+`, "gv")), ([run]) => run)
  );
  return runs.map((run) => {
    const first = run.codePointAt(0) ?? 0, low = run.at(-1)?.charCodeAt(0) ?? 0;
    const last = (low >= 0xdc00 && low <= 0xdfff ? run.slice(-2) : run.slice(-1)).codePointAt(0) ?? 0;
    return first === last ? first.toString(16) : `${first.toString(16)}-${last.toString(16)}`;
  }).join(" ");
}

/** The assigned characters that a function changes, as a pattern of them. */
function changedBy(map: (char: string) => string): string {
  const found = all.flatMap((part) => part.match(/\p{Assigned}/gv) ?? []).filter((char) =>
    map(char) !== char
  );
  return `[${found.map((char) => `\\u{${char.codePointAt(0)?.toString(16)}}`).join("")}]`;
}

const own: Readonly<Record<string, string>> = {
  space,
  numeric,
  punctuation,
  rustWord,
  control,
  nonspacing,
  marks,
};

Deno.test("sets of characters", () => {
  for (const [name, expected] of Object.entries(sets)) {
    const pattern = Object.hasOwn(own, name) ? new RegExp(own[name], "v") : translate(name);
    // BERT's clean text leaves out two characters more.
    const more = name === "control" ? "|[\\0\\ufffd]" : "";
    assertEquals(ranges(pattern.source + more), expected, name);
  }
});

Deno.test("normal forms and small letters change the same characters", () => {
  for (const form of ["NFC", "NFD", "NFKC", "NFKD"] as const) {
    assertEquals(ranges(changedBy((char) => normalForm(char, form))), changed[form], form);
  }
  // The library knows capitals of Unicode 17, which an older engine takes for unassigned.
  const later = "[\\u{a7ce}\\u{a7d2}\\u{a7d4}\\u{16ea0}-\\u{16eb8}]";
  assertEquals(ranges(`${changedBy(lowercase)}|${later}`), changed.lowercase);
  assertEquals(lowercase("\ua7ce\u{16ea0}"), "\ua7cf\u{16ebb}");
  // A final sigma is one in context only; unknown marks keep their order.
  assertEquals(lowercase("ΑΣ İ"), "ασ i̇");
  assertEquals(normalForm("e\u0301 a\u{105d2}\u0307", "NFC"), "é a\u{105d2}\u0307");
});

function pieces(pattern: RegExp, text: string): string[] {
  const found = matchesOf(pattern, text), parts: string[] = [];
  let from = 0;
  for (let i = 0; i < found.length; i += 2) {
    parts.push(text.slice(from, found[i]), text.slice(found[i], found[i + 1]));
    from = found[i + 1];
  }
  return [...parts, text.slice(from)].filter((part) => part !== "");
}

Deno.test("patterns split texts as Oniguruma does, or are refused", () => {
  const refused: string[] = [];
  for (const [source, expected] of cases) {
    let pattern: RegExp;
    try {
      pattern = translate(source);
    } catch (error) {
      assert(error instanceof SyntaxError);
      if (typeof expected !== "string") refused.push(source);
      continue;
    }
    // What it refuses and we do not has no pieces to compare.
    if (typeof expected !== "string") {
      assertEquals(texts.map((text) => pieces(pattern, text)), expected, source);
    }
  }
  const known = [
    ...["\\p{letter}+", "\\X", "\\K", "(?i:st)", "(a+)+", "(?~a)", "a{3,2}", "\\y", "(?i:é)"],
    ...["(a)?\\1b", "(a)|\\1b", "((a)|b)\\2", "(?i:(a)\\1)", "(?<=(a)\\1)b"],
  ];
  assertEquals(refused, known);
});

Deno.test("what is refused is named", () => {
  const patterns = [["(?<n", "group"], ["[z-a]", "range"], ["\\g<n>", "\\g"], ["(?W)a", "flag W"], [
    "a{2001}",
    "1000",
  ]] as const;
  for (const [pattern, reason] of patterns) assertThrows(() => translate(pattern), SyntaxError, reason);
});
