/**
 * The storage types of GGUF tensors and what they stand for. Blocks of 32 or 256 weights share a scale `d` (float16); the K
 * types share finer scales of 4 to 8 bits among 16 or 32 weights. Products of codes and scales are exact in float64, so each
 * weight is rounded to float32 once, which gives the bits of ggml's own decoder.
 */
import { fromBytes } from "../files/dtype.ts";

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
  /** Decodes a block of `bytes` at `at` into `values` from `to` on. */
  readonly decode: (bytes: Uint8Array, at: number, values: Float32Array, to: number) => void;
}

type Decode = GgufType["decode"];

const bits = new DataView(new ArrayBuffer(4));

function half(bytes: Uint8Array, at: number): number {
  bits.setUint16(0, bytes[at] | bytes[at + 1] << 8);
  return bits.getFloat16(0);
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24) >>> 0;
}

function signed(byte: number): number {
  return byte << 24 >> 24;
}

/** Blocks of 32 whose codes of 4 bits lie in 16 bytes: low halves first. `high` gives further bits of code `i`. */
function nibbles(
  bytes: Uint8Array,
  at: number,
  values: Float32Array,
  to: number,
  value: (code: number, index: number) => number,
): void {
  for (let i = 0; i < 16; i++) {
    values[to + i] = value(bytes[at + i] & 15, i);
    values[to + i + 16] = value(bytes[at + i] >> 4, i + 16);
  }
}

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

/** Levels of the normal distribution's quantiles, as ggml lists them (`kvalues_iq4nl`). */
const levels = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

const iq4_nl: Decode = (bytes, at, values, to) => {
  const d = half(bytes, at);
  nibbles(bytes, at + 2, values, to, (code) => d * levels[code]);
};

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

/** One value per block, decoded as in safetensors. */
function plain(dtype: "F32" | "F16" | "BF16" | "F64" | "I8" | "I16" | "I32", size: number): Decode {
  return (bytes, at, values, to) => {
    const copy = bytes.slice(at, at + size);
    values[to] = Number(fromBytes(dtype, copy.buffer)[0]);
  };
}

/** All types that can be decoded. */
export const ggufTypes: readonly GgufType[] = [
  { name: "F32", id: 0, block: 1, bytes: 4, decode: plain("F32", 4) },
  { name: "F16", id: 1, block: 1, bytes: 2, decode: plain("F16", 2) },
  { name: "Q4_0", id: 2, block: 32, bytes: 18, decode: q4_0 },
  { name: "Q4_1", id: 3, block: 32, bytes: 20, decode: q4_1 },
  { name: "Q5_0", id: 6, block: 32, bytes: 22, decode: q5_0 },
  { name: "Q5_1", id: 7, block: 32, bytes: 24, decode: q5_1 },
  { name: "Q8_0", id: 8, block: 32, bytes: 34, decode: q8_0 },
  { name: "Q2_K", id: 10, block: 256, bytes: 84, decode: q2_k },
  { name: "Q3_K", id: 11, block: 256, bytes: 110, decode: q3_k },
  { name: "Q4_K", id: 12, block: 256, bytes: 144, decode: (b, at, v, to) => k45(b, at, v, to, null) },
  { name: "Q5_K", id: 13, block: 256, bytes: 176, decode: (b, at, v, to) => k45(b, at, v, to, at + 16) },
  { name: "Q6_K", id: 14, block: 256, bytes: 210, decode: q6_k },
  { name: "IQ4_NL", id: 20, block: 32, bytes: 18, decode: iq4_nl },
  { name: "I8", id: 24, block: 1, bytes: 1, decode: plain("I8", 1) },
  { name: "I16", id: 25, block: 1, bytes: 2, decode: plain("I16", 2) },
  { name: "I32", id: 26, block: 1, bytes: 4, decode: plain("I32", 4) },
  { name: "F64", id: 28, block: 1, bytes: 8, decode: plain("F64", 8) },
  { name: "BF16", id: 30, block: 1, bytes: 2, decode: plain("BF16", 2) },
];

const byId = new Map(ggufTypes.map((type) => [type.id, type]));

/** The type of a number in a file, or undefined when it cannot be decoded. */
export function ggufType(id: number): GgufType | undefined {
  return byId.get(id);
}

/** Float32 values of stored bytes. */
export function decodeGguf(type: GgufType, bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const { name } = type;
  // A loop of one-value blocks is slow where a view does.
  if (name === "F32" || name === "F16" || name === "BF16") {
    const whole = bytes.byteLength === bytes.buffer.byteLength;
    return fromBytes(name, whole ? bytes.buffer : bytes.slice().buffer) as Float32Array<ArrayBuffer>;
  }
  const blocks = bytes.length / type.bytes;
  const values = new Float32Array(blocks * type.block);
  for (let i = 0; i < blocks; i++) type.decode(bytes, i * type.bytes, values, i * type.block);
  return values;
}
