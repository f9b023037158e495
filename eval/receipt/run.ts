/** Runs what a receipt is about: the models, the text, and the passes over its windows. */
import { hashOf, sha256Hex } from "../../base/hash.ts";
import type { Device } from "../../kernels/device.ts";
import { loadModel } from "../../quant/published/load.ts";
import type { Model } from "../../model/model.ts";
import { quantize } from "../../quant/quantize.ts";
import { parseScheme, type Scheme } from "../../quant/scheme.ts";
import type { Execution } from "../../quant/weights/linear.ts";
import { addPosition, emptyRecord, type WindowRecord } from "../compare/measure.ts";
import { ReferenceRow } from "../compare/position.ts";
import { corpus, windowsHash } from "../corpus.ts";
import { windowDivergence } from "../metrics/divergence.ts";
import { negativeLogLikelihood } from "../metrics/perplexity.ts";
import { sourceHash } from "../store/key.ts";
import type { TokenWindows } from "../windows.ts";
import type { ModelClaim, ReceiptText, TextClaim, WindowClaim } from "./receipt.ts";

/** What was found on a window, with the hash of its logits. */
export interface MeasuredWindow extends WindowClaim {
  /** SHA-256 of the float32 logits. */
  readonly logits: string;
  /** What a comparison knows of its positions; null without a reference. */
  readonly record: WindowRecord | null;
}

/** Hash of the code that a receipt's numbers come from. */
export function receiptCode(): Promise<string> {
  return sourceHash(["eval/receipt/run.ts"]);
}

/** Windows of a text, cut with a model's tokenizer. */
export async function windowsOf(text: ReceiptText | TokenWindows, model: Model): Promise<TokenWindows> {
  if (!("name" in text)) return text;
  const { name, ...options } = text;
  return await corpus(name, { ...options, tokenizer: model.tokenizer });
}

/** What a receipt says of windows. */
export function claimOf(text: ReceiptText | TokenWindows, windows: TokenWindows): TextClaim {
  return { from: "name" in text ? text : null, hash: windowsHash(windows), windows: windows.length };
}

/** A model as it runs, with what a receipt says of it. */
export interface RanModel extends Disposable {
  readonly model: Model;
  readonly claim: ModelClaim;
}

/** Loads and quantizes a model. */
export async function openModel(
  float: Model,
  specifier: string,
  given: Scheme,
  options: { readonly calibration: TokenWindows; readonly execution: Execution },
): Promise<RanModel> {
  const scheme = parseScheme(given), model = await quantize(float, scheme, options);
  const claim = { specifier, files: await float.hash(), scheme, model: await model.hash() };
  return { model, claim, [Symbol.dispose]: () => model[Symbol.dispose]() };
}

/** Opens the files of a specifier; nothing but shapes is read. */
export function openFiles(specifier: string, device: Device): Promise<Model> {
  return loadModel(specifier, { device });
}

/** One pass over a window of tokens, of the model and of its reference. */
export async function measureReceiptWindow(
  model: Model,
  reference: Model | null,
  ids: Int32Array,
): Promise<MeasuredWindow> {
  const width = (one: Model) => one.architecture.vocabularySize;
  const ours = await passOf(model, ids), { hash: logits, logProbabilities } = ours;
  const other = reference === null ? null : await passOf(reference, ids);
  const widths = [width(reference ?? model), width(model)] as const;
  const compared = other === null ? null : windowDivergence(other.logProbabilities, logProbabilities, widths);
  return {
    record: other === null ? null : recordOf(other.values, ours.values, ids, widths),
    loss: negativeLogLikelihood(logProbabilities, ids),
    divergence: compared?.kl ?? null,
    agreement: compared?.agreement ?? null,
    logits,
  };
}

async function passOf(model: Model, ids: Int32Array) {
  const { device } = model;
  let hash = "", logProbabilities = new Float32Array(0), values = new Float32Array(0);
  await model.forEachLogits([ids], async (logits) => {
    values = Float32Array.from(await device.read(logits));
    hash = sha256Hex(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    device.logSoftmax(logits, logits, ids.length, model.architecture.vocabularySize);
    logProbabilities = Float32Array.from(await device.read(logits));
  });
  return { hash, logProbabilities, values };
}

function recordOf(
  reference: Float32Array,
  model: Float32Array,
  ids: Int32Array,
  [width, modelWidth]: readonly [number, number],
): WindowRecord {
  const row = new ReferenceRow(Math.min(width, modelWidth)), record = emptyRecord(ids.length);
  for (let t = 0; t < ids.length; t++) {
    const next = t + 1 < ids.length ? ids[t + 1] : undefined;
    row.set(reference.subarray(t * width, (t + 1) * width), next);
    addPosition(record, t, row, model.subarray(t * modelWidth, (t + 1) * modelWidth), next);
  }
  return record;
}

/** The hash of all logits from those of the windows. */
export function hashOfLogits(windows: readonly MeasuredWindow[]): string {
  return hashOf(windows.map(({ logits }) => logits));
}
