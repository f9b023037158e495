/** What disagrees in a receipt, and which part of it is measured again. */
import { writeNumbers } from "../../base/json.ts";
import { PythonRandom } from "../../base/random.ts";
import { show } from "../../base/show.ts";
import type { Model } from "../../model/model.ts";
import { canonical, type ModelClaim } from "./receipt.ts";
import { openModel, type RanModel } from "./run.ts";

/** Something in a receipt that does not agree. */
export interface ReceiptProblem {
  /**
   * What disagrees: `seal`, `count`, `value`, `seed`, `source`, `device`, `text`, `calibration`, `model`, `reference`, `scheme`,
   * `loss`, `divergence`, `logits`, `row`, `requests`, `scores`, or `digest`: a field was changed after the run.
   */
  readonly code: string;
  /** In a sentence: what the receipt says and what was found. */
  readonly message: string;
}

/** All that disagrees. */
export class Findings {
  /** In the order in which it was found. */
  readonly problems: ReceiptProblem[] = [];

  /** Holds what a receipt says to what was found; whether they differ. */
  differs(code: string, what: string, says: unknown, found: unknown): boolean {
    if (writeNumbers(canonical(says)) === writeNumbers(canonical(found))) return false;
    this.problems.push({ code, message: `${what}: the receipt says ${show(says)}, found ${show(found)}` });
    return true;
  }

  /** The model of a claim, quantized as it says, and held to it. */
  async opened(
    claim: ModelClaim,
    files: Model,
    what: string,
    settings: Parameters<typeof openModel>[3],
  ): Promise<RanModel> {
    const ran = await openModel(files, claim.specifier, claim.scheme, settings);
    this.differs("scheme", `scheme of the ${what}, defaults filled in`, claim.scheme, ran.claim.scheme);
    this.differs(what, `files of the ${what}`, claim.files, ran.claim.files);
    this.differs(what, `${what} as it runs`, claim.model, ran.claim.model);
    return ran;
  }

  /** The verdict, where so many were measured again. */
  verdict(measured: number): "confirmed" | "consistent" | "refuted" {
    return this.problems.length > 0 ? "refuted" : measured > 0 ? "confirmed" : "consistent";
  }
}

/** Which of `count` are measured again: all, or a sample in order. */
export function drawn(count: number, sample = count, seed = 0): number[] {
  const all = Array.from({ length: count }, (_, i) => i);
  if (sample >= count) return all;
  const random = new PythonRandom(seed);
  const some = Array.from({ length: sample }, () => all.splice(random.randint(0, all.length - 1), 1)[0]);
  return some.sort((a, b) => a - b);
}

/** What a verdict covers, in a sentence; `what` is measured: `windows`, `documents`. */
export function coverage(what: string, count: number, measured: readonly number[]): string {
  const always = "the receipt's agreement with itself, its source, its text and the files of its model";
  if (measured.length === 0) return `${always}; no ${what.slice(0, -1)} was measured again`;
  if (measured.length === count) return `${always}; all ${count} ${what}, measured again bit for bit`;
  return `${always}; every field, and the digests of ${measured.length} of ${count} ${what} (${
    measured.join(", ")
  }), ` +
    `which were measured again bit for bit; of the other ${what}' digests and of the hash of all logits nothing is said`;
}
