/** Holds a receipt to what is measured now. */
import { QuantbookError } from "../../base/error.ts";
import { writeNumbers } from "../../base/json.ts";
import { PythonRandom } from "../../base/random.ts";
import { show } from "../../base/show.ts";
import type { Device } from "../../kernels/device.ts";
import type { Model } from "../../model/model.ts";
import { requireWindows, type TokenWindows } from "../windows.ts";
import { ReceiptError } from "./error.ts";
import { requireReceipt } from "./read.ts";
import {
  canonical,
  digestOf,
  type ModelClaim,
  type Receipt,
  type ReceiptBody,
  sealOf,
  type TextClaim,
} from "./receipt.ts";
import {
  claimOf,
  hashOfLogits,
  type MeasuredWindow,
  measureReceiptWindow,
  openFiles,
  openModel,
  type RanModel,
  receiptCode,
  windowsOf,
} from "./run.ts";
import { comparisonOf, valueOf } from "./value.ts";

/** How a receipt is verified. */
export interface VerifyOptions {
  /** Windows to measure again, drawn at random (default: all); 0 holds the receipt to itself and runs no model. */
  readonly sample?: number;
  /** Seed of the draw (default 0). */
  readonly seed?: number;
  /** The scored windows, where the receipt does not say how to cut them. */
  readonly windows?: TokenWindows;
  /** The windows that methods calibrate on, where the receipt does not say how to cut them. */
  readonly calibration?: TokenWindows;
  /** Where models run (default: the process's device). */
  readonly device?: Device;
}

/** Something in a receipt that does not agree. */
export interface ReceiptProblem {
  /**
   * What disagrees: `seal`, `count`, `value`, `seed`, `source`, `device`, `text`, `calibration`, `model`, `reference`, `scheme`,
   * `loss`, `divergence`, `logits`, or `digest`: a field was changed after the run.
   */
  readonly code: string;
  /** In a sentence: what the receipt says and what was found. */
  readonly message: string;
}

/** What came of a verification. */
export interface Verification {
  /** `confirmed` where windows were measured again and nothing disagrees, `consistent` where none was, or `refuted`. */
  readonly verdict: "confirmed" | "consistent" | "refuted";
  /** All that disagrees. */
  readonly problems: readonly ReceiptProblem[];
  /** Which windows were measured again, in order. */
  readonly windows: readonly number[];
  /** What the verdict covers, in a sentence. */
  readonly covers: string;
}

/** @throws {ReceiptError} `format` or `text` */
export async function checkReceipt(
  value: unknown,
  options: VerifyOptions,
  device: Device,
): Promise<Verification> {
  requireReceipt(value);
  const problems: ReceiptProblem[] = [];
  const differs = (code: string, what: string, says: unknown, found: unknown) => {
    if (writeNumbers(canonical(says)) === writeNumbers(canonical(found))) return false;
    problems.push({ code, message: `${what}: the receipt says ${show(says)}, found ${show(found)}` });
    return true;
  };
  const count = value.text.windows;
  const whole = !differs("count", "windows with a loss", value.windows.length, count);
  const tied = !differs("count", "digests", value.digests.length, count);
  const { digests, seal, ...body } = value;
  differs("seal", "seal", seal, sealOf(body, digests));
  differs("seed", "seed", value.seed, value.text.from?.seed ?? null);
  differs("source", "source of the code that measures", value.source, await receiptCode());
  const sampled = whole && tied ? drawn(count, options) : [];
  let measured: number[] = [];
  try {
    measured = await recompute(value, body, sampled, options, device, differs);
  } catch (error) {
    if (!(error instanceof QuantbookError) || error instanceof ReceiptError) throw error;
    problems.push({ code: "model", message: `the run cannot be repeated: ${error.message}` });
  }
  const verdict = problems.length > 0 ? "refuted" : measured.length > 0 ? "confirmed" : "consistent";
  return { verdict, problems, windows: measured, covers: coverage(value, measured) };
}

type Differs = (code: string, what: string, says: unknown, found: unknown) => boolean;

