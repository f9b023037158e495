/** How attention is cut into units: one key-value head and a block of query tokens each. */

import type { AttentionShape } from "../device.ts";
import type { Pool } from "./pool.ts";

/** Score rows (queries times heads of a group) of a unit: enough to pay for packing its keys and values. */
const rowsPerUnit = 48;

/** Addresses of the operands, 0 for those that take no part (see the kernel). */
export interface AttentionOperands {
  readonly q?: number;
  readonly k?: number;
  readonly v?: number;
  readonly y?: number;
  readonly p?: number;
  readonly slopes?: number;
}

/** Runs attention, its first half (no `y`) or its second half (no `q`). */
export function runAttention(pool: Pool, operands: AttentionOperands, shape: AttentionShape): void {
  const { tokens, kvTokens, heads, kvHeads, headDim, scale, window = 0, softcap = 0 } = shape;
  const { q = 0, k = 0, v = 0, y = 0, p = 0, slopes = 0 } = operands;
  const group = heads / kvHeads;
  const block = Math.max(1, Math.min(tokens, Math.floor(rowsPerUnit / group)));
  const keys = window > 0 ? Math.min(kvTokens, window + block - 1) : kvTokens;
  const rows = up(group * block, 4), width = up(headDim, 8), depth = Math.max(256, headDim);
  const floats = 32 + 8 * depth + rows * depth + rows * width + rows * (up(keys, 8) + 4);
  const nanoseconds = heads * tokens * keys * (2 + headDim / 6);
  const load = { units: kvHeads * Math.ceil(tokens / block), nanoseconds, scratchBytes: floats * 4 };
  const sizes = [tokens, kvTokens, heads, kvHeads, headDim];
  pool.run("attention", load, [q, k, v, y, p, slopes, ...sizes, scale, window, softcap, block]);
}

function up(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
