/** Hostile inputs from valid and hostile ones: a few random edits each, the same for the same seed. */

/** A seeded generator of integers below a bound (SplitMix32). */
export type Random = (bound: number) => number;

/** Makes a generator. */
export function randomOf(seed: number): Random {
  let state = seed | 0;
  return (bound) => {
    state = (state + 0x9e3779b9) | 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return Math.floor(((z ^ (z >>> 15)) >>> 0) / 4294967296 * bound);
  };
}

/** Texts that parsers treat in their own way. */
const words = [
  "null",
  "true",
  "-1",
  "0",
  "1e999",
  "18446744073709551616",
  "9007199254740993",
  "NaN",
  '"',
  "\\",
  "{",
  "}",
  "[",
  "]",
  ":",
  ",",
  "\\u0000",
  "\\ud800",
  "__proto__",
  "constructor",
  "toString",
  "\u0000",
  "\ufeff",
  "(a+)+$",
  '{"a":',
  "[[[[[[[[",
  '"data_offsets":[0,0]',
  '"shape":[0]',
  "GGUF",
  "<script>",
  "../../",
  "\r\n",
].map((text) => new TextEncoder().encode(text));

/** Integers at the edges of types. */
const edges = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0xffffn,
  0x7fffffffn,
  0xffffffffn,
  1n << 53n,
  (1n << 63n) - 1n,
  (1n << 64n) - 1n,
];

/** An input made of the seeds by 1 to 6 edits, mostly few. It is at most `limit` bytes long. */
export function mutate(
  seeds: readonly Uint8Array[],
  random: Random,
  limit = 1 << 16,
): Uint8Array<ArrayBuffer> {
  let bytes = Uint8Array.from(seeds[random(seeds.length)].subarray(0, limit));
  for (let edits = 1 + random(1 + random(6)); edits > 0; edits--) bytes = edit(bytes, seeds, random);
  return bytes.length > limit ? bytes.slice(0, limit) : bytes;
}

function edit(
  bytes: Uint8Array<ArrayBuffer>,
  seeds: readonly Uint8Array[],
  random: Random,
): Uint8Array<ArrayBuffer> {
  const at = random(bytes.length + 1), length = random(1 + random(64));
  switch (random(9)) {
    case 0:
      if (at < bytes.length) bytes[at] ^= 1 << random(8);
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = random(256);
      return bytes;
    case 2:
      return splice(bytes, at, length, new Uint8Array(0));
    case 3:
      return splice(bytes, at, 0, Uint8Array.from({ length }, () => random(256)));
    case 4:
      return splice(bytes, at, random(2) * length, words[random(words.length)]);
    case 5: {
      const width = [1, 2, 4, 8][random(4)], edge = edges[random(edges.length)];
      const value = Uint8Array.from({ length: width }, (_, i) => Number(edge >> BigInt(8 * i) & 255n));
      return splice(bytes, at, width, value);
    }
    case 6:
      return bytes.slice(0, at);
    case 7: {
      const other = seeds[random(seeds.length)], from = random(other.length + 1);
      return splice(bytes, at, length, other.subarray(from, from + length));
    }
    default:
      return splice(bytes, at, 0, bytes.slice(at, at + length));
  }
}

function splice(bytes: Uint8Array, at: number, removed: number, added: Uint8Array): Uint8Array<ArrayBuffer> {
  const rest = bytes.subarray(Math.min(bytes.length, at + removed));
  const result = new Uint8Array(at + added.length + rest.length);
  result.set(bytes.subarray(0, at));
  result.set(added, at);
  result.set(rest, at + added.length);
  return result;
}
