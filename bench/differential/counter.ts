/**
 * Numbers from a counter, the same in TypeScript and Python (`counter.py`): value `i` of a named stream depends on the seed, the name
 * and `i` alone, so that a case of a differential test is its seed and not its weights.
 */

/** Scrambles 32 bits (Chris Wellons's `lowbias32`). */
function mix(x: number): number {
  x = Math.imul(x ^ x >>> 16, 0x7feb352d);
  x = Math.imul(x ^ x >>> 15, 0x846ca68b);
  return (x ^ x >>> 16) >>> 0;
}

/** A text in 32 bits (FNV-1a over its UTF-8 bytes). */
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 0x01000193);
  return state >>> 0;
}

/**
 * `count` numbers of 32 bits of the stream `name`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals([...bits(7, "blk.0.attn_q.weight", 3)], [1769940208, 3071984652, 779333513]);
 * ```
 */
export function bits(seed: number, name: string, count: number): Uint32Array<ArrayBuffer> {
  const key = hash(`${seed}:${name}`), other = mix(key ^ 0x9e3779b9);
  const values = new Uint32Array(count);
  for (let i = 0; i < count; i++) values[i] = mix(mix(Math.imul(i, 0x9e3779b9) + key | 0) ^ other);
  return values;
}

/** `count` float32 numbers, even from `-scale` to `scale`; the product with `scale` is rounded once. */
export function uniform(seed: number, name: string, count: number, scale = 1): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count);
  for (const [i, one] of bits(seed, name, count).entries()) values[i] = ((one >>> 8) * 2 ** -23 - 1) * scale;
  return values;
}

/** `count` bytes. */
export function bytes(seed: number, name: string, count: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bits(seed, name, Math.ceil(count / 4)).buffer).slice(0, count);
}
