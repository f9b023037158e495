/** Candidates as a text. */
import { readScheme } from "../../quant/notation/scheme.ts";
import { splitOutside } from "../../quant/notation/split.ts";
import type { WeightScheme } from "../../quant/registry.ts";
import { AdvisorError } from "./error.ts";

/** What may round a part of a model; `float` leaves it as it is. */
export type WeightChoice = WeightScheme | "float";

/**
 * Methods for weights from a text, between blanks, each as behind `weights=` in a scheme, or `float`.
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
 * const found = readCandidates("rtn:4:g64 gptq:3 float");
 * assertEquals(found, [rtn({ bits: 4, groupSize: 64 }), gptq({ bits: 3 }), "float"]);
 * ```
 */
export function readCandidates(text: string): WeightChoice[] {
  const found = splitOutside(text, " \t\r\n;").filter((one) => one !== "").flatMap((one): WeightChoice[] =>
    one === "float" ? [one] : [readScheme(`weights=${one}`).weights ?? []].flat()
  );
  if (found.length > 0) return found;
  throw new AdvisorError("candidates", "candidates is empty: expected such as 'rtn:4:g64 gptq:3:g64 float'");
}
