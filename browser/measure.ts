/** What `quantbook/browser` does: a model from bytes to perplexity and certificate, on whatever device it is given. */
import { giveFile } from "./file.ts";
import { QuantbookError } from "../base/error.ts";
import { exists } from "../base/file.ts";
import { certify } from "../eval/metrics/certificate.ts";
import { cpuDevice } from "../kernels/cpu/device.ts";
import type { Device } from "../kernels/device.ts";
import type { Model } from "../model/model.ts";
import type { Tokenizer } from "../model/tokenizer/tokenizer.ts";
import { loadModel } from "../quant/published/load.ts";
import { quantize } from "../quant/quantize.ts";
import { describeScheme, parseScheme } from "../quant/scheme.ts";
import { weightStorage } from "../quant/weights/linear.ts";

/** The arguments of `measureInPage` are wrong: code `"option"`. */
export class BrowserError extends QuantbookError {}

/** Windows of a text. */
export interface PageText {
  /** The text; whatever the tokenizer puts before a text stands before it once. */
  readonly text: string;
  /** How many windows, from its beginning. */
  readonly windows: number;
  /** Tokens of a window. */
  readonly length: number;
}

/** What `measureInPage` measures. */
export interface PageRun {
  /**
   * Files by path: of a model directory `/model/config.json`, `/model/model.safetensors`, `/model/tokenizer.json`, or `/model.gguf`,
   * quantized by others or not; of a model of the suite `/fixtures/models/llama/config.json` and so on. They stay: a later call need not pass them.
   */
  readonly files?: Readonly<Record<string, Uint8Array<ArrayBuffer>>>;
  /** `/model`, `/model.gguf` or `fixture:llama`. */
  readonly model: string;
  /** The text that is scored. */
  readonly text: PageText;
  /** What is done to the model, as data: `{ weights: { method: "rtn", bits: 4, groupSize: 32 } }`. */
  readonly scheme: unknown;
  /** The text that methods calibrate on. */
  readonly calibration?: PageText;
  /** How far it is: what is being done, and which part of all work is done, 0 to 1. */
  readonly onProgress?: (what: string, share: number) => void;
}

/** What `measureInPage` found. */
export interface PageMeasure {
  /** `exp` of the mean negative log-likelihood. */
  readonly perplexity: number;
  /** Standard error of `perplexity`. */
  readonly standardError: number;
  /** Mean negative log-likelihood of each window, nats per token. */
  readonly windowNll: readonly number[];
  /** Bits per weight of the linear layers, scales and zero points included. */
  readonly bitsPerWeight: number;
  /** See `Certified`. */
  readonly certificate: string;
  /** The scheme in words. */
  readonly scheme: string;
}

/** How a page measures otherwise. */
export interface Otherwise {
  /** Another device than a CPU of its own. */
  readonly device?: Device;
  /** A model in the place of the one that was loaded. */
  readonly change?: (model: Model) => Model;
}

/** Loads, quantizes and measures. */
export async function measure(run: PageRun, otherwise: Otherwise = {}): Promise<PageMeasure> {
  const { files = {}, onProgress = () => {} } = run;
  for (const [path, bytes] of Object.entries(files)) {
    if (!path.startsWith("/") || !(bytes instanceof Uint8Array)) {
      throw new BrowserError("option", `files has ${path}: expected a path from / on, with a Uint8Array`);
    }
    giveFile(path, bytes);
    if (!await exists(path)) {
      throw new BrowserError(
        "option",
        `files has ${path}: only the bundled module takes files, this one reads the disk`,
      );
    }
  }
  const scheme = parseScheme(run.scheme);
  onProgress("reading the model", 0);
  const device = otherwise.device ?? await cpuDevice();
  using _own = otherwise.device === undefined ? device : null;
  using loaded = await loadModel(run.model, { device });
  const model = otherwise.change?.(loaded) ?? loaded;
  const windows = windowsOf("text", run.text, model.tokenizer);
  const calibration = run.calibration && windowsOf("calibration", run.calibration, model.tokenizer);
  // Measuring is a third of the work or more; how long a method takes is not known beforehand.
  const forMethods = Object.keys(scheme).length === 0 ? 0.1 : 0.5;
  onProgress("quantizing", 0.1);
  using quantized = await quantize(model, scheme, {
    ...calibration && { calibration },
    onProgress: (_, share) => {
      if (share !== undefined) onProgress("quantizing", 0.1 + (forMethods - 0.1) * share.done / share.total);
    },
  });
  onProgress("measuring", forMethods);
  const { value, standardError, windowNll, certificate } = await certify(
    quantized,
    windows,
    (done) => onProgress("measuring", forMethods + (1 - forMethods) * done / windows.length),
  );
  const { bitsPerWeight } = weightStorage(quantized);
  return {
    perplexity: value,
    standardError,
    windowNll,
    bitsPerWeight,
    certificate,
    scheme: describeScheme(scheme),
  };
}

/** The windows of a text; its `name` stands in errors. */
export function windowsOf(
  name: string,
  { text, windows, length }: PageText,
  tokenizer: Tokenizer,
): Int32Array[] {
  for (const [field, value] of [["windows", windows], ["length", length]] as const) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new BrowserError("option", `${name}.${field} is ${value}: expected an integer from 1`);
    }
  }
  if (typeof text !== "string") {
    throw new BrowserError("option", `${name}.text is ${typeof text}: expected a string`);
  }
  const ids = tokenizer.encode(text);
  if (ids.length < windows * length) {
    throw new BrowserError(
      "option",
      `${name}.text has ${ids.length} tokens: expected ${windows} windows of ${length}`,
    );
  }
  return Array.from({ length: windows }, (_, i) => ids.subarray(i * length, (i + 1) * length));
}
