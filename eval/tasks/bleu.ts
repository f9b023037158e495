/**
 * BLEU of one sentence against one reference, as sacrebleu computes it with `tokenize intl` and exponential smoothing:
 * no npm package has both.
 *
 * Source: Papineni et al., "BLEU" (2002); M. Post, "A call for clarity in reporting BLEU scores" (2018).
 */

const order = 4;

/** 0 to 100: geometric mean of the n-gram precisions up to four, times the brevity penalty. */
export function bleu(hypothesis: string, reference: string): number {
  const words = tokenize(hypothesis), expected = tokenize(reference);
  let logs = 0, halvings = 1;
  for (let n = 1; n <= order; n++) {
    const total = Math.max(0, words.length - n + 1);
    const known = ngrams(expected, n);
    let matches = 0;
    for (const [gram, count] of ngrams(words, n)) matches += Math.min(count, known.get(gram) ?? 0);
    // Shorter than four words, or nothing in common: no precision to smooth.
    if (total === 0 || (n === 1 && matches === 0)) return 0;
    if (matches === 0) halvings *= 2;
    logs += Math.log(100 * (matches > 0 ? matches / total : 1 / (halvings * total)));
  }
  const brevity = words.length < expected.length ? Math.exp(1 - expected.length / words.length) : 1;
  return brevity * Math.exp(logs / order);
}

/** Words, punctuation and symbols apart, but not a point or comma inside a number. */
export function tokenize(text: string): string[] {
  return text
    .replace(/(\P{N})(\p{P})/gu, "$1 $2 ")
    .replace(/(\p{P})(\P{N})/gu, " $1 $2")
    .replace(/(\p{S})/gu, " $1 ")
    .split(/\s+/u)
    .filter((word) => word !== "");
}

function ngrams(words: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= words.length; i++) {
    const gram = words.slice(i, i + n).join(" ");
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}
