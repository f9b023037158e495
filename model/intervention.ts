/** The places of a decoder's forward pass where quantization acts or statistics are taken. */
import type { DeviceBuffer } from "../kernels/device.ts";
import type { InputSite } from "./architecture.ts";

/** An operand of attention: `[tokens, heads * headDim]`. */
export interface Operand {
  readonly layer: number;
  readonly tokens: number;
  readonly heads: number;
  readonly headDim: number;
}

/** Attention probabilities: `[heads, tokens, kvTokens]`. */
export interface ScoreOperand {
  readonly layer: number;
  readonly heads: number;
  readonly tokens: number;
  readonly kvTokens: number;
}

/** The input of linear layers: `[rows, columns]`. */
export interface LinearInput {
  readonly layer: number;
  readonly site: InputSite;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Observes or rewrites (in place) matrices of the forward pass. Every method is optional; an absent one costs
 * nothing. `scores` makes attention materialise its probabilities.
 */
export interface Intervention {
  /** The input of the linear layers of a site. */
  input?(x: DeviceBuffer, at: LinearInput): void | Promise<void>;
  /** Keys as they leave their projection, before positions are rotated in. */
  keyBeforeRotary?(x: DeviceBuffer, at: Operand): void | Promise<void>;
  query?(x: DeviceBuffer, at: Operand): void | Promise<void>;
  key?(x: DeviceBuffer, at: Operand): void | Promise<void>;
  value?(x: DeviceBuffer, at: Operand): void | Promise<void>;
  scores?(x: DeviceBuffer, at: ScoreOperand): void | Promise<void>;
}
