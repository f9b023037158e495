/** Options that verbs share: a model, a scheme, a text to measure on, a text to calibrate on. */
import { exists, readText } from "../base/file.ts";
import { corpus, type CorpusWindows } from "../eval/corpus.ts";
import { loadModel } from "../quant/published/load.ts";
import type { ReceiptText } from "../eval/receipt/receipt.ts";
import type { Model } from "../model/model.ts";
import { readPart } from "../quant/notation/part.ts";
import { readScheme } from "../quant/notation/scheme.ts";
import { parseScheme, type Scheme } from "../quant/scheme.ts";
import { UsageError } from "./command_line.ts";
import { schemeParts } from "./shared_options.ts";
import { bytes as bytesText } from "./output.ts";
import type { Call } from "./verb.ts";

/** The scheme of a call: `--scheme`, with the parts that are given one by one in place of its own. */
export async function schemeOf(call: Call): Promise<Scheme> {
  const whole = call.text("scheme"), base = whole === undefined ? {} : readScheme(await schemeSource(whole));
  const parts: Record<string, unknown> = {};
  for (const [option, part] of Object.entries(schemeParts)) {
    const text = call.text(option);
    if (text === undefined) continue;
    parts[part] = part === "transforms" ? text.split("+").map(readPart) : readPart(text);
  }
  return parseScheme({ ...base, ...parts });
}

/** The text of a scheme: given, or in a file. */
export async function schemeSource(text: string): Promise<string> {
  const file = /^[^={]+\.(?:json|txt)$/.test(text) || await exists(text);
  return file ? await readText(text) : text;
}

/** The model of a call, what its files say that was not used told beside the result. */
export async function modelOf(call: Call, specifier: string): Promise<Model> {
  const model = await loadModel(specifier, {
    streaming: call.flag("streaming"),
    strict: call.flag("strict"),
    onDownload: ({ file, bytes, total }) => call.out.progress(file, { done: bytes, total }, bytesText),
  });
  for (const notice of model.notices) call.out.note(notice);
  return model;
}

/** The text that is measured, as data. */
export function measuredText(call: Call, { architecture }: Model): ReceiptText {
  return {
    name: call.text("text") ?? "sotu",
    length: call.count("length", 2) ?? Math.min(512, architecture.maxPositions),
    windows: call.count("windows") ?? 16,
  };
}

/** The windows that are measured. */
export async function windowsOf(call: Call, model: Model): Promise<CorpusWindows> {
  const { name, ...options } = measuredText(call, model);
  return await corpus(name, { ...options, tokenizer: model.tokenizer });
}

/** The text that methods calibrate on, as data. */
export function calibrationText(call: Call, { architecture }: Model): ReceiptText {
  return {
    name: call.text("calibration") ?? "calibration",
    length: call.count("calibration-length", 2) ?? Math.min(512, architecture.maxPositions),
    windows: call.count("calibration-windows") ?? 16,
    seed: call.count("seed", 0) ?? 0,
  };
}

/** The windows that methods calibrate on. */
export async function calibrationOf(call: Call, model: Model): Promise<CorpusWindows> {
  const { name, ...options } = calibrationText(call, model);
  return await corpus(name, { ...options, tokenizer: model.tokenizer });
}

/** The only word of a call. */
export function wordOf({ words: [word] }: Call, name: string): string {
  if (word === undefined) throw new UsageError(`${name} is missing`);
  return word;
}
