/** In a page, in the place of `base/hash.ts`: SHA-256 (FIPS 180-4), as `crypto.subtle` is not there without https, and does not stream. */
import { pow } from "../base/elementary.ts";
import { writeNumbers } from "../base/json.ts";

/** The first 32 bits behind the point of roots of the first primes: square roots to begin with, cube roots for the rounds. */
function fractions(count: number, root: 2 | 3): Int32Array {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((p) => n % p !== 0)) primes.push(n);
  const raised = (n: bigint) => root === 2 ? n * n : n * n * n;
  return Int32Array.from(primes, (prime) => {
    // Floats find the neighbourhood, whole numbers the digits.
    const wanted = BigInt(prime) << BigInt(32 * root);
    let digits = BigInt(Math.floor(pow(prime, 1 / root) * 2 ** 32)) - 2n;
    while (raised(digits + 1n) <= wanted) digits++;
    return Number(digits & 0xffffffffn) | 0;
  });
}
const first = fractions(8, 2), rounds = fractions(64, 3);

/** Hashes what comes in pieces. */
export interface Hasher {
  /** Takes more bytes. */
  update(bytes: Uint8Array): void;
  /** The hash of all bytes in hexadecimal; nothing may come after. */
  hex(): string;
}

/** SHA-256 of bytes that come in pieces. */
export function sha256(): Hasher {
  const state = first.slice(), words = new Int32Array(64), block = new Uint8Array(64);
  const view = new DataView(block.buffer);
  let held = 0, total = 0;
  const compress = (bytes: DataView, at: number) => {
    for (let i = 0; i < 16; i++) words[i] = bytes.getInt32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const x = words[i - 15], y = words[i - 2];
      const s0 = (x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3;
      const s1 = (y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10;
      words[i] = words[i - 16] + s0 + words[i - 7] + s1 | 0;
    }
    let a = state[0], b = state[1], c = state[2], d = state[3];
    let e = state[4], f = state[5], g = state[6], h = state[7];
    for (let i = 0; i < 64; i++) {
      const s1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
      const t = h + s1 + (e & f ^ ~e & g) + rounds[i] + words[i] | 0;
      const s0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
      h = g, g = f, f = e, e = d + t | 0;
      const next = t + s0 + (a & b ^ a & c ^ b & c) | 0;
      d = c, c = b, b = a, a = next;
    }
    // Written out: engines make no array for each block.
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
  };
  const update = (bytes: Uint8Array) => {
    total += bytes.length;
    let at = 0;
    if (held > 0) {
      at = Math.min(64 - held, bytes.length);
      block.set(bytes.subarray(0, at), held);
      held += at;
      if (held < 64) return;
      compress(view, 0);
      held = 0;
    }
    const all = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (; at + 64 <= bytes.length; at += 64) compress(all, at);
    block.set(bytes.subarray(at));
    held = bytes.length - at;
  };
  return {
    update,
    hex() {
      const size = total, end = new Uint8Array((held < 56 ? 64 : 128) - held);
      end[0] = 0x80;
      const tail = new DataView(end.buffer);
      tail.setUint32(end.length - 8, Math.floor(size / 2 ** 29));
      tail.setUint32(end.length - 4, size * 8 % 2 ** 32);
      update(end);
      return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
    },
  };
}

/** SHA-256 of bytes in hexadecimal. */
export function sha256Hex(bytes: Uint8Array): string {
  const hash = sha256();
  hash.update(bytes);
  return hash.hex();
}

/** SHA-256 of a text's UTF-8 bytes in hexadecimal. */
export function sha256Text(text: string): string {
  return sha256Hex(new TextEncoder().encode(text));
}

/** SHA-256 of a JSON value, in which NaN and the infinities are three numbers. */
export function hashOf(value: unknown): string {
  return sha256Text(writeNumbers(value));
}
