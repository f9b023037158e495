/**
 * ROUGE of one text against one reference, as the `rouge-score` package computes it without stemming: `rougeL` is the
 * variant over sentences (`rougeLsum`), as the TruthfulQA task uses it.
 *
 * Source: C.-Y. Lin, "ROUGE: a package for automatic evaluation of summaries" (2004).
 */

/** F-measure, 0 to 100. */
export function rouge(kind: "rouge1" | "rouge2" | "rougeL", hypothesis: string, reference: string): number {
  if (kind === "rougeL") return 100 * longestCommon(sentencesOf(hypothesis), sentencesOf(reference));
  const n = kind === "rouge1" ? 1 : 2;
  const ours = ngrams(tokenize(hypothesis), n), theirs = ngrams(tokenize(reference), n);
  let matches = 0;
  for (const [gram, count] of ours) matches += Math.min(count, theirs.get(gram) ?? 0);
  return 100 * fMeasure(matches, sum(ours), sum(theirs));
}

function sentencesOf(text: string): string[][] {
  return text.replaceAll(" . ", ".\n").split("\n").map(tokenize);
}

/** Lower case; runs of letters a to z and digits. */
function tokenize(text: string): string[] {
  return text.toLowerCase().split(/[^a-z0-9]+/).filter((word) => word !== "");
}

function ngrams(words: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= words.length; i++) count(counts, words.slice(i, i + n).join(" "), 1);
  return counts;
}

/** For each sentence of the reference the words that it has in common, in order, with any sentence of the other text. */
function longestCommon(hypothesis: readonly string[][], reference: readonly string[][]): number {
  const left = ngrams(hypothesis.flat(), 1), right = ngrams(reference.flat(), 1);
  const lengths = [sum(left), sum(right)];
  let hits = 0;
  for (const sentence of reference) {
    const union = new Set(hypothesis.flatMap((other) => commonPositions(sentence, other)));
    for (const position of [...union].sort((a, b) => a - b)) {
      const word = sentence[position];
      if ((left.get(word) ?? 0) < 1 || (right.get(word) ?? 0) < 1) continue;
      hits++;
      count(left, word, -1);
      count(right, word, -1);
    }
  }
  return fMeasure(hits, lengths[0], lengths[1]);
}

/** Positions in `words` of one longest common subsequence with `others`. */
function commonPositions(words: readonly string[], others: readonly string[]): number[] {
  const table = Array.from({ length: words.length + 1 }, () => new Uint32Array(others.length + 1));
  for (let i = 1; i <= words.length; i++) {
    for (let j = 1; j <= others.length; j++) {
      table[i][j] = words[i - 1] === others[j - 1]
        ? table[i - 1][j - 1] + 1
        : Math.max(table[i - 1][j], table[i][j - 1]);
    }
  }
  const positions: number[] = [];
  for (let i = words.length, j = others.length; i > 0 && j > 0;) {
    if (words[i - 1] === others[j - 1]) {
      positions.push(--i);
      j--;
    } else if (table[i][j - 1] > table[i - 1][j]) j--;
    else i--;
  }
  return positions;
}

function count(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

function sum(counts: ReadonlyMap<string, number>): number {
  return counts.values().reduce((total, one) => total + one, 0);
}

function fMeasure(matches: number, ours: number, theirs: number): number {
  if (matches === 0) return 0;
  const precision = matches / ours, recall = matches / theirs;
  return 2 * precision * recall / (precision + recall);
}
