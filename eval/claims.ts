/** What the papers claim: all published cells, the tables as printed, and where they contradict themselves. */
import {
  type Annotation,
  type Claim,
  type ClaimColumn,
  ClaimError,
  type ClaimTable,
  loadClaimTables,
  type Setting,
} from "./claims/files.ts";
import { findErrata, recomputed } from "./claims/errata/engine.ts";
import {
  type Contradiction,
  type Erratum,
  type ErratumKind,
  type Grade,
  type Graded,
  grades,
} from "./claims/errata/erratum.ts";
import { type Comparison, type Judgement, judgeOrderings } from "./claims/orderings/judge.ts";
import { loadOutcomes } from "./claims/orderings/outcomes.ts";
import { type PublishedRow, rowsOf } from "./claims/rows.ts";

export {
  type Annotation,
  type Claim,
  type ClaimColumn,
  ClaimError,
  type ClaimTable,
  type Contradiction,
  type Erratum,
  type ErratumKind,
  type Grade,
  type Graded,
  grades,
  type Setting,
};
export { type Finding, findings } from "./claims/errata/findings.ts";
export { type ClaimCell, claimCells } from "./claims/grid.ts";
export { publishedArchitecture } from "./claims/models.ts";
export { claimOf, reproduceClaim, type ReproduceOptions, type Reproduction } from "./claims/reproduce.ts";
export { commandOfClaim, schemeOfClaim } from "./claims/scheme.ts";
export { taskOfClaim } from "./claims/task.ts";
export {
  type Comparison,
  type ComparisonTest,
  type Judgement,
  judgeOrderings,
} from "./claims/orderings/judge.ts";
export { loadOutcomes, type Outcome, type Outcomes } from "./claims/orderings/outcomes.ts";
export type { PublishedRow };

/** A table as printed. */
export interface PublishedTable extends Omit<ClaimTable, "claims"> {
  /** In the order of print. */
  readonly rows: readonly PublishedRow[];
}

let loaded: Promise<ClaimTable[]> | undefined;

/** The suite's own tables, read once. */
function tables(): Promise<ClaimTable[]> {
  return loaded ??= loadClaimTables();
}

/**
 * All published numbers.
 *
 * @throws {ClaimError} when a file under `fixtures/claims` is malformed
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const claims = await loadClaims();
 * const kivi = claims.filter(({ table, dataset }) => table === "kivi_ppl" && dataset === "wikitext2");
 * assertEquals(kivi.map(({ value }) => value), [7.24, 7.27, 8.83]);
 * ```
 */
export async function loadClaims(): Promise<Claim[]> {
  return (await tables()).flatMap(({ claims }) => [...claims]);
}

/** Ids of all tables that hold numbers, with their titles, in the order of print. */
export async function publishedTables(): Promise<{ id: string; paper: string; title: string }[]> {
  const withNumbers = (await tables()).filter(({ claims }) => claims.length > 0);
  return withNumbers.map(({ id, paper, title }) => ({ id, paper, title }));
}

/**
 * A table as printed: one row per method and setting, one cell per column.
 *
 * @throws {ClaimError} code `table` when there is none of that id
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const { rows } = await publishedTable("smoothquant_alpha_sweep");
 * const best = rows.toSorted((a, b) => cell(a) - cell(b))[0];
 * assertEquals(best.settings.alpha, 0.55);
 *
 * function cell(row: PublishedRow): number {
 *   return row.cells.get("wikitext2")?.value ?? NaN;
 * }
 * ```
 */
export async function publishedTable(id: string): Promise<PublishedTable> {
  const all = await tables();
  const table = all.find((one) => one.id === id);
  if (!table) {
    const ids = all.map((one) => one.id).join(", ");
    throw new ClaimError("table", `No published table "${id}": expected ${ids}`);
  }
  const { claims, ...description } = table;
  return { ...description, rows: rowsOf(claims) };
}

/**
 * Published numbers that contradict others: averages that are not the mean of their row, effective bits that are not what
 * the method's formula gives, speed-ups that are no ratio of the row's times, percentages that no count of examples
 * gives, columns copied from another model, and (kind `crossTable`) one quantity with different values in different
 * tables.
 *
 * @param from claim tables to check (default: the suite's own)
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const averages = (await errata()).filter(({ kind }) => kind === "average");
 * assertEquals(averages[0].printed, 52.87);
 * assertEquals(averages[0].recomputed.toFixed(2), "59.01");
 * ```
 */
export async function errata(from?: readonly ClaimTable[]): Promise<Erratum[]> {
  return findErrata(from ?? await tables());
}

/**
 * Ids of the published numbers that follow from others of their table, and do so as printed.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * assert((await recomputedClaims()).has("spqr_config/-/-/target=3-bit,outlier_relative_threshold_from_script=0.5,avg_bits_recomputed=3.0671/avg_bits"));
 * ```
 */
export async function recomputedClaims(): Promise<ReadonlySet<string>> {
  return recomputed(await tables());
}

/**
 * What the models here say to the orders that the tables print, from the stored outcomes (`deno task orderings` measures them).
 *
 * @param level share of false discoveries among all tests
 *
 * @example
 * ```ts
 * import { orderings } from "quantbook/claims";
 * import { assert } from "@std/assert";
 * const { comparisons } = await orderings();
 * assert(comparisons.some(({ table, verdict }) => table === "gptq_opt_ppl" && verdict === "held"));
 * ```
 */
export async function orderings(
  level = 0.05,
): Promise<{ judgements: Judgement[]; comparisons: Comparison[] }> {
  const { texts, rows } = await loadOutcomes();
  return judgeOrderings(await tables(), rows.filter(({ model }) => model in texts), level);
}
