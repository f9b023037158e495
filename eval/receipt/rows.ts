/** The windows of a sweep's rows, which their receipts know by a hash. */
import { isJsonObject, own } from "../../base/json.ts";
import { windowsHash } from "../corpus.ts";
import type { Manifest } from "../sweep/manifest.ts";
import type { TokenWindows } from "../windows.ts";

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
