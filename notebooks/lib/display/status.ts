/** The seven verdicts on a published number: one word and one mark each, the same in text, tables and the report. */

/**
 * - `reproduced`: within the stated tolerance of the oracle.
 * - `trend`: the ordering that the table claims holds here.
 * - `differs`: it does not; by how many standard errors, and why, stands beside it.
 * - `undecided`: it was tested here, and no difference was larger than chance.
 * - `recomputed`: it follows from other published numbers, as printed.
 * - `erratum`: the published cell contradicts itself or another table.
 * - `unrun`: needs a model or device that is not here.
 */
export type Status = "reproduced" | "trend" | "differs" | "undecided" | "recomputed" | "erratum" | "unrun";

/** The mark of each status, in the order in which reports count them. */
export const STATUS_MARKS: Readonly<Record<Status, string>> = {
  reproduced: "✓",
  trend: "≥",
  differs: "≠",
  undecided: "~",
  recomputed: "=",
  erratum: "!",
  unrun: "○",
};

/** The statuses in report order. */
export const STATUSES: readonly Status[] = [
  "reproduced",
  "trend",
  "differs",
  "undecided",
  "recomputed",
  "erratum",
  "unrun",
];

/** What each status means, for legends. */
export const STATUS_MEANINGS: Readonly<Record<Status, string>> = {
  reproduced: "within the stated tolerance of the oracle",
  trend: "the ordering that the table claims holds here",
  differs: "does not hold here; by how much and why is stated",
  undecided: "tested here; no difference was larger than chance",
  recomputed: "follows from other published numbers, as printed",
  erratum: "the published number contradicts itself or another table",
  unrun: "needs a model or device that is not here; the command is given",
};

/** Whether a value, perhaps from a file, names a status. */
export function isStatus(value: unknown): value is Status {
  return typeof value === "string" && Object.hasOwn(STATUS_MARKS, value);
}
