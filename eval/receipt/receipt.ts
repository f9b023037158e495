/** What a receipt is: a measured number with all that it takes to measure it again. */
import { hashOf } from "../../base/hash.ts";
import type { CandidateSummary } from "../compare/summary.ts";
import type { CorpusOptions } from "../corpus.ts";
import type { Scheme } from "../../quant/scheme.ts";

/** A text of the suite, or a file, as windows: what `corpus` takes, as data. The tokenizer is the model's. */
export interface ReceiptText extends Omit<CorpusOptions, "tokenizer"> {
  /** A name or a path, as `corpus` takes it. */
  readonly name: string;
}

/** Windows by where they come from and by their hash. */
export interface TextClaim {
  /** How to cut them again; null where they were given as token ids. */
  readonly from: ReceiptText | null;
  /** SHA-256 of the token ids. */
  readonly hash: string;
  /** How many windows. */
  readonly windows: number;
}

/** A model by its files and by what was done to it. */
export interface ModelClaim {
  /** The specifier that it was loaded from. */
  readonly specifier: string;
  /** Hash of the model in its files. */
  readonly files: string;
  /** With all defaults filled in. */
  readonly scheme: Scheme;
  /** Hash of the model as it ran: of the files, the scheme, the calibration text and the code of registered methods. */
  readonly model: string;
}

/** What was found on one window. */
export interface WindowClaim {
  /** Mean negative log-likelihood, in nats per token. */
  readonly loss: number;
  /** Mean KL(reference || model), in nats; null without a reference. */
  readonly divergence: number | null;
  /** Share of positions with the reference's most likely token; null without a reference. */
  readonly agreement: number | null;
}

/** What was found on all windows. */
export interface ValueClaim {
  /** Perplexity with its standard error. */
  readonly perplexity: { readonly value: number; readonly standardError: number; readonly tokens: number };
  /** Against the reference; null without one. */
  readonly divergence: {
    readonly value: number;
    readonly standardError: number;
    readonly top1Agreement: number;
  } | null;
  /** What `compare` says of the model beside the reference, by the same positions; null without one, or below 32 tokens. */
  readonly comparison: CandidateSummary | null;
}

/** The row of a sweep whose numbers a receipt has. */
export interface RowClaim {
  /** Name of the cell in tables. */
  readonly label: string;
  /** What the row is stored under: the hash of all that determines it. */
  readonly key: string;
  /** Storage of the linear layers, in bits per weight. */
  readonly bitsPerWeight: number;
  /** Storage of the whole model, in bits per parameter. */
  readonly modelBitsPerWeight: number;
}

/** All that a receipt says, but the digests that tie it to the logits. */
export interface ReceiptBody {
  /** The form of receipts: 1. */
  readonly quantbookReceipt: 1;
  /** The numbers. */
  readonly value: ValueClaim;
  /** In order. */
  readonly windows: readonly WindowClaim[];
  /** The row of a sweep, where it is one's. */
  readonly row?: RowClaim;
  /** What was measured. */
  readonly model: ModelClaim;
  /** What its predictions are compared with; null where nothing is. */
  readonly reference: ModelClaim | null;
  /** The windows. */
  readonly text: TextClaim;
  /** The windows that methods calibrated on. */
  readonly calibration: TextClaim;
  /** How quantized weights were multiplied. */
  readonly execution: "simulated" | "packed";
  /** SHA-256 of the source files that measured. */
  readonly source: string;
  /** What it ran on. */
  readonly device: { readonly name: string; readonly description: string; readonly threads: number };
  /** Of the runtime and of its parts, and the machine's kind. */
  readonly versions: Readonly<Record<string, string>>;
  /** The seed that windows were drawn with; null where none was. */
  readonly seed: number | null;
  /** Seconds of quantization and of the passes. */
  readonly seconds: { readonly quantize: number; readonly evaluate: number };
  /** Most bytes that the device held. */
  readonly peakBytes: number;
  /** SHA-256 of the logits of all windows: float32, little-endian. */
  readonly logits: string;
}

/** A receipt. */
export interface Receipt extends ReceiptBody {
  /**
   * Of each window, the hash of all the fields above together with that window's logits. Logits are printed nowhere, so nobody can
   * change a field and make digests that fit without running the model again.
   */
  readonly digests: readonly string[];
  /** Hash of all fields above: what an accident changed is found without a model. */
  readonly seal: string;
}

/** The digest of a window, or of a task's document. */
export function digestOf(body: object, window: number, logits: string): string {
  return hashOf([canonical(body), window, logits]);
}

/** The seal of a receipt. */
export function sealOf(body: object, digests: readonly string[]): string {
  return hashOf([canonical(body), digests]);
}

/** A value with the keys of its objects sorted, so that the order in a file says nothing. */
export function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([, one]) => one !== undefined).sort(([a], [b]) =>
      a < b ? -1 : a > b ? 1 : 0
    )
      .map(([key, one]) => [key, canonical(one)]),
  );
}
