/** The pull of errors on later columns, on the host in float64: what GPTQ runs on without a device, and on the CPU. */
import { checkErrorPull, checkPulled } from "../check.ts";
import type { DevicePull } from "../device.ts";
import { float64, type Float64Memory, subtractProduct } from "./float64.ts";

/** See {@linkcode DevicePull}: `now` is `at` without a promise. */
export class HostPull implements DevicePull {
  readonly #columns: number;
  #memory: Float64Memory | null = null;

  constructor(
    private readonly factor: Float64Array,
    private readonly errors: Float64Array,
    private readonly rows: number,
  ) {
    this.#columns = checkErrorPull(factor, errors, rows);
  }

  /** `-sum_{i < first} errors[i, r] factor[i, first + j]` as `[count, rows]`, valid until the next call. */
  now(first: number, count: number): Float64Array {
    const { factor, errors, rows } = this;
    checkPulled(this.#columns, 0, first, count);
    if ((this.#memory?.data.length ?? 0) < count * rows) {
      this[Symbol.dispose]();
      this.#memory = float64(count * rows);
    }
    const data = (this.#memory ??= float64(0)).data.subarray(0, count * rows).fill(0);
    const across = { data: factor, start: first, stride: this.#columns, transposed: true };
    const left = { data: errors, start: 0, stride: rows };
    subtractProduct({ data, start: 0, stride: rows }, across, left, count, rows, first);
    return data;
  }

  // deno-lint-ignore require-await -- async, so that misuse rejects as it does on devices that compute later
  async at(first: number, count: number): Promise<Float64Array> {
    return this.now(first, count);
  }

  [Symbol.dispose](): void {
    this.#memory?.[Symbol.dispose]();
    this.#memory = null;
  }
}
