/** What the papers claim: all published cells, the tables as printed, and where they contradict themselves. */
import {
  type Claim,
  type ClaimColumn,
  ClaimError,
  type ClaimTable,
  loadClaimTables,
  type Setting,
} from "./claim_files.ts";
import { type Erratum, findErrata } from "./errata.ts";

export { type Claim, type ClaimColumn, ClaimError, type ClaimTable, type Erratum, type Setting };

/** One printed row: the cells of one method at one setting. */
export interface PublishedRow {
  /** Null in tables whose columns are models. */
  readonly model: string | null;
  /** As the table names it. */
  readonly method: string | null;
  /** Such as `{ bits: 4 }`. */
  readonly settings: Readonly<Record<string, Setting>>;
  /** By column key; a cell that is blank in print is absent. */
  readonly cells: ReadonlyMap<string, Claim>;
}

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

/** Groups the cells of a table by method and setting; by model too, unless each column is a model of its own. */
export function rowsOf(claims: readonly Claim[]): PublishedRow[] {
  const modelsOfColumn = new Map<string, Set<string | null>>();
  for (const { key, model } of claims) {
    modelsOfColumn.set(key, (modelsOfColumn.get(key) ?? new Set()).add(model));
  }
  const columnsAreModels = new Set(claims.map(({ model }) => model)).size > 1 &&
    modelsOfColumn.values().every((models) => models.size === 1);
  const rows = new Map<string, PublishedRow & { cells: Map<string, Claim> }>();
  for (const claim of claims) {
    const { method, settings } = claim;
    const model = columnsAreModels ? null : claim.model;
    const key = JSON.stringify([model, method, settings]);
    const row = rows.get(key) ?? { model, method, settings, cells: new Map<string, Claim>() };
    row.cells.set(claim.key, claim);
    rows.set(key, row);
  }
  return [...rows.values()];
}

/**
 * Published numbers that contradict others of the same table: averages that are not the mean of their row, effective bits
 * that are not what the method's formula gives.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const averages = (await errata()).filter(({ kind }) => kind === "average");
 * assertEquals(averages[0].printed, 52.87);
 * assertEquals(averages[0].recomputed.toFixed(2), "59.01");
 * ```
 */
export async function errata(): Promise<Erratum[]> {
  return (await tables()).flatMap(({ claims }) => findErrata(rowsOf(claims).map(({ cells }) => cells)));
}
