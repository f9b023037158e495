/** Codes of few bits in a stream of bytes. */

/** Code `i` of a bit stream. */
export function codeAt(codes: Uint8Array, bits: number, i: number): number {
  const bit = i * bits, byte = Math.floor(bit / 8);
  return ((codes[byte] | (codes[byte + 1] ?? 0) << 8) >> (bit % 8)) & ((1 << bits) - 1);
}
