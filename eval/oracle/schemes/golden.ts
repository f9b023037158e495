/** What readers of stored results (`golden/methods2`) take and give. */
import type { RawTensor } from "../../../model/safetensors.ts";
import type { Scheme } from "../../../quant/scheme.ts";
import { OracleError } from "../error.ts";

/** What of a stored result says how it was made. */
export interface GoldenResult {
  /** Such as `"mxfp4.wa.rceil"`: the grammar stands in the README of its group. */
  readonly id: string;
  /** As the group calls it. */
  readonly method: string;
  /** The original code's settings. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The model that it was run on: `"llama"`, `"opt"`. */
  readonly model: string;
}

/** What reproduces a result. */
export interface GoldenRun {
  /** For {@linkcode quantize}. */
  readonly scheme: Scheme;
  /** How many of the stored calibration windows, from the first on, the original was given. */
  readonly calibrationWindows: number;
}

/** Reads the results of one method; `tensor` throws where a stored tensor is needed and was not given, `tensors` are all that were. */
export type GoldenReader = (
  result: GoldenResult,
  tensor: (name: string) => RawTensor,
  tensors: ReadonlyMap<string, RawTensor> | undefined,
) => GoldenRun;

/** The error of an id that the suite does not do. */
export function unknownId({ id }: GoldenResult, expected: string): OracleError {
  return new OracleError("id", `${id} is not known: expected ${expected}`);
}
