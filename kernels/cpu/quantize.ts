/** How quantization is cut into units: rows or groups, blocks of columns, or pieces of one tensor in two passes. */

import type { QuantizeLayout, UniformRule } from "../codes.ts";
import type { Pool } from "./pool.ts";
import type { Memory } from "./storage.ts";

/** Elements of a piece of a tensor that has one range. */
const piece = 16384;
const modes: Record<UniformRule["mode"], number> = { asymmetric: 0, symmetric: 1, offsetBinary: 2 };

/** `y = x^` on addresses. */
export function runFakeQuantize(
  pool: Pool,
  memory: Memory,
  x: number,
  y: number,
  rule: UniformRule,
  layout: QuantizeLayout,
): void {
  const { rows, columns, axis, groupSize = columns } = layout;
  const kind = [rule.bits, modes[rule.mode], Number(rule.zeroInRange), rule.clip ?? 1];
  const count = rows * columns;
  if (count === 0) return;
  if (axis === "row") {
    const load = { units: count / groupSize, nanoseconds: count * 2, scratchBytes: 64 };
    pool.run("quantizeRows", load, [x, y, groupSize, ...kind]);
  } else if (axis === "column") {
    const load = { units: Math.ceil(columns / 4), nanoseconds: count * 3, scratchBytes: 64 };
    pool.run("quantizeColumns", load, [x, y, rows, columns, ...kind]);
  } else {
    const units = Math.ceil(count / piece);
    const pairs = memory.take(units * 8);
    pool.run("pieceRanges", { units, nanoseconds: count }, [x, count, piece, pairs]);
    pool.run("quantizePieces", { units, nanoseconds: count * 2 }, [
      x,
      y,
      count,
      piece,
      pairs,
      units,
      ...kind,
    ]);
    memory.give(pairs, units * 8);
  }
}
