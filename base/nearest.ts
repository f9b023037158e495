/** The nearest of the names that are known: what a wrong one was meant to be. */

/**
 * The known name that takes the fewest edits (letters put in, left out, replaced, or swapped with a neighbour; capitals do not count) from
 * a given one; undefined where none is within a third of its letters, two at least.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(nearest("actorder", ["bits", "actOrder"]), "actOrder");
 * assertEquals(nearest("gtpq", ["gptq", "awq"]), "gptq");
 * assertEquals(nearest("xyz", ["gptq", "awq"]), undefined);
 * ```
 */
export function nearest(given: string, known: Iterable<string>): string | undefined {
  let best: string | undefined, least = Math.max(2, Math.floor(given.length / 3)) + 1;
  for (const name of known) {
    const edits = distance(given.toLowerCase(), name.toLowerCase());
    // Of short names every other one is near.
    if (edits < least && 2 * edits < Math.max(given.length, name.length)) [best, least] = [name, edits];
  }
  return best;
}

/** `": did you mean NAME?"`, or nothing where no name is near. */
export function didYouMean(given: string, known: Iterable<string>): string {
  const found = nearest(given, known);
  return found === undefined ? "" : `: did you mean ${found}?`;
}

/** Optimal string alignment (Damerau's distance, each letter in one edit at most). */
function distance(a: string, b: string): number {
  let before: number[] = [], last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + same);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    [before, last] = [last, row];
  }
  return last[b.length];
}
