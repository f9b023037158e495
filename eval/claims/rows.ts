/** The cells of a table, put together to the rows that were printed. */
import type { Claim, Setting } from "./files.ts";

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
