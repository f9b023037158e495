/** A cell of a sweep, its row, and the hash of all that determines it. */
import type { Device } from "../../kernels/device.ts";
import type { Execution } from "../../quant/weights/linear.ts";
import type { Scheme } from "../../quant/scheme.ts";
import type { Measurement } from "../metrics/measure.ts";
import { hashOf } from "../../base/hash.ts";
import type { OwnCode } from "../../quant/quantize/code.ts";
import { ResultsError, type ResultsStore } from "../store/contract.ts";
import { sourceHash } from "../store/key.ts";
import type { TokenWindows } from "../windows.ts";

/** One thing to measure. */
export interface Cell {
  /** A specifier for `loadModel`. */
  readonly model: string;
  /** `{}` is the float model. */
  readonly scheme: Scheme;
  /** Name of the cell in tables. */
  readonly label: string;
}

/** A measured cell. */
export interface Row extends Cell, Measurement {
  /** Measured storage of the linear layers, in bits per weight. */
  readonly bitsPerWeight: number;
  /** Measured storage of the whole model (embedding, output projection, norms and biases, too), in bits per parameter. */
  readonly modelBitsPerWeight: number;
  /** Hash of all that determines the values above. */
  readonly key: string;
  /** Time that quantization and evaluation took when they were measured; weights shared with other cells count in each. */
  readonly seconds: { readonly quantize: number; readonly evaluate: number };
  /** Most bytes that the device held. */
  readonly peakBytes: number;
  /** What it was measured on. */
  readonly device: string;
  /** What the model's files say that was not used, where they say anything. */
  readonly notices?: readonly string[];
}

/** What a sweep runs with. */
export interface SweepOptions {
  /** Windows that are scored. */
  readonly windows: TokenWindows;
  /** Windows for methods that calibrate. */
  readonly calibration?: TokenWindows;
  /** How quantized weights are multiplied (default `"simulated"`): results agree, times and memory do not. */
  readonly execution?: Execution;
  /**
   * Where rows are stored: a directory or `s3://bucket/prefix` (default `QUANTBOOK_CACHE` or `.quantbook/results`); null
   * stores nothing.
   */
  readonly results?: string | null;
  /**
   * Whether a row that is not stored is an error instead of being measured (default: when `QUANTBOOK_STORED` or
   * `QUANTBOOK_PLAN` is set; the latter names a file to which the arguments of such a sweep are written).
   */
  readonly storedOnly?: boolean;
  /** Where models run (default: the process's device). */
  readonly device?: Device;
  /** Called after each cell. */
  readonly onRow?: (row: Row, done: number, total: number, cached: boolean) => void;
}

/** Hash of the code that measures a cell. */
export function measuringCode(): Promise<string> {
  return sourceHash(["eval/sweep/measurement.ts"]);
}

/** All that determines the values of a row; models and token windows by their hashes. */
export interface Determinants {
  /** Of the code that measures. */
  readonly code: string;
  /** Name of the device. */
  readonly device: string;
  /** How quantized weights are multiplied; simulated when absent. */
  readonly execution?: Execution;
  /** Of the scored windows. */
  readonly windows: string;
  /** Of the windows for methods that calibrate. */
  readonly calibration: string;
  /** Of the float model. */
  readonly model: string;
  /** With all defaults filled in. */
  readonly scheme: Scheme;
  /** Of the registered methods in the scheme, by name. */
  readonly methods: Readonly<Record<string, string>>;
}

/** The hash that a cell's row is stored under. */
export function cellKey(
  { code, device, execution, windows, calibration, model, scheme, methods }: Determinants,
): string {
  const packed = execution === "packed" ? { execution } : {};
  const own = Object.keys(methods).length > 0 ? { methods } : {};
  return hashOf({ code, device, windows, ...packed, calibration, model, scheme, ...own });
}

/**
 * Where the row of a cell is stored: nowhere if a method of its scheme has neither version nor source, since nobody could tell the row from
 * that of another version.
 *
 * @throws {ResultsError} `missing`, where only a stored row will do
 */
export function storeOf(
  store: ResultsStore | null,
  { unknown }: OwnCode,
  { what, storedOnly }: { readonly what: string; readonly storedOnly: boolean },
): ResultsStore | null {
  if (store === null || unknown.length === 0) return store;
  if (!storedOnly) return null;
  throw new ResultsError(
    "missing",
    `${what}: method ${unknown[0]} has neither version nor source, so no row of it is stored`,
  );
}

/** Hash of token windows, as keys contain it. */
export function hashTokens(windows: TokenWindows): string {
  return hashOf(windows.map((ids) => Array.from(ids)));
}
