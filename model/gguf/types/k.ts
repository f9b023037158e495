/**
 * The K types: blocks of 256 weights with a scale `d` and mostly a second one for minima (float16), whose groups of 16 or 32
 * weights have finer scales of 4 to 8 bits.
 */
import { type Decode, type GgufType, half, signed } from "./block.ts";

/** 16 groups of 16 with scale and minimum of 4 bits each; codes of 2 bits, four of them 32 weights apart in a byte. */
const q2_k: Decode = (bytes, at, values, to) => {
  const codes = at + 16, d = half(bytes, at + 80), least = half(bytes, at + 82);
  for (let i = 0; i < 256; i++) {
    const scale = bytes[at + (i >> 4)];
    const code = bytes[codes + (i >> 7 << 5) + (i & 31)] >> (i >> 5 & 3) * 2 & 3;
    values[to + i] = d * (scale & 15) * code - least * (scale >> 4);
  }
};

/** As Q2_K without minima, with scales of 6 bits; the third bit of the codes lies apart, inverted. */
const q3_k: Decode = (bytes, at, values, to) => {
  const codes = at + 32, scales = at + 96, d = half(bytes, at + 108);
  for (let i = 0; i < 256; i++) {
    const group = i >> 4;
    const low = bytes[scales + (group & 7)] >> (group >> 3) * 4 & 15;
    const high = bytes[scales + 8 + (group & 3)] >> (group >> 2) * 2 & 3;
    const code = bytes[codes + (i >> 7 << 5) + (i & 31)] >> (i >> 5 & 3) * 2 & 3;
    const third = bytes[at + (i & 31)] >> (i >> 5) & 1;
    values[to + i] = d * ((low | high << 4) - 32) * (code - (third ? 0 : 4));
  }
};

/** Scale and minimum of 6 bits of group `i` of 8, packed in 12 bytes. */
function scaleAndMinimum(bytes: Uint8Array, at: number, i: number): [scale: number, minimum: number] {
  if (i < 4) return [bytes[at + i] & 63, bytes[at + i + 4] & 63];
  const low = bytes[at + i + 4];
  return [low & 15 | bytes[at + i - 4] >> 6 << 4, low >> 4 | bytes[at + i] >> 6 << 4];
}

/** 8 groups of 32; `fifth` is where the fifth bits of the codes lie, if there are any. */
function k45(bytes: Uint8Array, at: number, values: Float32Array, to: number, fifth: number | null): void {
  const d = half(bytes, at), least = half(bytes, at + 2);
  const codes = fifth === null ? at + 16 : fifth + 32;
  for (let group = 0; group < 8; group++) {
    const [scale, minimum] = scaleAndMinimum(bytes, at + 4, group);
    for (let i = 0; i < 32; i++) {
      let code = bytes[codes + (group >> 1) * 32 + i] >> (group & 1) * 4 & 15;
      if (fifth !== null) code |= (bytes[fifth + i] >> group & 1) << 4;
      values[to + group * 32 + i] = d * scale * code - least * minimum;
    }
  }
}

/** 16 groups of 16 with scales of 8 bits; codes of 4 + 2 bits around 32. */
const q6_k: Decode = (bytes, at, values, to) => {
  const high = at + 128, scales = at + 192, d = half(bytes, at + 208);
  for (let i = 0; i < 256; i++) {
    const part = i >> 7, quarter = i >> 5 & 3, l = i & 31;
    const low = bytes[at + part * 64 + (quarter & 1) * 32 + l] >> (quarter >> 1) * 4 & 15;
    const code = (low | (bytes[high + part * 32 + l] >> quarter * 2 & 3) << 4) - 32;
    values[to + i] = d * signed(bytes[scales + (i >> 4)]) * code;
  }
};

/** The types. */
export const kTypes: readonly GgufType[] = [
  { name: "Q2_K", id: 10, block: 256, bytes: 84, decode: q2_k },
  { name: "Q3_K", id: 11, block: 256, bytes: 110, decode: q3_k },
  {
    name: "Q4_K",
    id: 12,
    block: 256,
    bytes: 144,
    decode: (b, at, v, to) => k45(b, at, v, to, null),
    words: [0, 2],
  },
  { name: "Q5_K", id: 13, block: 256, bytes: 176, decode: (b, at, v, to) => k45(b, at, v, to, at + 16) },
  { name: "Q6_K", id: 14, block: 256, bytes: 210, decode: q6_k, words: [208] },
];
