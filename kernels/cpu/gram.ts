/** The accumulator of `x^T x` on the CPU device. */

import * as check from "../check.ts";
import type { DeviceBuffer, DeviceGram } from "../device.ts";
import { DeviceError } from "../error.ts";
import { mirror, runGram } from "./matrix.ts";
import type { Pool } from "./pool.ts";
import { CpuBuffer, type Memory, Piece } from "./storage.ts";

/** The lower triangle of `x^T x`, row-major in float64. */
export class CpuGram extends Piece implements DeviceGram {
  readonly #memory: Memory;
  readonly #pool: Pool;

  constructor(memory: Memory, pool: Pool, readonly columns: number) {
    super(memory, columns * columns * 8);
    this.#memory = memory;
    this.#pool = pool;
    const start = this.open(memory, "gram", "accumulator") / 4;
    memory.heap.floats.fill(0, start, start + columns * columns * 2);
  }

  add(x: DeviceBuffer, rows: number): void {
    check.checkColumns("gram.add", x, this.columns, rows);
    if (!(x instanceof CpuBuffer)) throw new DeviceError("foreign", "gram.add: x belongs to another device");
    const from = x.open(this.#memory, "gram.add", "x");
    runGram(
      this.#pool,
      this.#memory,
      from,
      this.open(this.#memory, "gram.add", "accumulator"),
      rows,
      this.columns,
    );
  }

  // deno-lint-ignore require-await -- async, so that misuse rejects as it does on devices that compute later
  async read(): Promise<Float64Array> {
    const start = this.open(this.#memory, "gram.read", "accumulator");
    const lower = new Float64Array(this.#memory.heap.memory.buffer, start, this.columns * this.columns);
    return mirror(lower, this.columns);
  }
}
