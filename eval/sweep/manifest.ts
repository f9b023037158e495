/**
 * A sweep written down: one line of JSON per cell, with the hash that its result is stored under. Token windows stand in
 * lines of their own, so that a worker needs the manifest and the model, and no corpus.
 */
import { QuantbookError } from "../../base/error.ts";
import { isJsonObject, type JsonObject, parseJson, readNumbers, writeNumbers } from "../../base/json.ts";
import type { Execution } from "../../quant/weights/linear.ts";
import { parseScheme } from "../../quant/scheme.ts";
import { SchemeError } from "../../quant/error.ts";
import { type Cell, hashTokens } from "./cell.ts";
import type { TokenWindows } from "../windows.ts";
import type { Cost } from "../cost.ts";

/**
 * A manifest or a shard is wrong, or does not fit this machine: `"format"` (naming the line), `"shard"`, `"changed"` (code,
 * device or model are not those that the sweep was planned with), `"grid"` (a grid lacks its settings).
 */
export class SweepError extends QuantbookError {
  /** What went wrong, stable across releases. */
  declare readonly code: "format" | "shard" | "changed" | "grid";
}

/** A cell with all that it is measured with. */
export interface PlannedCell extends Cell {
  /** What its row is stored under. */
  readonly key: string;
  /** Hash of the windows that are scored. */
  readonly windows: string;
  /** Hash of the windows for methods that calibrate; of no windows when there are none. */
  readonly calibration: string;
  /** How quantized weights are multiplied. */
  readonly execution: Execution;
  /** What it is expected to take. */
  readonly predicted: Cost;
}

/** A sweep that any machine with the same code and models can run. */
export interface Manifest {
  /** Hash of the code that it was planned with. */
  readonly code: string;
  /** Name of the device that it was planned for, such as `"cpu"`. */
  readonly device: string;
  /** Token windows by their hash. */
  readonly tokens: ReadonlyMap<string, TokenWindows>;
  /** In the order of the tables. */
  readonly cells: readonly PlannedCell[];
}

/** The manifest as JSON Lines: a line about code and device, the token windows, the cells. */
export function formatManifest({ code, device, tokens, cells }: Manifest): string {
  const lines: unknown[] = [
    { code, device },
    ...Array.from(
      tokens,
      ([hash, windows]) => ({ tokens: hash, windows: windows.map((ids) => Array.from(ids)) }),
    ),
    ...cells,
  ];
  return lines.map((line) => writeNumbers(line) + "\n").join("");
}

/**
 * Reads a manifest.
 *
 * @throws {SweepError} `format`, naming the line
 */
export function parseManifest(text: string): Manifest {
  const [head, ...rest] = text.split("\n").map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => line.trim() !== "").map(({ line, number }) => ({
      number,
      value: parseLine(line, number),
    }));
  if (head === undefined) {
    throw new SweepError("format", "the manifest is empty: expected a line about code and device");
  }
  const tokens = new Map<string, TokenWindows>();
  const cells: PlannedCell[] = [];
  const keys = new Set<string>();
  for (const { number, value } of rest) {
    if ("tokens" in value) {
      const hash = textOf(value, "tokens", number), windows = parseWindows(value, number);
      if (hashTokens(windows) !== hash) {
        throw new SweepError("format", `line ${number}: the windows are not those of hash ${hash}`);
      }
      tokens.set(hash, windows);
      continue;
    }
    const cell = parseCell(value, number);
    for (const name of ["windows", "calibration"] as const) {
      if (!tokens.has(cell[name])) {
        throw new SweepError(
          "format",
          `line ${number}: no line above has the tokens ${cell[name]} (${name})`,
        );
      }
    }
    if (keys.has(cell.key)) {
      throw new SweepError("format", `line ${number}: a second cell with key ${cell.key}`);
    }
    keys.add(cell.key);
    cells.push(cell);
  }
  return {
    code: textOf(head.value, "code", head.number),
    device: textOf(head.value, "device", head.number),
    tokens,
    cells,
  };
}

function parseLine(line: string, number: number): JsonObject {
  let value: unknown;
  try {
    parseJson(line);
    value = readNumbers(line);
  } catch (cause) {
    throw new SweepError(
      "format",
      `line ${number} is not JSON: ${cause instanceof Error ? cause.message : cause}`,
      {
        cause,
      },
    );
  }
  if (!isJsonObject(value)) throw new SweepError("format", `line ${number} is no object`);
  return value;
}

function textOf(value: JsonObject, name: string, number: number): string {
  const found = value[name];
  if (typeof found === "string") return found;
  throw new SweepError("format", `line ${number}: ${name} is ${JSON.stringify(found)}: expected a string`);
}

function parseWindows({ windows }: JsonObject, number: number): Int32Array[] {
  const good = Array.isArray(windows) &&
    windows.every((ids) =>
      Array.isArray(ids) && ids.every((id) => Number.isInteger(id) && id >= 0 && id < 2 ** 31)
    );
  if (!good) throw new SweepError("format", `line ${number}: windows must be lists of token ids`);
  return windows.map((ids) => Int32Array.from(ids));
}

function parseCell(value: JsonObject, number: number): PlannedCell {
  const { execution, predicted } = value;
  if (execution !== "simulated" && execution !== "packed") {
    throw new SweepError(
      "format",
      `line ${number}: execution is ${JSON.stringify(execution)}: expected "simulated" or "packed"`,
    );
  }
  const { seconds, bytes } = isJsonObject(predicted) ? predicted : {};
  if (typeof seconds !== "number" || typeof bytes !== "number" || !(seconds > 0 && bytes > 0)) {
    throw new SweepError("format", `line ${number}: predicted must have seconds and bytes above 0`);
  }
  const key = textOf(value, "key", number);
  if (!/^[0-9a-f]{64}$/.test(key)) {
    throw new SweepError("format", `line ${number}: key is ${JSON.stringify(key)}: expected a SHA-256`);
  }
  try {
    return {
      key,
      model: textOf(value, "model", number),
      label: textOf(value, "label", number),
      scheme: parseScheme(value.scheme),
      windows: textOf(value, "windows", number),
      calibration: textOf(value, "calibration", number),
      execution,
      predicted: { seconds, bytes },
    };
  } catch (cause) {
    if (!(cause instanceof SchemeError)) throw cause;
    throw new SweepError("format", `line ${number}: ${cause.message}`, { cause });
  }
}
