/** Runs a shard of a sweep: safe to kill, to run again, and to run in several places at once. */
import { QuantbookError } from "../../base/error.ts";
import { defaultDevice } from "../../kernels/default.ts";
import type { Device } from "../../kernels/device.ts";
import { measuringCode } from "./cell.ts";
import { openStore } from "../store.ts";
import { ResultsError } from "../store/contract.ts";
import { CellRunner } from "./runner.ts";
import { type Manifest, type PlannedCell, SweepError } from "./manifest.ts";
import { cellsOfShard, type Shard } from "./shard.ts";

/** What a shard runs with. */
export interface RunOptions {
  /** Which cells (default: all). */
  readonly shard?: Shard;
  /** The store: a directory or `s3://bucket/prefix`. */
  readonly results: string;
  /** Default: the process's device. */
  readonly device?: Device;
  /** Called when a cell is about to be measured, when its row is there, and when it failed. */
  readonly onEvent?: (event: "measure" | "done" | "failed", cell: PlannedCell) => void;
}

/** Why a cell has no row; stored beside the rows as `KEY.failed`. */
export interface Failure {
  /** The error's message. */
  readonly message: string;
  /** Its code, where it has one. */
  readonly code: string | null;
  /** The machine that it happened on. */
  readonly host: string;
}

/** Name under which the failure of a cell is stored. */
export function failureName(key: string): string {
  return `${key}.failed`;
}

/**
 * Sees to it that every cell of the shard has a row in the store, and returns the cells that failed. A cell that fails
 * does not stop the others; the next run tries it again.
 *
 * @throws {SweepError} `changed`, when this machine cannot give the results that were planned
 * @throws {ResultsError} when the store does not work
 */
export async function runShard(manifest: Manifest, options: RunOptions): Promise<PlannedCell[]> {
  const { shard = { index: 0, count: 1 }, results, onEvent = () => {} } = options;
  const device = options.device ?? await defaultDevice();
  requireSame("code", manifest.code, await measuringCode());
  requireSame("device", manifest.device, device.name);
  const store = await openStore(results);
  const failed: PlannedCell[] = [];
  for (const group of groupsOf(cellsOfShard(manifest.cells, shard))) {
    const [{ windows, calibration, execution }] = group;
    using bench = await CellRunner.open({
      windows: manifest.tokens.get(windows) ?? [],
      calibration: manifest.tokens.get(calibration) ?? [],
      execution,
      results,
      device,
      storedOnly: false,
    });
    for (const cell of group) {
      try {
        requireSame(`model ${cell.model}`, cell.key, await bench.key(cell));
        const { model, label, scheme } = cell;
        await bench.row({ model, label, scheme }, () => onEvent("measure", cell));
        await store.remove(failureName(cell.key));
        onEvent("done", cell);
      } catch (error) {
        if (error instanceof ResultsError || error instanceof SweepError) throw error;
        const code = error instanceof QuantbookError ? error.code : null;
        const message = error instanceof Error ? error.message : String(error);
        const failure: Failure = { message, code, host: Deno.hostname() };
        await store.write(failureName(cell.key), failure);
        failed.push(cell);
        onEvent("failed", cell);
      }
    }
  }
  return failed;
}

function requireSame(what: string, planned: string, here: string): void {
  if (planned === here) return;
  throw new SweepError(
    "changed",
    `${what} is not what the sweep was planned with: expected ${planned}, this machine gives ${here}`,
  );
}

/** Runs of cells that share their windows. */
function groupsOf(cells: readonly PlannedCell[]): PlannedCell[][] {
  const groups: PlannedCell[][] = [];
  for (const cell of cells) {
    const last = groups.at(-1)?.[0];
    const same = (["windows", "calibration", "execution"] as const).every((name) =>
      last?.[name] === cell[name]
    );
    if (same) groups.at(-1)?.push(cell);
    else groups.push([cell]);
  }
  return groups;
}