/** Repeats the run on some windows; returns those that were measured. */
async function recompute(
  receipt: Receipt,
  body: ReceiptBody,
  sampled: readonly number[],
  options: VerifyOptions,
  device: Device,
  differs: Differs,
): Promise<number[]> {
  using files = await openFiles(receipt.model.specifier, device);
  const texts = { text: options.windows, calibration: options.calibration };
  const windows = await cut(receipt.text, texts.text, files, "windows");
  const calibration = await cut(receipt.calibration, texts.calibration, files, "calibration");
  const sameText = !differs("text", "text", receipt.text, claimOf(receipt.text.from ?? windows, windows));
  differs(
    "calibration",
    "calibration text",
    receipt.calibration,
    claimOf(receipt.calibration.from ?? calibration, calibration),
  );
  requireWindows(windows, files);
  if (receipt.windows.length === windows.length) {
    const { comparison: _, ...value } = receipt.value;
    differs("value", "value that the windows' losses give", value, valueOf(receipt.windows, windows));
  }
  const ofModel = differs("model", "files of the model", receipt.model.files, await files.hash());
  if (sampled.length === 0 || !sameText || ofModel) return [];
  if (differs("device", "device that was run on", receipt.device.name, device.name)) return [];
  const settings = { calibration, execution: receipt.execution };
  using ran = await opened(receipt.model, files, "model", settings, differs);
  using otherFiles = receipt.reference === null ? null : await openFiles(receipt.reference.specifier, device);
  using reference = receipt.reference === null || otherFiles === null
    ? null
    : await opened(receipt.reference, otherFiles, "reference", settings, differs);
  const found: MeasuredWindow[] = [];
  for (const window of sampled) {
    const one = await measureReceiptWindow(ran.model, reference?.model ?? null, windows[window]);
    const { loss, divergence, agreement } = receipt.windows[window], at = `of window ${window}`;
    found.push(one);
    differs("loss", `loss ${at}`, loss, one.loss);
    differs("divergence", `divergence ${at}`, [divergence, agreement], [one.divergence, one.agreement]);
    differs("digest", `digest ${at}`, receipt.digests[window], digestOf(body, window, one.logits));
  }
  if (sampled.length === windows.length) {
    differs("logits", "hash of all logits", receipt.logits, hashOfLogits(found));
    differs("value", "comparison", receipt.value.comparison, comparisonOf(found));
  }
  return [...sampled];
}

/** The model of a claim, quantized as it says. */
async function opened(
  claim: ModelClaim,
  files: Model,
  what: string,
  settings: Parameters<typeof openModel>[3],
  differs: Differs,
): Promise<RanModel> {
  const ran = await openModel(files, claim.specifier, claim.scheme, settings);
  differs("scheme", `scheme of the ${what}, defaults filled in`, claim.scheme, ran.claim.scheme);
  differs(what, `files of the ${what}`, claim.files, ran.claim.files);
  differs(what, `${what} as it runs`, claim.model, ran.claim.model);
  return ran;
}

async function cut(
  { from, windows, hash }: TextClaim,
  given: TokenWindows | undefined,
  model: Model,
  name: string,
): Promise<TokenWindows> {
  if (from !== null) return await windowsOf(from, model);
  if (given !== undefined) return given;
  if (windows === 0) return [];
  throw new ReceiptError(
    "text",
    `the receipt's ${name} are known by their hash only (${
      hash.slice(0, 12)
    }): pass verifyReceipt(..., { ${name} })`,
  );
}

function drawn(count: number, { sample = count, seed = 0 }: VerifyOptions): number[] {
  const all = Array.from({ length: count }, (_, i) => i);
  if (sample >= count) return all;
  const random = new PythonRandom(seed);
  return Array.from({ length: sample }, () => all.splice(random.randint(0, all.length - 1), 1)[0]).sort((
    a,
    b,
  ) => a - b);
}

function coverage({ text }: Receipt, measured: readonly number[]): string {
  const always = "the receipt's agreement with itself, its source, its text and the files of its model";
  if (measured.length === 0) return `${always}; no window was measured again`;
  if (measured.length === text.windows) {
    return `${always}; all ${text.windows} windows, measured again bit for bit`;
  }
  return `${always}; every field, and the digests of ${measured.length} of ${text.windows} windows (${
    measured.join(", ")
  }), ` +
    "which were measured again bit for bit; of the other windows' digests and of the hash of all logits nothing is said";
}
