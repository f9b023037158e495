/** Types whose codes of 4 bits look up one of 16 values, and those of three values. */
import { pow } from "../../../base/elementary.ts";
import { type Decode, type GgufType, half, nibbles, short } from "./block.ts";

/** Levels of the normal distribution's quantiles, as ggml lists them (`kvalues_iq4nl`). */
const normal = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/** Twice the values of a float of 4 bits (E2M1); minus zero is not told from zero. */
const tiny = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

const iq4_nl: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at);
  nibbles(bytes, at + 2, values, to, (code) => d * normal[code]);
};

/** 8 groups of 32 with scales of 4 + 2 bits around 32. */
const iq4_xs: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at), high = short(bytes, at + 2);
  for (let group = 0; group < 8; group++) {
    const low = bytes[at + 4 + (group >> 1)] >> (group & 1) * 4 & 15;
    const scale = d * ((low | (high >> group * 2 & 3) << 4) - 32);
    nibbles(bytes, at + 8 + group * 16, values, to + group * 32, (code) => scale * normal[code]);
  }
};

/** A power of two as the scale: half of `2 ** (e - 127)`, as `tiny` is doubled. 255 is no NaN in ggml. */
const mxfp4: Decode = (bytes, at, values, to) => {
  const scale = 2 ** (bytes[at] - 128);
  nibbles(bytes, at + 1, values, to, (code) => scale * tiny[code]);
};

/** Half of an unsigned float of 8 bits (E4M3); its NaN counts as 0. */
function smallScale(byte: number): number {
  if (byte === 0x7f) return 0;
  const exponent = byte >> 3 & 15, mantissa = byte & 7;
  return exponent === 0 ? mantissa * 2 ** -10 : (8 + mantissa) * 2 ** (exponent - 11);
}

/** 4 groups of 16 whose scales come first. */
const nvfp4: Decode = (bytes, at, values, to) => {
  for (let group = 0; group < 4; group++) {
    const scale = smallScale(bytes[at + group]);
    nibbles(bytes, at + 4 + group * 8, values, to + group * 16, (code) => scale * tiny[code], 16);
  }
};

/** The first digit of `byte / 256` in base 3 after `skip` others: -1, 0 or 1. */
function trit(byte: number, skip: number): number {
  return ((byte * pow(3, skip) & 255) * 3 >> 8) - 1;
}

/** Five weights of three values in a byte, the last 16 in fours. */
const tq1_0: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at + 52);
  const put = (from: number, width: number, digits: number, start: number) => {
    for (let i = 0; i < width * digits; i++) {
      values[start + i] = d * trit(bytes[from + i % width], Math.floor(i / width));
    }
  };
  put(at, 32, 5, to);
  put(at + 32, 16, 5, to + 160);
  put(at + 48, 4, 4, to + 240);
};

/** Two bits a weight, four of them 32 weights apart in a byte. */
const tq2_0: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at + 64);
  for (let i = 0; i < 256; i++) {
    values[to + i] = d * ((bytes[at + (i >> 7 << 5) + (i & 31)] >> (i >> 5 & 3) * 2 & 3) - 1);
  }
};

/** The types. */
export const levelTypes: readonly GgufType[] = [
  { name: "IQ4_NL", id: 20, block: 32, bytes: 18, decode: iq4_nl },
  { name: "IQ4_XS", id: 23, block: 256, bytes: 136, decode: iq4_xs },
  { name: "TQ1_0", id: 34, block: 256, bytes: 54, decode: tq1_0 },
  { name: "TQ2_0", id: 35, block: 256, bytes: 66, decode: tq2_0 },
  { name: "MXFP4", id: 39, block: 32, bytes: 17, decode: mxfp4, words: [] },
  { name: "NVFP4", id: 40, block: 64, bytes: 36, decode: nvfp4, words: [] },
];
