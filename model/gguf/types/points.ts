/**
 * The I types of 1 to 3 bits: codes are numbers of points, groups of 4 or 8 magnitudes that lie in a table; signs lie apart.
 * Blocks of 256 weights have a scale `d` (float16), their groups of 8 to 32 weights finer ones of 3 or 4 bits.
 */
import { type Decode, type GgufType, half, short, word } from "./block.ts";
import {
  type Codebook,
  iq1SPoints,
  iq2SPoints,
  iq2XsPoints,
  iq2XxsPoints,
  iq3SPoints,
  iq3XxsPoints,
} from "./codebooks.ts";

/** Puts a point times a scale; bit `i` of `signs` turns value `i` around, `shift` is added to each. */
function put(
  { width, points }: Codebook,
  index: number,
  values: Float32Array,
  to: number,
  scale: number,
  signs: number,
  shift = 0,
): void {
  for (let i = 0; i < width; i++) {
    const value = scale * (points[index * width + i] + shift);
    values[to + i] = signs >> i & 1 ? -value : value;
  }
}

/** Seven stored signs; the eighth makes the number of minus signs even. */
function evenSigns(code: number): number {
  let ones = 0;
  for (let i = 0; i < 7; i++) ones += code >> i & 1;
  return code | (ones & 1) << 7;
}

const iq2_xxs: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at);
  for (let group = 0; group < 8; group++) {
    const from = at + 2 + group * 8, more = word(bytes, from + 4);
    const scale = d * (0.5 + (more >>> 28)) * 0.25;
    for (let i = 0; i < 4; i++) {
      const signs = evenSigns(more >>> 7 * i & 127);
      put(iq2XxsPoints, bytes[from + i], values, to + group * 32 + i * 8, scale, signs);
    }
  }
};

const iq2_xs: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at);
  for (let i = 0; i < 32; i++) {
    const code = short(bytes, at + 2 + i * 2), fine = bytes[at + 66 + (i >> 2)] >> (i >> 1 & 1) * 4 & 15;
    put(iq2XsPoints, code & 511, values, to + i * 8, d * (0.5 + fine) * 0.25, evenSigns(code >> 9));
  }
};

const iq2_s: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at);
  for (let i = 0; i < 32; i++) {
    const index = bytes[at + 2 + i] | (bytes[at + 66 + (i >> 2)] >> (i & 3) * 2 & 3) << 8;
    const fine = bytes[at + 74 + (i >> 2)] >> (i >> 1 & 1) * 4 & 15;
    put(iq2SPoints, index, values, to + i * 8, d * (0.5 + fine) * 0.25, bytes[at + 34 + i]);
  }
};

const iq3_xxs: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at);
  for (let group = 0; group < 8; group++) {
    const more = word(bytes, at + 66 + group * 4), scale = d * (0.5 + (more >>> 28)) * 0.5;
    for (let i = 0; i < 8; i++) {
      const signs = evenSigns(more >>> 7 * (i >> 1) & 127) >> (i & 1) * 4;
      put(iq3XxsPoints, bytes[at + 2 + group * 8 + i], values, to + group * 32 + i * 4, scale, signs);
    }
  }
};

const iq3_s: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at);
  for (let i = 0; i < 64; i++) {
    const index = bytes[at + 2 + i] | (bytes[at + 66 + (i >> 3)] >> (i & 7) & 1) << 8;
    const fine = bytes[at + 106 + (i >> 4)] >> (i >> 3 & 1) * 4 & 15;
    put(iq3SPoints, index, values, to + i * 4, d * (1 + 2 * fine), bytes[at + 74 + (i >> 1)] >> (i & 1) * 4);
  }
};

/** At one bit points are signs, moved up or down by an eighth. */
const eighth = 0.125;

const iq1_s: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at);
  for (let i = 0; i < 32; i++) {
    const high = short(bytes, at + 34 + (i >> 2) * 2);
    const index = bytes[at + 2 + i] | (high >> 3 * (i & 3) & 7) << 8;
    const scale = d * (2 * (high >> 12 & 7) + 1);
    put(iq1SPoints, index, values, to + i * 8, scale, 0, high & 0x8000 ? -eighth : eighth);
  }
};

/** The scale lies in the highest digits of the four words of finer scales. */
const iq1_m: Decode = (bytes, at, values, to) => {
  const scales = at + 48;
  const digits = [0, 1, 2, 3].map((i) => bytes[scales + i * 2 + 1] >> 4);
  const d = half(Uint8Array.of(digits[0] | digits[1] << 4, digits[2] | digits[3] << 4), 0);
  for (let i = 0; i < 32; i++) {
    const more = bytes[at + 32 + (i >> 1)] >> (i & 1) * 4 & 15;
    const fine = short(bytes, scales + (i >> 3) * 2) >> 3 * (i >> 1 & 3) & 7;
    const index = bytes[at + i] | (more & 7) << 8;
    put(iq1SPoints, index, values, to + i * 8, d * (2 * fine + 1), 0, more & 8 ? -eighth : eighth);
  }
};

/** The types. */
export const pointTypes: readonly GgufType[] = [
  { name: "IQ2_XXS", id: 16, block: 256, bytes: 66, decode: iq2_xxs },
  { name: "IQ2_XS", id: 17, block: 256, bytes: 74, decode: iq2_xs },
  { name: "IQ3_XXS", id: 18, block: 256, bytes: 98, decode: iq3_xxs },
  { name: "IQ1_S", id: 19, block: 256, bytes: 50, decode: iq1_s },
  { name: "IQ3_S", id: 21, block: 256, bytes: 110, decode: iq3_s },
  { name: "IQ2_S", id: 22, block: 256, bytes: 82, decode: iq2_s },
  { name: "IQ1_M", id: 29, block: 256, bytes: 56, decode: iq1_m },
];
