/** Finds published numbers that contradict the other numbers of their row. */
import type { Claim } from "./claim_files.ts";

/** A number that is not what the rest of its row implies. */
export interface Erratum {
  /** `average` of accuracies, or `effectiveBits` per weight. */
  readonly kind: "average" | "effectiveBits";
  /** Id of the table. */
  readonly table: string;
  /** Ids of the claims concerned: the average, or the cells of the row whose bits are misprinted. */
  readonly claims: readonly string[];
  /** Of the row. */
  readonly method: string | null;
  /** Of the row. */
  readonly settings: Claim["settings"];
  /** As printed. */
  readonly printed: number;
  /** As the row implies, not rounded. */
  readonly recomputed: number;
  /** How the printed number came about, where that is known. */
  readonly explanation?: string;
}

/** Numbers are printed with two decimals; the margin is for the binary representation of decimal numbers. */
const halfUnit = 0.005 + 1e-9;

const accuracies: readonly string[] = [
  "boolq",
  "arc_challenge",
  "arc_easy",
  "hellaswag",
  "piqa",
  "winogrande",
];

/** Checks rows of one table; each row is column key -> claim. */
export function findErrata(rows: readonly ReadonlyMap<string, Claim>[]): Erratum[] {
  const found: Erratum[] = [];
  for (const cells of rows) {
    for (const check of [checkAverage, checkRazorBits, checkSpqrBits]) {
      const erratum = check(cells);
      if (erratum && Math.abs(erratum.printed - erratum.recomputed) > halfUnit) found.push(erratum);
    }
  }
  return found;
}

/** `csqa_avg` is the mean of the row's accuracies. */
function checkAverage(cells: ReadonlyMap<string, Claim>): Erratum | undefined {
  const average = cells.get("csqa_avg");
  const values = accuracies.flatMap((key) => cells.get(key)?.value ?? []);
  if (!average || values.length === 0) return undefined;
  const sum = values.reduce((total, value) => total + value, 0);
  const erratum = about("average", [average], average.value, sum / values.length);
  const { bits } = average.settings;
  if (typeof bits !== "number") return erratum;
  const withBits = (sum + bits) / (values.length + 1);
  if (Math.abs(withBits - average.value) > halfUnit) return erratum;
  return {
    ...erratum,
    explanation: `the column of bits was averaged too: (${sum.toFixed(2)} + ${bits}) / ${values.length + 1}`,
  };
}

/**
 * QRazor from 8 bits to 4: each group stores one of the shifts 0 to 5, 6 states, so 3 flag bits per group
 * (SPEC section 6.6).
 */
function checkRazorBits(cells: ReadonlyMap<string, Claim>): Erratum | undefined {
  const claims = [...cells.values()];
  const { group, eff_bits: printed } = claims[0].settings;
  if (typeof group !== "number" || typeof printed !== "number") return undefined;
  return about("effectiveBits", claims, printed, 4 + 3 / group);
}

/**
 * SpQR: b_w + (b_s + b_z) / beta1 + 64 / (beta1 beta2) + 32 r_o (arXiv 2306.03078, section 4, with 16-bit second-level
 * statistics and 32 bits per outlier).
 */
function checkSpqrBits(cells: ReadonlyMap<string, Claim>): Erratum | undefined {
  const printed = cells.get("avg_bits");
  const [weight, scale, zero, outlierPercent, beta1, beta2] = [
    "b_w",
    "b_s",
    "b_z",
    "r_o_percent",
    "beta1",
    "beta2",
  ]
    .map((key) => cells.get(key)?.value ?? NaN);
  if (!printed) return undefined;
  const bits = weight + (scale + zero) / beta1 + 64 / (beta1 * beta2) + 32 * outlierPercent / 100;
  return about("effectiveBits", [printed], printed.value, bits);
}

function about(
  kind: Erratum["kind"],
  claims: readonly Claim[],
  printed: number,
  recomputed: number,
): Erratum {
  const { table, method, settings } = claims[0];
  return { kind, table, claims: claims.map(({ id }) => id), method, settings, printed, recomputed };
}
