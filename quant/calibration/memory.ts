/** What calibration has found of a model, kept for the next scheme on the same model and windows: a sweep over one option looks once. */
import type { CalibrationMemory } from "../method.ts";

/** Values within a number of bytes: the oldest go first. */
export class BoundedMemory implements CalibrationMemory {
  readonly #kept = new Map<string, { readonly value: unknown; readonly bytes: number }>();
  #bytes = 0;

  /** Empty; 256 MiB at most unless told otherwise. */
  constructor(private readonly limit = 2 ** 28) {}

  get(key: string): unknown {
    return this.#kept.get(key)?.value;
  }

  set(key: string, value: unknown, bytes: number): void {
    if (bytes > this.limit) return;
    this.#bytes += bytes - (this.#kept.get(key)?.bytes ?? 0);
    this.#kept.delete(key);
    this.#kept.set(key, { value, bytes });
    for (const [oldest, one] of this.#kept) {
      if (this.#bytes <= this.limit) return;
      this.#kept.delete(oldest);
      this.#bytes -= one.bytes;
    }
  }
}
