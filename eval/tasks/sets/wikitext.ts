/** WikiText-2 by documents: perplexity per word and per byte of the page as it was published (Merity et al. 2017). */
import type { RollingTask } from "../task.ts";
import { splitWords } from "../text.ts";

/** Reads `page`. The model reads the page without the marks of its tokenization; words and bytes are counted with them. */
export const wikitext: RollingTask = {
  kind: "rolling",
  name: "wikitext",
  base: "wikitext",
  hub: { name: "EleutherAI/wikitext_document_level", config: "wikitext-2-raw-v1", split: "test" },
  shots: { count: 0, draw: "never", split: "" },
  example: (row) => {
    const page = row.text("page");
    const bytes = new TextEncoder().encode(page).length;
    return { text: detokenize(page), words: splitWords(page).length, bytes };
  },
};

const rules: readonly (readonly [string | RegExp, string])[] = [
  ["s '", "s'"],
  // As published, slashes included: a slip of the original that hardly ever matches.
  [/\/' [0-9]\//gu, "/'[0-9]/"],
  [" @-@ ", "-"],
  [" @,@ ", ","],
  [" @.@ ", "."],
  [" : ", ": "],
  [" ; ", "; "],
  [" . ", ". "],
  [" ! ", "! "],
  [" ? ", "? "],
  [" , ", ", "],
  [/\(\s*([^)]*?)\s*\)/gu, "($1)"],
  [/\[\s*([^\]]*?)\s*\]/gu, "[$1]"],
  [/\{\s*([^}]*?)\s*\}/gu, "{$1}"],
  [/"\s*([^"]*?)\s*"/gu, '"$1"'],
  [/'\s*([^']*?)\s*'/gu, "'$1'"],
  ["= = = =", "===="],
  ["= = =", "==="],
  ["= =", "=="],
  [` ${String.fromCharCode(176)} `, String.fromCharCode(176)],
  [" \n", "\n"],
  ["\n ", "\n"],
  [" N ", " 1 "],
  [" 's", "'s"],
];

/** The page as a person would write it. */
export function detokenize(page: string): string {
  return rules.reduce((text, [from, to]) => text.replaceAll(from, to), page);
}

/** The pages of the raw file, without their last line feed: each begins with a level-1 heading, such as ` = Title = `. */
export function wikitextPages(raw: string): { page: string; line: number }[] {
  const pages: { lines: string[]; line: number }[] = [];
  for (const [i, line] of raw.split("\n").entries()) {
    const heading = line.replaceAll("= = =", "===").replaceAll("= =", "==").trim();
    const starts = pages.length === 0 || (heading.startsWith("= ") && heading.endsWith(" ="));
    if (starts) pages.push({ lines: [line], line: i + 1 });
    else pages[pages.length - 1].lines.push(line);
  }
  return pages.map(({ lines, line }) => ({ page: lines.join("\n"), line })).filter(({ page }) =>
    page.trim() !== ""
  );
}
