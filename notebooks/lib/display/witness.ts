/** Ties measurements to published cells, so that the page "every number" can name its witnesses. */
import type { JsonObject } from "../json.ts";
import { type Display, makeDisplay } from "./emit.ts";
import { type Estimate, isEstimate } from "./number.ts";
import { isStatus, type Status } from "./status.ts";
import { DisplayError } from "./table.ts";

/** What was found out about one published cell. */
export interface Evidence {
  /** The id of the claim, as `loadClaims` gives it. */
  readonly claim: string;
  readonly status: Status;
  readonly measured?: number | Estimate;
  /** The value of an independent implementation. */
  readonly oracle?: number;
}

/**
 * Records evidence for published cells; shown as one line.
 *
 * @param options `fallback` gives way to what any other notebook found out about a cell
 *
 * @example
 * ```ts
 * import { show, witness } from "quantbook/display";
 * const claim = "smoothquant_alpha_sweep/LLaMA-3.1-8B-Instruct/SmoothQuant/bits_w=8,bits_a=8,alpha=0.55/c4";
 * await show(witness([{ claim, status: "trend", measured: { value: 23.55, standardError: 0.12 }, oracle: 23.55 }]));
 * ```
 */
export function witness(evidence: readonly Evidence[], { fallback = false } = {}): Display {
  const rows = evidence.map(({ claim, status, measured, oracle }): JsonObject => {
    if (!isStatus(status)) {
      throw new DisplayError("status", `Unknown status ${Deno.inspect(status)} of ${claim}`);
    }
    const value = isEstimate(measured) ? measured.value : measured;
    return {
      claim,
      status,
      ...(value === undefined ? {} : { measured: value }),
      ...(isEstimate(measured) ? { standardError: measured.standardError } : {}),
      ...(oracle === undefined ? {} : { oracle }),
    };
  });
  const cells = rows.length === 1 ? "1 published cell" : `${rows.length} published cells`;
  return makeDisplay(
    { kind: "witness", rows, ...(fallback && { fallback }) },
    () => ({ "text/plain": `Evidence on ${cells}` }),
  );
}
