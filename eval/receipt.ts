/**
 * Receipts: a measured number with the hashes of all that it comes from, such that it can be measured again, in whole or in part, and
 * that what was changed afterwards is found.
 */
import { runtimeVersions } from "../base/environment.ts";
import { defaultDevice } from "../kernels/default.ts";
import type { Device } from "../kernels/device.ts";
import type { Scheme } from "../quant/scheme.ts";
import type { Execution } from "../quant/weights/linear.ts";
import { digestOf, type Receipt, type ReceiptBody, type ReceiptText, sealOf } from "./receipt/receipt.ts";
import {
  claimOf,
  hashOfLogits,
  type MeasuredWindow,
  measureReceiptWindow,
  openFiles,
  openModel,
  receiptCode,
  windowsOf,
} from "./receipt/run.ts";
import { claimOfRow } from "./receipt/row.ts";
import { comparisonOf, valueOf } from "./receipt/value.ts";
import type { Row } from "./sweep/cell.ts";
import { requireWindows, type TokenWindows } from "./windows.ts";

/** What a receipt is wanted of. */
export interface ReceiptRun {
  /** A specifier for `loadModel`. */
  readonly model: string;
  /** What is done to the model (default: nothing). */
  readonly scheme?: Scheme;
  /** The text to measure on; of token ids the receipt has the hash only, and who verifies it has to bring them. */
  readonly text: ReceiptText | TokenWindows;
  /** The text that methods calibrate on. */
  readonly calibration?: ReceiptText | TokenWindows;
  /** What predictions are compared with, such as the float model (default: nothing). */
  readonly reference?: { readonly model: string; readonly scheme?: Scheme };
  /** How quantized weights are multiplied (default `"simulated"`). */
  readonly execution?: Execution;
  /** The row of a sweep that these numbers have to be: with `reference`, the float model, and the sweep's own windows. */
  readonly row?: Row;
  /** Where models run (default: the process's device). */
  readonly device?: Device;
}

/**
 * Measures perplexity, and with a reference divergence, and writes the receipt of it (`writeNumbers` makes it JSON).
 *
 * @throws {ReceiptError} `row`, where the row of a sweep is of another run or has other numbers
 * @throws {CorpusError} or {SchemeError}, as `corpus` and `quantize` do
 *
 * @example
 * ```ts
 * import { rtn } from "quantbook";
 * import { makeReceipt, verifyReceipt } from "quantbook/eval";
 * import { assertEquals } from "@std/assert";
 *
 * const text = { name: "sotu", windows: 4, length: 32 };
 * const receipt = await makeReceipt({ model: "fixture:llama", scheme: { weights: rtn({ bits: 4 }) }, text });
 * const whole = await verifyReceipt(receipt);
 * assertEquals([whole.verdict, whole.problems], ["confirmed", []]);
 *
 * const better = { ...receipt, value: { ...receipt.value, perplexity: { ...receipt.value.perplexity, value: 20 } } };
 * assertEquals((await verifyReceipt(better, { sample: 1 })).verdict, "refuted");
 * ```
 */
export async function makeReceipt(run: ReceiptRun): Promise<Receipt> {
  const device = run.device ?? await defaultDevice(), { execution = "simulated", scheme = {} } = run;
  using files = await openFiles(run.model, device);
  const windows = await windowsOf(run.text, files);
  requireWindows(windows, files);
  const given = run.calibration ?? [], calibration = await windowsOf(given, files);
  const start = performance.now();
  using ran = await openModel(files, run.model, scheme, { calibration, execution });
  const of = run.reference;
  using other = of === undefined ? null : await openFiles(of.model, device);
  using reference = of === undefined || other === null
    ? null
    : await openModel(other, of.model, of.scheme ?? {}, { calibration, execution });
  const middle = performance.now(), found: MeasuredWindow[] = [];
  for (const ids of windows) found.push(await measureReceiptWindow(ran.model, reference?.model ?? null, ids));
  const end = performance.now();
  const value = valueOf(found, windows);
  const ofRow = { files, scheme, windows, calibration, execution };
  const row = run.row && await claimOfRow(run.row, ofRow, ran.model, value);
  const body: ReceiptBody = {
    quantbookReceipt: 1,
    value: { ...value, comparison: comparisonOf(found) },
    ...row && { row },
    windows: found.map(({ loss, divergence, agreement }) => ({ loss, divergence, agreement })),
    model: ran.claim,
    reference: reference?.claim ?? null,
    text: claimOf(run.text, windows),
    calibration: claimOf(given, calibration),
    execution,
    source: await receiptCode(),
    device: { name: device.name, description: device.description, threads: device.threads },
    versions: runtimeVersions(),
    seed: "name" in run.text ? run.text.seed ?? null : null,
    seconds: { quantize: (middle - start) / 1000, evaluate: (end - middle) / 1000 },
    peakBytes: device.memory.peak,
    logits: hashOfLogits(found),
  };
  const digests = found.map(({ logits }, i) => digestOf(body, i, logits));
  return { ...body, digests, seal: sealOf(body, digests) };
}
