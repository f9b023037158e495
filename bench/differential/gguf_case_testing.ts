/** A case of the differential test of GGUF files: what `gguf.py` says of it, and the verdict on what a reader made of it. */
import type { QuantbookError } from "../../base/error.ts";

/** A metadata value's type: gguf-py's name of it, or that of a list's elements. */
export type MetaType = string | readonly ["ARRAY", string];

/** A line of `cases.jsonl`. */
export interface GgufCase {
  readonly seed: number;
  readonly arch: string;
  readonly modelType: string;
  readonly meta: readonly (readonly [key: string, type: MetaType, value: unknown])[];
  readonly tensors: readonly (readonly [
    name: string,
    type: string,
    shape: readonly number[],
    scale: number,
    offset: number,
  ])[];
  /** Float32 vectors that are written out. */
  readonly lists: readonly (readonly [name: string, values: readonly number[]])[];
  readonly big: boolean;
  /** Tensors of a part, or 0 for one file. */
  readonly split: number;
  readonly ending: boolean;
  readonly ids: readonly number[];
  /** What must be refused by this name. */
  readonly planted: string | null;
  readonly rope: string | null;
  /** Standard deviation of the logits. */
  readonly deviation?: number;
  /** Some logits: place and value. */
  readonly probes?: readonly (readonly [place: number, value: number])[];
}

/** What came of a case. */
export type Verdict =
  | { readonly kind: "equal"; readonly distance: number }
  | { readonly kind: "refused"; readonly reason: string; readonly message: string }
  | { readonly kind: "different"; readonly message: string };

/** Logits must be within this many of their deviations. */
export const bound = 1e-4;

/** The verdict on logits, by all of the oracle's or by its probes, or on an error. */
export function judge(
  one: GgufCase,
  found: Float32Array | QuantbookError,
  expected: Float32Array | null = null,
): Verdict {
  if (!(found instanceof Float32Array)) {
    const { message } = found;
    if (one.planted !== null && !message.includes(one.planted)) {
      return { kind: "different", message: `does not name ${one.planted}: ${message}` };
    }
    return { kind: "refused", reason: one.planted ?? message.replace(/^\S+: /, ""), message };
  }
  if (one.planted !== null) return { kind: "different", message: `${one.planted} was passed over` };
  const pairs = expected === null
    ? (one.probes ?? []).map(([place, value]) => [found[place], value])
    : [...expected].map((value, i) => [found[i], value]);
  if (pairs.length === 0 || (expected !== null && expected.length !== found.length)) {
    return { kind: "different", message: `${found.length} logits, expected ${expected?.length ?? "some"}` };
  }
  const distance = Math.max(...pairs.map(([a, b]) => Math.abs(a - b))) / (one.deviation ?? 1);
  if (distance <= bound) return { kind: "equal", distance };
  return { kind: "different", message: `${distance} deviations` };
}
