/** A model, quantized where there is a scheme, written where the call says. */
import { readBytes, statOf } from "../base/file.ts";
import { sha256Hex } from "../base/hash.ts";
import { perplexity, perplexityInterval } from "../eval/metrics/perplexity.ts";
import type { Model } from "../model/model.ts";
import { type ExportFormat, exportModel } from "../quant/formats/export.ts";
import { writeScheme } from "../quant/notation/scheme.ts";
import { quantize } from "../quant/quantize.ts";
import { resumeLimit } from "../quant/quantize/resume.ts";
import type { Scheme } from "../quant/scheme.ts";
import { weightStorage } from "../quant/weights/linear.ts";
import { sizes } from "../quant/weights/sizes.ts";
import type { Measured } from "../quant/formats/recipe.ts";
import { calibrationOf, modelOf, windowsOf, wordOf } from "./model_options.ts";
import { bytes } from "./output.ts";
import type { Call } from "./verb.ts";

/** Quantizes, writes, and says what was written. */
export async function writeModel(call: Call, scheme: Scheme, directory: string): Promise<number> {
  const { out } = call, format = (call.text("format") ?? "gguf") as ExportFormat;
  using model = await modelOf(call, wordOf(call, "MODEL"));
  const plain = Object.keys(scheme).length === 0;
  const calibration = plain ? [] : await calibrationOf(call, model), resume = call.text("resume");
  if (resume !== undefined && !plain) {
    const most = resumeLimit(model, scheme, calibration);
    out.note(`finished layers are kept in ${resume}: at most ${bytes(most)}`);
  }
  using quantized = plain ? null : await quantize(model, scheme, {
    calibration,
    resume,
    onProgress: (_, share) => share && out.progress("quantizing", share),
  });
  const path = call.text("receipt"), receipt = path && `SHA-256 ${sha256Hex(await readBytes(path))}`;
  const written = quantized ?? model, metrics = await measuredOf(call, written);
  const file = await exportModel(written, directory, {
    format,
    scheme: writeScheme(scheme),
    metrics,
    ...receipt !== undefined && { receipt },
  });
  const size = (await statOf(file))?.size ?? 0, storage = weightStorage(written);
  const { model: whole } = sizes(written);
  const result = {
    model: model.name,
    scheme: writeScheme(scheme),
    format,
    file,
    bytes: size,
    storage,
    whole,
  };
  out.result(result, () => [
    `${file}, ${bytes(size)}`,
    `${result.scheme}, ${storage.bitsPerWeight.toFixed(3)} bits per weight in linear layers, ${
      whole.bitsPerWeight.toFixed(3)
    } in the whole model`,
  ]);
  return 0;
}

/** What the card and the files are to say of the model, where it is asked for. */
async function measuredOf(call: Call, model: Model): Promise<Record<string, Measured>> {
  if (!call.flag("measure")) return {};
  const windows = await windowsOf(call, model), found = await perplexity(model, windows), level = 0.95;
  const interval = perplexityInterval(found, level);
  return { [`perplexity, ${windows.description}`]: { value: found.value, interval, level } };
}
