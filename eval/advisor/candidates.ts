/** Candidates as a text. */
import { readScheme } from "../../quant/notation/scheme.ts";
import { splitOutside } from "../../quant/notation/split.ts";
import type { WeightScheme } from "../../quant/registry.ts";
import { AdvisorError } from "./error.ts";

/**
 * Methods for weights from a text, between blanks, each as behind `weights=` in a scheme.
 *
 * @throws {AdvisorError} `candidates`, when there is none
 * @throws {SchemeError} as `readScheme`
 *
 * @example
 * ```ts
 * import { gptq, rtn } from "quantbook";
 * import { readCandidates } from "quantbook/eval";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readCandidates("rtn:4:g64 gptq:3"), [rtn({ bits: 4, groupSize: 64 }), gptq({ bits: 3 })]);
 * ```
 */
export function readCandidates(text: string): WeightScheme[] {
  const found = splitOutside(text, " \t\r\n;").filter((one) => one !== "").flatMap((one) =>
    readScheme(`weights=${one}`).weights ?? []
  );
  if (found.length > 0) return found;
  throw new AdvisorError("candidates", "candidates is empty: expected such as 'rtn:4:g64 gptq:3:g64'");
}
