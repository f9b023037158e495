/** Codes of few bits, packed into bytes. */

/** Codes of `bits` bits each as a little-endian bit stream: code `i` starts at bit `i * bits`. */
export function packBits(codes: Uint8Array, bits: number): Uint8Array {
  const packed = new Uint8Array(Math.ceil(codes.length * bits / 8));
  for (let i = 0; i < codes.length; i++) {
    const bit = i * bits, byte = bit >> 3, shift = bit & 7;
    const value = codes[i] << shift;
    packed[byte] |= value;
    if (shift + bits > 8) packed[byte + 1] |= value >> 8;
  }
  return packed;
}

/** The `count` codes of a bit stream made by {@linkcode packBits}. */
export function unpackBits(packed: Uint8Array, bits: number, count: number): Uint8Array {
  const codes = new Uint8Array(count);
  const mask = (1 << bits) - 1;
  for (let i = 0; i < count; i++) {
    const bit = i * bits, byte = bit >> 3;
    codes[i] = ((packed[byte] | (packed[byte + 1] ?? 0) << 8) >> (bit & 7)) & mask;
  }
  return codes;
}
