/**
 * An accuracy in percent is a count of right answers over the size of the test set. Two decimals hold only some of the
 * numbers that such a share can be (the idea of Brown and Heathers' GRIM test, 2017): what is none of them is a misprint.
 */
import type { Claim, ClaimTable } from "../files.ts";
import { decimals, type Derivation } from "./erratum.ts";
import { about } from "./rows.ts";

/** Examples of the split that each task is evaluated on. */
const sizes: Readonly<Record<string, number>> = {
  boolq: 3270,
  arc_easy: 2376,
  arc_challenge: 1172,
  hellaswag: 10042,
  piqa: 1838,
  winogrande: 1267,
  gsm8k: 1319,
  truthfulqa_gen: 817,
};

/** Checks that percentages, or fractions where a table prints nothing above 1, are shares of the test sets. */
export function checkCounts(tables: readonly ClaimTable[]): Derivation[] {
  return tables.flatMap(({ claims }) => {
    const whole = claims.every(({ value }) => value <= 1) ? 1 : 100;
    return claims.flatMap((claim) => checkCount(claim, whole));
  });
}

/** One accuracy; `whole` is what all answers right would be printed as. */
function checkCount(claim: Claim, whole: 1 | 100): Derivation[] {
  const size = claim.dataset === null ? undefined : sizes[claim.dataset];
  // A third decimal, or one that was dropped because it is zero, leaves nothing to check or more room.
  if (size === undefined || claim.metric === "perplexity") return [];
  const right = Math.round(claim.value / whole * size);
  const share = whole * right / size;
  const unit = 10 ** -Math.max(1, decimals(claim.value));
  // The harness prints four decimals of the fraction; someone dropped what follows.
  const cut = [right, right + 1].find((n) =>
    Math.abs(Math.floor(1e4 * n / size) / 1e4 * whole - claim.value) < 1e-9
  );
  return [{
    ...about("count", [claim], claim.value, share),
    finding: `No count of right answers out of ${size} gives the printed percentage; ${right} is nearest.`,
    arithmetic: whole === 1 ? `\\frac{${right}}{${size}}` : `\\frac{100 \\cdot ${right}}{${size}}`,
    tolerance: unit / 2,
    ...(cut === undefined ? {} : { explanation: `${cut} of ${size}, cut off instead of rounded` }),
  }];
}
