/** Brings the results of shards together, and says how far a sweep is. */
import { isJsonObject, type JsonObject, writeNumbers } from "../../base/json.ts";
import { openStore } from "../store.ts";
import { ResultsError } from "../store/contract.ts";
import type { Row } from "./cell.ts";
import type { Manifest, PlannedCell } from "./manifest.ts";
import { type Failure, failureName } from "./run.ts";

/** What may differ between two measurements of one cell: when and where it was done, and what it is called. */
const incidental: ReadonlySet<string> = new Set(["seconds", "peakBytes", "device", "model", "label"]);

/** The rows of a manifest, in its order, and the cells that have none. */
export interface Merged {
  /** One row per cell that has a result. */
  readonly rows: readonly Row[];
  /** Cells without one. */
  readonly missing: readonly PlannedCell[];
}

/**
 * Copies the results of a manifest's cells from several stores into one, which may be among them. Where two stores have
 * a cell, they must agree to the bit; nothing is copied if any two do not.
 *
 * @throws {ResultsError} `conflict`, naming the cell, both stores and the first field that differs
 */
export async function mergeResults(
  manifest: Manifest,
  into: string,
  from: readonly string[],
): Promise<Merged> {
  const locations = [...new Set([into, ...from])];
  const stores = await Promise.all(locations.map(openStore));
  const held = await Promise.all(stores.map(async (store) => new Set(await store.list())));
  const rows: Row[] = [], missing: PlannedCell[] = [], fresh: Row[] = [];
  for (const cell of manifest.cells) {
    let first: { row: Row; where: string } | undefined;
    for (const [i, store] of stores.entries()) {
      if (!held[i].has(cell.key)) continue;
      const row = readRow(await store.read(cell.key), cell, store.location);
      if (first === undefined) {
        first = { row, where: store.location };
        if (i > 0) fresh.push(row);
        continue;
      }
      const field = difference(first.row, row);
      if (field === null) continue;
      throw new ResultsError(
        "conflict",
        `${cell.label} (${cell.key}): ${field} differs between ${first.where} and ${store.location}`,
      );
    }
    if (first === undefined) missing.push(cell);
    else rows.push({ ...first.row, model: cell.model, label: cell.label });
  }
  for (const row of fresh) await stores[0].write(row.key, row);
  return { rows, missing };
}

/** How far a sweep is. */
export interface SweepStatus {
  /** Cells with a row. */
  readonly done: number;
  /** Cells whose last attempt failed. */
  readonly failed: readonly { readonly cell: PlannedCell; readonly failure: Failure }[];
  /** Cells that nobody has finished, without those that failed. */
  readonly waiting: number;
  /** Time that the rows took, and that all other cells will take at the same ratio of measured to predicted time. */
  readonly seconds: { readonly spent: number; readonly left: number };
}

/** Reads how far a sweep is from its store. */
export async function sweepStatus(manifest: Manifest, location: string): Promise<SweepStatus> {
  const store = await openStore(location);
  const names = new Set(await store.list());
  const failed: { cell: PlannedCell; failure: Failure }[] = [];
  let done = 0, spent = 0, predicted = 0, left = 0;
  for (const cell of manifest.cells) {
    if (names.has(cell.key)) {
      const { seconds } = readRow(await store.read(cell.key), cell, location);
      done++;
      spent += seconds.quantize + seconds.evaluate;
      predicted += cell.predicted.seconds;
      continue;
    }
    left += cell.predicted.seconds;
    if (names.has(failureName(cell.key))) {
      failed.push({ cell, failure: await store.read(failureName(cell.key)) as Failure });
    }
  }
  return {
    done,
    failed,
    waiting: manifest.cells.length - done - failed.length,
    seconds: { spent, left: done === 0 ? left : left * spent / predicted },
  };
}

function readRow(value: unknown, cell: PlannedCell, location: string): Row {
  if (isJsonObject(value) && value.key === cell.key && isJsonObject(value.seconds)) {
    return value as unknown as Row;
  }
  throw new ResultsError("corrupt", `${cell.key} in ${location} is no row: delete it to measure again`);
}

/** Path of the first field in which two rows differ, beside what may; null when there is none. */
function difference(a: Row, b: Row): string | null {
  const [left, right] = [a, b].map((row) => row as unknown as JsonObject);
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  // Values have been through JSON, which keeps every bit of a number and the order of keys.
  const differs = (name: string) => writeNumbers(left[name]) !== writeNumbers(right[name]);
  return [...names].find((name) => !incidental.has(name) && differs(name)) ?? null;
}
