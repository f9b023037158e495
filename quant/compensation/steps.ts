/**
 * Quantization of a weight column by column with compensation: the error of each column is spread over the columns
 * that are still to come, so that the layer's output changes least (GPTQ, Frantar et al., ICLR 2023, algorithm 1).
 * GPTQ, SpQR, QQQ and QUIK are this loop with different quantizers of a column; GPTAQ moves its targets besides.
 */
import type { Device, DevicePull } from "../../kernels/device.ts";
import { float64, subtractOuter, subtractProduct } from "../../kernels/cpu/float64.ts";
import { HostPull } from "../../kernels/cpu/pull.ts";
import { inverseOfDiagonalBlock } from "../linear_algebra/cholesky.ts";
import type { Problem } from "./hessian.ts";

/** Columns are updated lazily in blocks of this many, as in the reference code. */
export const blockSize = 128;

/** Quantizes column `column` (values of all rows) in place. */
export type QuantizeColumn = (values: Float64Array, column: number) => void;

/** What a caller of {@linkcode compensate} may ask of its blocks. */
export interface CompensateOptions {
  /** Columns of a block; more than {@linkcode blockSize} where a caller reads further ahead in `work`. */
  readonly block?: number;
  /** Called when the columns of a block hold what all columns before the block left them to compensate. */
  onBlock?(): void;
  /**
   * `-P` `[columns, columns]`, strictly upper triangular, of GPTAQ ({@linkcode driftTerm}): a column `w` adds `w P` to those behind it, inside
   * its block as it was before it was rounded, beyond the block as it is then. Results depend on the size of blocks.
   */
  readonly drift?: Float64Array;
}

/** A block of columns that waits for what the columns before it left to compensate (see {@linkcode DevicePull}). */
export interface Pull {
  readonly problem: Problem;
  /** First column of the block. */
  readonly first: number;
  /** Columns of the block. */
  readonly count: number;
}

/**
 * A computation that stops at each block for the pull of the errors so far, which is nearly all of the arithmetic: the
 * host sums it up at once ({@linkcode onHost}), a device later ({@linkcode onDevice}).
 */
export type Steps<T> = Generator<Pull, T, Float64Array>;

/**
 * Runs the loop. While a block is in work, its columns of `problem.work` hold weights with all errors so far made good;
 * in the end `work` holds the errors, weight minus dequantized weight. Returns the loss, the sum of
 * `(w - w^)^2 / U_jj^2 / 2`, by which the layer's squared output error grows.
 *
 * The errors D of the columns before a block pull at it with D R: its weights are best at the W for which
 * `(W0 - W) R_bb = -D R_b`, or W = W0 + D R_b U_bb. Inside a block the loop is the paper's.
 */
export function* compensationSteps(
  problem: Problem,
  quantizeColumn: QuantizeColumn,
  options: CompensateOptions = {},
): Steps<number> {
  const { rows, columns, work, factor } = problem;
  const block = Math.min(columns, options.block ?? blockSize);
  using stack = new DisposableStack();
  const error = stack.use(float64(rows)).data, inverses = stack.use(float64(block * block)).data;
  const targets = stack.use(float64(block * rows)).data, { drift } = options;
  const before = drift && stack.use(float64(rows)).data;
  const rounded = drift && stack.use(float64(columns * rows)).data;
  let loss = 0;
  for (let first = 0; first < columns; first += block) {
    const count = Math.min(block, columns - first);
    const inverse = inverses.subarray(0, count * count);
    inverse.set(inverseOfDiagonalBlock(factor, columns, first, count));
    if (drift && rounded) {
      const pulled = { data: drift, start: first, stride: columns, transposed: true };
      const own = { data: work, start: first * rows, stride: rows };
      subtractProduct(own, pulled, { data: rounded, start: 0, stride: rows }, count, rows, first);
    }
    const weights = targets.subarray(0, count * rows);
    weights.set(work.subarray(first * rows, (first + count) * rows));
    if (first > 0) {
      const pull = { data: yield { problem, first, count }, start: 0, stride: rows };
      const within = { data: inverse, start: 0, stride: count, transposed: true };
      subtractProduct({ data: work, start: first * rows, stride: rows }, within, pull, count, rows, count);
    }
    options.onBlock?.();
    for (let j = 0; j < count; j++) {
      const start = (first + j) * rows, values = work.subarray(start, start + rows);
      error.set(values);
      before?.set(values);
      quantizeColumn(values, first + j);
      rounded?.set(values, start);
      const pivot = inverse[j * count + j];
      for (let row = 0; row < rows; row++) {
        error[row] = (error[row] - values[row]) / pivot;
        loss += error[row] * error[row] / 2;
      }
      subtractOuter(work.subarray(start + rows), inverse.subarray(j * count + j + 1, (j + 1) * count), error);
      if (!drift || !before) continue;
      const row = (first + j) * columns + first, behind = drift.subarray(row + j + 1, row + count);
      subtractOuter(work.subarray(start + rows), behind, before);
      subtractOuter(weights.subarray((j + 1) * rows), behind, before);
    }
    for (let i = 0; i < weights.length; i++) work[first * rows + i] = weights[i] - work[first * rows + i];
  }
  return loss;
}

/** Takes all steps on the host. */
export function onHost<T>(steps: Steps<T>): T {
  using stack = new DisposableStack();
  stack.use(steps);
  let pull: HostPull | undefined, step = steps.next();
  while (!step.done) {
    const { problem: { factor, work, rows }, first, count } = step.value;
    pull ??= stack.use(new HostPull(factor, work, rows));
    step = steps.next(pull.now(first, count));
  }
  return step.value;
}

/** Takes all steps, the pulls on a device: on the CPU with the bits of {@linkcode onHost}, on a GPU nearly so. */
export async function onDevice<T>(device: Device, steps: Steps<T>): Promise<T> {
  using stack = new DisposableStack();
  stack.use(steps);
  let pull: DevicePull | undefined, step = steps.next();
  while (!step.done) {
    const { problem: { factor, work, rows }, first, count } = step.value;
    pull ??= stack.use(device.errorPull(factor, work, rows));
    step = steps.next(await pull.at(first, count));
  }
  return step.value;
}
