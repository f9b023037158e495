/** What the storage types of GGUF have in common: how a block is described, and how its fields are read. */

/** Decodes the block of `bytes` at `at` into `values` from `to` on. */
export type Decode = (bytes: Uint8Array, at: number, values: Float32Array, to: number) => void;

/** A storage type. */
export interface GgufType {
  /** Name in ggml, such as `Q4_K`. */
  readonly name: string;
  /** Number in the file. */
  readonly id: number;
  /** Weights of a block. */
  readonly block: number;
  /** Bytes of a block. */
  readonly bytes: number;
  /** Decodes a block. */
  readonly decode: Decode;
  /**
   * Where numbers of two bytes lie in a block, which big-endian files have in the other order; absent where no tool is known
   * to write the type big-endian.
   */
  readonly words?: readonly number[];
}

const bits = new DataView(new ArrayBuffer(4));

/** A little-endian float16. */
export function half(bytes: Uint8Array, at: number): number {
  bits.setUint16(0, short(bytes, at));
  return bits.getFloat16(0);
}

/** A little-endian unsigned integer of 16 bits. */
export function short(bytes: Uint8Array, at: number): number {
  return bytes[at] | bytes[at + 1] << 8;
}

/** A little-endian unsigned integer of 32 bits. */
export function word(bytes: Uint8Array, at: number): number {
  return (short(bytes, at) | short(bytes, at + 2) << 16) >>> 0;
}

/** A byte as a signed integer. */
export function signed(byte: number): number {
  return byte << 24 >> 24;
}

/** `count` codes of 4 bits in half as many bytes: the low halves of all bytes first. */
export function nibbles(
  bytes: Uint8Array,
  at: number,
  values: Float32Array,
  to: number,
  value: (code: number, index: number) => number,
  count = 32,
): void {
  const half = count / 2;
  for (let i = 0; i < half; i++) {
    values[to + i] = value(bytes[at + i] & 15, i);
    values[to + i + half] = value(bytes[at + i] >> 4, i + half);
  }
}
