/** Weights of formats that no kernel reads: kept as they are stored, decoded when they are asked for. */
import type { StoredWeight } from "../../model/decoder/parameter.ts";

/** A weight that a function decodes from codes which it keeps. */
export class DecodedWeight implements StoredWeight {
  /** Decodes to float32, row-major, at each call of {@linkcode DecodedWeight.dequantize}. */
  constructor(
    readonly shape: readonly [out: number, inputs: number],
    readonly byteLength: number,
    private readonly decode: () => Float32Array,
  ) {}

  dequantize(): Float32Array {
    return this.decode();
  }
}
