/** Holds the receipt of a task to what is measured now. */
import { QuantbookError } from "../../../base/error.ts";
import { hashOf } from "../../../base/hash.ts";
import type { Device } from "../../../kernels/device.ts";
import type { TaskData } from "../../tasks/evaluate.ts";
import { ReceiptError } from "../error.ts";
import { coverage, drawn, Findings } from "../findings.ts";
import { requireTaskReceipt } from "../read.ts";
import { digestOf, sealOf } from "../receipt.ts";
import { claimOf, openFiles, openModel } from "../run.ts";
import {
  type MeasuredDocument,
  openReceiptTask,
  type TaskReceipt,
  type TaskReceiptBody,
  taskReceiptCode,
} from "../task.ts";
import { cut, type Verification, type VerifyOptions } from "./windows.ts";

/** @throws {ReceiptError} `format`, or `text` where rows or windows are not told and not given */
export async function checkTaskReceipt(
  value: unknown,
  options: VerifyOptions,
  device: Device,
): Promise<Verification> {
  requireTaskReceipt(value);
  const findings = new Findings(), count = value.rows.documents;
  const whole = !findings.differs("count", "documents with scores", value.documents.length, count);
  const tied = !findings.differs("count", "digests", value.digests.length, count);
  const { digests, seal, ...body } = value;
  findings.differs("seal", "seal", seal, sealOf(body, digests));
  findings.differs("seed", "seed", value.seed, value.task.seed ?? null);
  findings.differs("source", "source of the code that measures", value.source, await taskReceiptCode());
  const sampled = whole && tied ? drawn(count, options.sample, options.seed) : [];
  let measured: number[] = [];
  try {
    measured = await recompute(value, body, sampled, options, device, findings);
  } catch (error) {
    if (!(error instanceof QuantbookError) || error instanceof ReceiptError && error.code !== "task") {
      throw error;
    }
    findings.problems.push({ code: "model", message: `the run cannot be repeated: ${error.message}` });
  }
  const { problems } = findings, verdict = findings.verdict(measured.length);
  return { verdict, problems, windows: measured, covers: coverage("documents", count, measured) };
}

/** Repeats the run on some documents; returns those that were measured. */
async function recompute(
  receipt: TaskReceipt,
  body: TaskReceiptBody,
  sampled: readonly number[],
  options: VerifyOptions,
  device: Device,
  findings: Findings,
): Promise<number[]> {
  const differs: Findings["differs"] = (...args) => findings.differs(...args);
  using files = await openFiles(receipt.model.specifier, device);
  const calibration = await cut(receipt.calibration, options.calibration, files, "calibration");
  const claim = claimOf(receipt.calibration.from ?? calibration, calibration);
  differs("calibration", "calibration text", receipt.calibration, claim);
  const settings = { calibration, execution: receipt.execution };
  const elsewhere = sampled.length > 0 &&
    differs("device", "device that was run on", receipt.device.name, device.name);
  const ofModel = differs("model", "files of the model", receipt.model.files, await files.hash());
  const runs = sampled.length > 0 && !elsewhere && !ofModel;
  // What is asked, and what the scores give, follow from the tokenizer and the rows: no model runs for it.
  using ran = runs
    ? await findings.opened(receipt.model, files, "model", settings)
    : await openModel(files, receipt.model.specifier, {}, { calibration: [], execution: "simulated" });
  using open = await openReceiptTask(ran.model, { ...receipt.task, data: dataOf(receipt, options) });
  const rows = { hash: open.key.examples, documents: open.placed.length };
  if (differs("text", "rows of the task", receipt.rows, rows)) return [];
  let same = true;
  for (const [i, { requests, scores }] of receipt.documents.entries()) {
    same = !differs("requests", `requests of document ${i}`, requests, open.requests(i)) && same;
    same = !differs("count", `scores of document ${i}`, scores.length, open.count(i)) && same;
  }
  if (!same) return [];
  differs("value", "value that the documents' scores give", receipt.value, open.valueOf(receipt.documents));
  if (!runs) return [];
  const found: MeasuredDocument[] = [];
  for (const i of sampled) {
    const one = await open.measure(i);
    found.push(one);
    differs("scores", `scores of document ${i}`, receipt.documents[i].scores, one.scores);
    differs("digest", `digest of document ${i}`, receipt.digests[i], digestOf(body, i, one.logits));
  }
  if (sampled.length === receipt.documents.length) {
    differs("logits", "hash of all logits", receipt.logits, hashOf(found.map(({ logits }) => logits)));
  }
  return [...sampled];
}

function dataOf(
  { task: { data } }: TaskReceipt,
  { data: given }: VerifyOptions,
): string | TaskData | undefined {
  if (data !== null) return data;
  if (given !== undefined) return given;
  throw new ReceiptError(
    "text",
    "the receipt's rows are known by their hash only: pass verifyReceipt(..., { data })",
  );
}
