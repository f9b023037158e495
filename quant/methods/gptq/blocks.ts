/**
 * GPTQ onto blocks of small floats: the loop of algorithm 1 with a block format's rounding. A block's scale is that of its weights when the loop
 * reaches it; a tensor's scale (NVFP4) is that of the weight before any compensation.
 */
import { floatBits, floatFormats } from "../../grids/float.ts";
import { absMax, type BlockQuantizer, type BlockRule, blockValue } from "../../grids/blocks.ts";
import { blockSize, compensationSteps, type Steps } from "../../compensation/steps.ts";
import { inOwnOrder, problemOf } from "../../compensation/hessian.ts";
import type { Matrix } from "../../method.ts";
import { type Option, refused } from "../../options.ts";
import { tableOf, type TableWeight } from "../../weights/table.ts";
import { type Mx, mx, mxRule } from "../mx.ts";
import { type Nvfp4, nvfp4, nvfp4Rule } from "../nvfp4.ts";

/** What weights are rounded to in blocks. */
export type BlockGrid = Mx | Nvfp4;

const expected = "a scheme of mx or nvfp4, its tensorScale not calibrated";

/** A {@linkcode BlockGrid}, or what JSON has of it. */
export const blockGridOption: Option<BlockGrid> = {
  expected,
  read(name, value) {
    const method = typeof value === "object" && value !== null && "method" in value
      ? value.method
      : undefined;
    if (method === "mx") return mx(value as Mx);
    const grid = method === "nvfp4" ? nvfp4(value as Nvfp4) : undefined;
    if (grid === undefined || grid.tensorScale === "calibrated") throw refused(name, value, expected);
    return grid;
  },
};

/** Bits of a code. */
export function bitsOfGrid(grid: BlockGrid): number {
  return grid.method === "mx" ? floatBits(floatFormats[grid.element]) : 4;
}

/** The blocks of a weight. */
export function blockGridRule(grid: BlockGrid, { data }: Matrix): BlockRule {
  return grid.method === "mx" ? mxRule(grid) : nvfp4Rule(grid, absMax(data));
}

/** What of GPTQ's settings is not about integers. */
export interface BlockSettings {
  /** Columns by decreasing diagonal of the Hessian; scales are then static. */
  readonly actOrder: boolean;
  /** Scales of the weight as it was before any compensation. */
  readonly staticGroups: boolean;
  /** Share of the mean diagonal that is added to the Hessian's diagonal. */
  readonly percdamp: number;
  /** Which weights give a block its scale. */
  readonly groupStatistics: "current" | "block-start";
}

/** Result of quantizing one weight. */
export interface BlockResult {
  /** The codes with their scales. */
  readonly weight: TableWeight;
  /** Half the Hessian-weighted squared error that was not compensated. */
  readonly loss: number;
}

/** Quantizes one weight `[out, in]` given `H` `[in, in]`; blocks are runs of columns of a row. */
export function* gptqBlockSteps(
  weight: Matrix,
  hessian: Float64Array,
  { actOrder, staticGroups, percdamp, groupStatistics }: BlockSettings,
  rule: BlockRule,
): Steps<BlockResult> {
  const { rows, columns } = weight;
  const size = Math.min(rule.block[1], columns), blocks = Math.ceil(columns / size);
  using problem = problemOf(weight, hessian, actOrder, percdamp);
  const { permutation, work } = problem;
  const quantizers: BlockQuantizer[][] = [];
  /** Fits a block to its columns in `source` `[columns, rows]`. */
  const fit = (source: Float64Array, block: number) => {
    const first = block * size, count = Math.min(size, columns - first), values = new Float32Array(count);
    quantizers[block] = Array.from({ length: rows }, (_, row) => {
      for (let j = 0; j < count; j++) values[j] = source[(first + j) * rows + row];
      return rule.fit(values);
    });
  };
  const fixed = staticGroups || blocks === 1;
  if (fixed) {
    const original = inOwnOrder(problem);
    for (let block = 0; block < blocks; block++) fit(original, block);
  }
  let blockStart = work;
  const codes = new Uint8Array(rows * columns);
  const loss = yield* compensationSteps(problem, (values, j) => {
    const column = permutation[j], block = Math.floor(column / size);
    if (!fixed && j % size === 0) fit(groupStatistics === "current" ? work : blockStart, block);
    for (let row = 0; row < rows; row++) {
      const quantizer = quantizers[block][row], code = quantizer.encode(values[row]);
      codes[row * columns + column] = code;
      values[row] = blockValue(rule, quantizer, code);
    }
  }, {
    // A block of columns is compensated whole before its last scale is taken.
    block: fixed ? blockSize : Math.ceil(blockSize / size) * size,
    onBlock: () => {
      if (groupStatistics === "block-start" && size < blockSize) blockStart = work.slice();
    },
  });
  const bytes = rule.scaleValues !== undefined;
  const scales = Array.from(
    { length: rows },
    (_, row) => quantizers.map((byRow) => bytes ? byRow[row].scaleCode ?? 0 : byRow[row].scale),
  ).flat();
  const parts = { codes, scales: bytes ? Uint8Array.from(scales) : Float32Array.from(scales) };
  return { weight: tableOf([rows, columns], rule, parts), loss };
}
