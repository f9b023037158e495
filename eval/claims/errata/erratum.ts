/** What the erratum engine reports, and the tolerance of printed numbers. */
import type { Claim, ClaimTable } from "../files.ts";

/**
 * What is wrong: `average` is not the mean of its row, `effectiveBits` are not what the method's formula gives, `ratio` is not
 * that of the row's times, `count` is no share of the test set's examples, `column` repeats another model's numbers,
 * `recount` differs from the printed examples, `crossTable` is printed with another value in another table, `annotation` with
 * another value beside a sample of text.
 */
export type ErratumKind =
  | "average"
  | "effectiveBits"
  | "ratio"
  | "count"
  | "column"
  | "recount"
  | "crossTable"
  | "annotation";

/**
 * From grave to slight: it turns the order of two methods round; arithmetic that does not give the number; a value that no count or formula
 * gives; one quantity with two values; a rounding, or a style of rounding.
 */
export type Grade = "conclusion" | "arithmetic" | "impossible" | "twoValues" | "rounding";

/** All grades, from grave to slight. */
export const grades: readonly Grade[] = ["conclusion", "arithmetic", "impossible", "twoValues", "rounding"];

/** What a grade adds to a contradiction. */
export interface Graded {
  /** How much it matters. */
  readonly grade: Grade;
  /** Equal for contradictions that have one cause: a baseline that was measured twice, a column that was copied or is cut off. */
  readonly cause: string;
}

/** A number that is not what others imply. */
export interface Erratum extends Contradiction, Graded {}

/** A number and what others imply. */
export interface Contradiction {
  /** The rule that found it. */
  readonly kind: ErratumKind;
  /** Id of the table. */
  readonly table: string;
  /** Ids of the claims concerned: the cell itself, or all cells of a row whose settings are misprinted. */
  readonly claims: readonly string[];
  /** Of the row. */
  readonly method: string | null;
  /** Of the row. */
  readonly settings: Claim["settings"];
  /** As printed. */
  readonly printed: number;
  /** As the other numbers imply, not rounded; for `crossTable` and `column` what is printed elsewhere. */
  readonly recomputed: number;
  /** What is wrong, in a sentence. */
  readonly finding: string;
  /** The computation in TeX, without the conclusion. */
  readonly arithmetic?: string;
  /** How the printed number came about, where that is known. */
  readonly explanation?: string;
}

/** A derived number and what it was derived from; an erratum if they differ by more than `tolerance`. */
export interface Derivation extends Contradiction {
  /** What rounding alone may do. */
  readonly tolerance: number;
}

/** Recomputes derived numbers of all tables: those that agree and those that do not. */
export type Rule = (tables: readonly ClaimTable[]) => Derivation[];

/** Whether rounding does not explain the difference; the margin is for the binary representation of decimal numbers. */
export function isErratum({ printed, recomputed, tolerance }: Derivation): boolean {
  return Math.abs(printed - recomputed) > tolerance + 1e-9 * Math.max(1, Math.abs(printed));
}

/** Decimals that a number needs; print may show more zeros. */
export function decimals(value: number): number {
  const [digits, exponent = "0"] = String(value).split("e");
  return Math.max(0, (digits.split(".")[1] ?? "").length - Number(exponent));
}

/** Half a unit of the last decimal that any of the numbers shows. */
export function halfUnit(values: readonly number[]): number {
  return 0.5 * 10 ** -Math.max(0, ...values.map(decimals));
}
