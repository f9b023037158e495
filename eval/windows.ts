/** Token windows, and what every function that takes them demands of them. */
import type { Model } from "../model/model.ts";
import { QuantbookError } from "../base/error.ts";

/** Token windows, and functions that take windows also take plain `Int32Array[]`. */
export type TokenWindows = readonly Int32Array[];

/** Throws unless every window has at least two tokens, and those of a `corpus` come from the model's own vocabulary. */
export function requireWindows(windows: TokenWindows, model?: Model): void {
  const ours = model?.tokenizer.vocabularySize;
  if (ours !== undefined && "vocabularySize" in windows && windows.vocabularySize !== ours) {
    throw new CorpusError(
      "option",
      `windows were cut with a tokenizer of ${windows.vocabularySize} tokens, ${model?.name} has ${ours}: ` +
        "pass corpus(..., { tokenizer: model.tokenizer })",
    );
  }
  if (windows.length === 0) {
    throw new CorpusError("empty", "windows is empty: expected at least one window of tokens");
  }
  const short = windows.findIndex((ids) => ids.length < 2);
  if (short >= 0) {
    throw new CorpusError(
      "length",
      `windows[${short}] has ${windows[short].length} tokens: expected at least 2`,
    );
  }
}

/**
 * Text is missing or does not give the windows asked for. Codes: `"missing"` (no such file), `"name"` (unknown corpus),
 * `"empty"`, `"length"` (too short, or a window length that is not accepted), `"split"`, `"encoding"` (not UTF-8),
 * `"option"`.
 */
export class CorpusError extends QuantbookError {}
