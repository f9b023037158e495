/**
 * Types of blocks of 32 to 128 weights with one scale `d` (float16) and codes on an even grid, around a middle or with a least
 * value beside the scale.
 */
import { type Decode, type GgufType, half, nibbles, signed, word } from "./block.ts";

const q4_0: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at);
  nibbles(bytes, at + 2, values, to, (code) => d * (code - 8));
};

const q4_1: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at), least = half(bytes, at + 2);
  nibbles(bytes, at + 4, values, to, (code) => d * code + least);
};

const q5_0: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at), high = word(bytes, at + 2);
  nibbles(bytes, at + 6, values, to, (code, i) => d * ((code | (high >>> i & 1) << 4) - 16));
};

const q5_1: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at), least = half(bytes, at + 2), high = word(bytes, at + 4);
  nibbles(bytes, at + 8, values, to, (code, i) => d * (code | (high >>> i & 1) << 4) + least);
};

const q8_0: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at);
  for (let i = 0; i < 32; i++) values[to + i] = d * signed(bytes[at + 2 + i]);
};

/** One bit a weight: its sign. */
const q1_0: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at);
  for (let i = 0; i < 128; i++) values[to + i] = bytes[at + 2 + (i >> 3)] >> (i & 7) & 1 ? d : -d;
};

/** Two bits a weight: -1, 0, 1, 2. */
const q2_0: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at);
  for (let i = 0; i < 64; i++) values[to + i] = d * ((bytes[at + 2 + (i >> 2)] >> (i & 3) * 2 & 3) - 1);
};

/** The types. */
export const uniformTypes: readonly GgufType[] = [
  { name: "Q4_0", id: 2, block: 32, bytes: 18, decode: q4_0, words: [0] },
  { name: "Q4_1", id: 3, block: 32, bytes: 20, decode: q4_1 },
  { name: "Q5_0", id: 6, block: 32, bytes: 22, decode: q5_0 },
  { name: "Q5_1", id: 7, block: 32, bytes: 24, decode: q5_1 },
  { name: "Q8_0", id: 8, block: 32, bytes: 34, decode: q8_0, words: [0] },
  { name: "Q1_0", id: 41, block: 128, bytes: 18, decode: q1_0 },
  { name: "Q2_0", id: 42, block: 64, bytes: 18, decode: q2_0 },
];
