/** Receipts of the rows of a planned sweep. */
import { isJsonObject, own } from "../../base/json.ts";
import type { Device } from "../../kernels/device.ts";
import { windowsHash } from "../corpus.ts";
import { makeReceipt } from "../receipt.ts";
import { openStore } from "../store.ts";
import type { Row } from "../sweep/cell.ts";
import type { Manifest } from "../sweep/manifest.ts";
import { cellsOfShard, type Shard } from "../sweep/shard.ts";
import type { TokenWindows } from "../windows.ts";
import type { Receipt } from "./receipt.ts";

/** Which rows get receipts. */
export interface RowReceipts {
  /** Which cells (default: all). */
  readonly shard?: Shard;
  /** The store that has the rows. */
  readonly results: string;
  /** Where models run (default: the process's device). */
  readonly device?: Device;
}

/**
 * The receipts of a sweep's stored rows, one after the other; each cell is measured once more for it. Cells without a row are left out.
 *
 * @throws {ReceiptError} `row`, where a stored row has other numbers
 */
export async function* receiptsOfRows(
  manifest: Manifest,
  { shard = { index: 0, count: 1 }, results, device }: RowReceipts,
): AsyncGenerator<Receipt> {
  const store = await openStore(results), tokens = (hash: string) => manifest.tokens.get(hash) ?? [];
  for (const { model, scheme, key, windows, calibration, execution } of cellsOfShard(manifest.cells, shard)) {
    const row = await store.read(key) as Row | undefined;
    if (row === undefined) continue;
    const shared = { text: tokens(windows), calibration: tokens(calibration), execution, device };
    yield await makeReceipt({ ...shared, model, scheme, reference: { model }, row });
  }
}

/** What a manifest has of a receipt's windows, which the receipt knows by their hash. */
export function windowsOfRow(
  receipt: unknown,
  { tokens }: Manifest,
): { readonly windows?: TokenWindows; readonly calibration?: TokenWindows } {
  const byHash = new Map(Array.from(tokens.values(), (windows) => [windowsHash(windows), windows]));
  const found = (name: string) => {
    const claim = isJsonObject(receipt) ? own(receipt, name) : undefined;
    const hash = isJsonObject(claim) ? own(claim, "hash") : undefined;
    return typeof hash === "string" ? byHash.get(hash) : undefined;
  };
  return { windows: found("text"), calibration: found("calibration") };
}
