/** The places of a decoder's forward pass where quantization acts or statistics are taken. */
import type { DeviceBuffer } from "../../kernels/device.ts";
import type { InputSite } from "../architecture.ts";

/** An operand of attention: `[tokens, heads * headDim]`. */
export interface Operand {
  /** Index of the decoder layer. */
  readonly layer: number;
  /** Number of tokens. */
  readonly tokens: number;
  /** Number of heads. */
  readonly heads: number;
  /** Dimensions of a head. */
  readonly headDim: number;
}

/** Attention probabilities: `[heads, tokens, kvTokens]`. */
export interface ScoreOperand {
  /** Index of the decoder layer. */
  readonly layer: number;
  /** Number of heads. */
  readonly heads: number;
  /** Number of tokens. */
  readonly tokens: number;
  /** Number of keys. */
  readonly kvTokens: number;
}

/** The input of linear layers: `[rows, columns]`. */
export interface LinearInput {
  /** Index of the decoder layer. */
  readonly layer: number;
  /** Which input. */
  readonly site: InputSite;
  /** Number of rows. */
  readonly rows: number;
  /** Number of columns. */
  readonly columns: number;
}

/**
 * Observes or rewrites (in place) matrices of the forward pass. Every method is optional; an absent one costs
 * nothing. `scores` makes attention materialise its probabilities.
 */
export interface Intervention {
  /** The input of the linear layers of a site. */
  input?(x: DeviceBuffer, at: LinearInput): void | Promise<void>;
  /** The rows that one expert of a mixture reads, after `input` saw them: a copy, which the router and other experts do not see. */
  expertInput?(x: DeviceBuffer, at: LinearInput & { readonly expert: number }): void | Promise<void>;
  /** Keys as they leave their projection, before positions are rotated in. */
  keyBeforeRotary?(x: DeviceBuffer, at: Operand): void | Promise<void>;
  /** Queries, rotated. */
  query?(x: DeviceBuffer, at: Operand): void | Promise<void>;
  /** Keys, rotated. */
  key?(x: DeviceBuffer, at: Operand): void | Promise<void>;
  /** Values. */
  value?(x: DeviceBuffer, at: Operand): void | Promise<void>;
  /** The input of the output projection. */
  head?(x: DeviceBuffer, at: { readonly rows: number; readonly columns: number }): void | Promise<void>;
  /** Attention probabilities. */
  scores?(x: DeviceBuffer, at: ScoreOperand): void | Promise<void>;
}
