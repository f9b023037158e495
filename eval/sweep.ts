/** A sweep measures a grid of models and schemes, one row per cell; rows that are stored already cost nothing. */
import { environmentVariable } from "../base/environment.ts";
import { writeNumbers } from "../base/json.ts";
import { parseScheme } from "../quant/scheme.ts";
import { ResultsError } from "./store/contract.ts";
import type { Cell, Row, SweepOptions } from "./sweep/cell.ts";
import { CellRunner } from "./sweep/runner.ts";

/**
 * Measures all cells, in order. Processes that share a store share the work: none measures what another is measuring.
 *
 * @throws {ResultsError} `missing`, when only stored rows are wanted and one is not there
 *
 * @example
 * ```ts
 * import { corpus, rtn, sweep } from "quantbook";
 * import { assert } from "@std/assert";
 *
 * const windows = await corpus("sotu", { split: "test", windows: 2, length: 64 });
 * const cells = [8, 3].map((bits) => ({ model: "fixture:llama", label: `W${bits}`, scheme: { weights: rtn({ bits }) } }));
 * const [w8, w3] = await sweep(cells, { windows, results: null });
 * assert(w8.perplexity.value < w3.perplexity.value);
 * ```
 */
export async function sweep(cells: readonly Cell[], options: SweepOptions): Promise<Row[]> {
  const checked = cells.map((cell) => ({ ...cell, scheme: parseScheme(cell.scheme) }));
  using bench = await CellRunner.open(options);
  const rows: Row[] = [];
  try {
    for (const cell of checked) {
      const { row, stored } = await bench.row(cell);
      rows.push(row);
      options.onRow?.(row, rows.length, cells.length, stored);
    }
  } catch (error) {
    const file = environmentVariable("QUANTBOOK_PLAN");
    if (file !== undefined && error instanceof ResultsError && error.code === "missing") {
      await recordSweep(file, checked, options);
    }
    throw error;
  }
  return rows;
}

/** Appends the arguments of a sweep to a file, for `notebooks/lib/plan.ts`. */
async function recordSweep(file: string, cells: readonly Cell[], options: SweepOptions): Promise<void> {
  const { windows, calibration = [], execution } = options;
  const [scored, calibrated] = [windows, calibration].map((all) => all.map((ids) => Array.from(ids)));
  const line = writeNumbers({ cells, windows: scored, calibration: calibrated, execution });
  await Deno.writeTextFile(file, line + "\n", { append: true });
}
