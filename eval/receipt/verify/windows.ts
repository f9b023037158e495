/** Holds a receipt to what is measured now. */
import { QuantbookError } from "../../../base/error.ts";
import type { Device } from "../../../kernels/device.ts";
import type { Model } from "../../../model/model.ts";
import type { TaskData } from "../../tasks/evaluate.ts";
import { requireWindows, type TokenWindows } from "../../windows.ts";
import { ReceiptError } from "../error.ts";
import { coverage, drawn, Findings, type ReceiptProblem } from "../findings.ts";
import { requireReceipt } from "../read.ts";
import { digestOf, type Receipt, type ReceiptBody, sealOf, type TextClaim } from "../receipt.ts";
import { keyOfRow, storageOfRow } from "../row.ts";
import {
  claimOf,
  hashOfLogits,
  type MeasuredWindow,
  measureReceiptWindow,
  openFiles,
  receiptCode,
  windowsOf,
} from "../run.ts";
import { comparisonOf, valueOf } from "../value.ts";

/** How a receipt is verified. */
export interface VerifyOptions {
  /** Windows, of a task documents, to measure again, drawn at random (default: all); 0 holds the receipt to itself and runs no model. */
  readonly sample?: number;
  /** Seed of the draw (default 0). */
  readonly seed?: number;
  /** The scored windows, where the receipt does not say how to cut them. */
  readonly windows?: TokenWindows;
  /** The windows that methods calibrate on, where the receipt does not say how to cut them. */
  readonly calibration?: TokenWindows;
  /** The rows of a task, where the receipt does not say where they lie. */
  readonly data?: string | TaskData;
  /** Where models run (default: the process's device). */
  readonly device?: Device;
}

/** What came of a verification. */
export interface Verification {
  /** `confirmed` where windows were measured again and nothing disagrees, `consistent` where none was, or `refuted`. */
  readonly verdict: "confirmed" | "consistent" | "refuted";
  /** All that disagrees. */
  readonly problems: readonly ReceiptProblem[];
  /** Which windows, of a task which documents, were measured again, in order. */
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
  const findings = new Findings(), count = value.text.windows;
  const whole = !findings.differs("count", "windows with a loss", value.windows.length, count);
  const tied = !findings.differs("count", "digests", value.digests.length, count);
  const { digests, seal, ...body } = value;
  findings.differs("seal", "seal", seal, sealOf(body, digests));
  findings.differs("seed", "seed", value.seed, value.text.from?.seed ?? null);
  findings.differs("source", "source of the code that measures", value.source, await receiptCode());
  const sampled = whole && tied ? drawn(count, options.sample, options.seed) : [];
  let measured: number[] = [];
  try {
    measured = await recompute(value, body, sampled, options, device, findings);
  } catch (error) {
    if (!(error instanceof QuantbookError) || error instanceof ReceiptError) throw error;
    findings.problems.push({ code: "model", message: `the run cannot be repeated: ${error.message}` });
  }
  const { problems } = findings, verdict = findings.verdict(measured.length);
  return { verdict, problems, windows: measured, covers: coverage("windows", count, measured) };
}

/** Repeats the run on some windows; returns those that were measured. */
async function recompute(
  receipt: Receipt,
  body: ReceiptBody,
  sampled: readonly number[],
  options: VerifyOptions,
  device: Device,
  findings: Findings,
): Promise<number[]> {
  const differs: Findings["differs"] = (...args) => findings.differs(...args);
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
  const { row, execution, model: { scheme } } = receipt;
  if (row !== undefined) {
    const run = { files, scheme, windows, calibration, execution };
    // A row of another device is of another key; that the device differs is said below.
    if (receipt.device.name === device.name) differs("row", "key of the row", row.key, await keyOfRow(run));
  }
  const ofModel = differs("model", "files of the model", receipt.model.files, await files.hash());
  if (sampled.length === 0 || !sameText || ofModel) return [];
  if (differs("device", "device that was run on", receipt.device.name, device.name)) return [];
  const settings = { calibration, execution };
  using ran = await findings.opened(receipt.model, files, "model", settings);
  using otherFiles = receipt.reference === null ? null : await openFiles(receipt.reference.specifier, device);
  using reference = receipt.reference === null || otherFiles === null
    ? null
    : await findings.opened(receipt.reference, otherFiles, "reference", settings);
  if (row !== undefined) differs("row", "storage of the row", row, { ...row, ...storageOfRow(ran.model) });
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

/** The windows of a claim: cut again, or given. */
export async function cut(
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
