/** The positions of a window as a stored value, and back. */
import { isJsonObject } from "../../base/json.ts";
import { ResultsError } from "../store/contract.ts";
import type { WindowRecord } from "./measure.ts";

/** What is stored of a candidate on one window: numbers are little-endian float64 in base64. */
export interface StoredRecord {
  /** Positions by name. */
  readonly positions: Readonly<Record<string, string>>;
  /** Measured storage of the candidate's linear layers, in bytes. */
  readonly bytes: number;
  /** The same in bits per weight. */
  readonly bitsPerWeight: number;
  /** Seconds that the window took, all models together. */
  readonly seconds: number;
}

const fields = ["divergence", "confidence", "referenceSurprise", "surprise", "top1", "top5"] as const;

/** The positions as base64. */
export function encoded(record: WindowRecord): StoredRecord["positions"] {
  return Object.fromEntries(fields.map((name) => [name, base64(record[name])]));
}

/**
 * Reads a stored value.
 *
 * @param tokens positions that it must have
 * @throws {ResultsError} `corrupt`
 */
export function decoded(value: unknown, tokens: number, where: string): WindowRecord & StoredRecord {
  const corrupt = (what: string): never => {
    throw new ResultsError("corrupt", `${where}: ${what}: delete it to measure again`);
  };
  if (!isJsonObject(value) || !isJsonObject(value.positions)) return corrupt("no positions");
  const { positions, bytes, bitsPerWeight, seconds } = value;
  const number = (one: unknown, name: string) =>
    typeof one === "number" ? one : corrupt(`${name} is no number`);
  const array = (name: typeof fields[number]) => {
    const text = positions[name];
    if (typeof text !== "string") return corrupt(`no ${name}`);
    let data: Uint8Array<ArrayBuffer>;
    try {
      data = Uint8Array.fromBase64(text);
    } catch {
      return corrupt(`${name} is not base64`);
    }
    if (data.length !== 8 * tokens) return corrupt(`${name} has ${data.length} bytes, not ${8 * tokens}`);
    const view = new DataView(data.buffer, data.byteOffset);
    return Float64Array.from({ length: tokens }, (_, i) => view.getFloat64(8 * i, true));
  };
  return {
    divergence: array("divergence"),
    confidence: array("confidence"),
    referenceSurprise: array("referenceSurprise"),
    surprise: array("surprise"),
    top1: array("top1"),
    top5: array("top5"),
    positions: {},
    bytes: number(bytes, "bytes"),
    bitsPerWeight: number(bitsPerWeight, "bitsPerWeight"),
    seconds: number(seconds, "seconds"),
  };
}

function base64(values: Float64Array): string {
  const data = new Uint8Array(8 * values.length), view = new DataView(data.buffer);
  for (const [i, value] of values.entries()) view.setFloat64(8 * i, value, true);
  return data.toBase64();
}
