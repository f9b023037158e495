/** Element types of checkpoint files: sizes, exact decoding to float32, encoding with half-even rounding. */
import { CheckpointError } from "./error.ts";

/** The element types of safetensors that this project reads and writes. */
export type Dtype =
  | "F64"
  | "F32"
  | "F16"
  | "BF16"
  | "I64"
  | "I32"
  | "I16"
  | "F8_E8M0"
  | "F8_E4M3"
  | "F8_E5M2"
  | "I8"
  | "U64"
  | "U32"
  | "U16"
  | "U8"
  | "BOOL";

/** Element types of safetensors 0.8 that are not decoded here: a file may hold them, and a tensor of one cannot be read. */
export type UndecodedDtype =
  | "C64"
  | "F8_E4M3FNUZ"
  | "F8_E5M2FNUZ"
  | "F6_E2M3"
  | "F6_E3M2"
  | "F4";

/** Element types of safetensors files. */
export type StoredDtype = Dtype | UndecodedDtype;

/** Values of one tensor. `F16` and `BF16` are held as the float32 numbers they denote, floats of 8 bits as their codes, `BOOL` as 0 and 1. */
export type TensorData =
  | Float64Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

// A Map, so that a dtype called "constructor" finds nothing.
const BYTES = new Map<string, number>([
  ["U64", 8],
  ["I64", 8],
  ["F64", 8],
  ["F32", 4],
  ["U32", 4],
  ["I32", 4],
  ["BF16", 2],
  ["F16", 2],
  ["U16", 2],
  ["I16", 2],
  ["F8_E8M0", 1],
  ["F8_E4M3", 1],
  ["F8_E5M2", 1],
  ["I8", 1],
  ["U8", 1],
  ["BOOL", 1],
]);

const undecodedBits = new Map<string, number>([
  ["C64", 64],
  ...["F8_E4M3FNUZ", "F8_E5M2FNUZ"].map((name) => [name, 8] as const),
  ["F6_E2M3", 6],
  ["F6_E3M2", 6],
  ["F4", 4],
]);

/** Whether `name` is an element type that a file may have. */
export function isStoredDtype(name: unknown): name is StoredDtype {
  return isDtype(name) || typeof name === "string" && undecodedBits.has(name);
}

/** Bits of one element. */
export function bitsPerElement(dtype: StoredDtype): number {
  return isDtype(dtype) ? 8 * bytesPerElement(dtype) : undecodedBits.get(dtype) ?? NaN;
}

/**
 * Throws unless values of a type can be read.
 *
 * @throws {CheckpointError} `dtype`
 */
export function requireDecoded(dtype: StoredDtype, where: string): asserts dtype is Dtype {
  if (isDtype(dtype)) return;
  throw new CheckpointError(
    "dtype",
    `${where} is stored as ${dtype}, which is not decoded here: expected ${dtypes.join(", ")}`,
  );
}

/** All names, in the order in which the reference writer stores tensors: widest elements first. */
export const dtypes: readonly string[] = [...BYTES.keys()];

/** Whether `name` is a supported element type. */
export function isDtype(name: unknown): name is Dtype {
  return typeof name === "string" && BYTES.has(name);
}

/** Bytes of one element. */
export function bytesPerElement(dtype: Dtype): number {
  const bytes = BYTES.get(dtype);
  if (bytes === undefined) {
    throw new CheckpointError("dtype", `Unknown dtype "${dtype}": expected ${dtypes.join(", ")}`);
  }
  return bytes;
}

/** Whether `dtype` holds real numbers as they are: the types weights may have. */
export function isFloat(dtype: StoredDtype): boolean {
  return dtype === "F64" || dtype === "F32" || dtype === "F16" || dtype === "BF16";
}

/**
 * Decodes IEEE binary16 bits, exactly (subnormals, infinities and NaN included).
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * assert(decodeF16(Uint16Array.of(0x3c00, 0x0001)).join() === "1,5.960464477539063e-8");
 * ```
 */
export function decodeF16(bits: Uint16Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  return new Float32Array(new Float16Array(bits.buffer, bits.byteOffset, bits.length));
}

/** Decodes bfloat16 bits, exactly: the upper half of a float32. */
export function decodeBf16(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16;
  return new Float32Array(words.buffer);
}

/** Encodes to IEEE binary16 bits, ties to even; values from 65520 up become infinite. */
export function encodeF16(values: Float32Array): Uint16Array<ArrayBuffer> {
  return new Uint16Array(new Float16Array(values).buffer);
}

/**
 * Encodes to bfloat16 bits, ties to even; a NaN stays a NaN.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * assert(encodeBf16(Float32Array.of(1, -2))[0] === 0x3f80);
 * ```
 */
export function encodeBf16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(values.slice().buffer);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    const isNaN = (word & 0x7fffffff) > 0x7f800000;
    // Adding 0x7fff plus the lowest kept bit carries exactly when the rest is over half, or half and the kept part odd.
    bits[i] = isNaN ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return bits;
}

/** Reads little-endian values of `dtype` from `buffer`, without a copy where the type needs no decoding. */
export function fromBytes(dtype: Dtype, buffer: ArrayBuffer): TensorData {
  switch (dtype) {
    case "F64":
      return new Float64Array(buffer);
    case "F32":
      return new Float32Array(buffer);
    case "F16":
      return decodeF16(new Uint16Array(buffer));
    case "BF16":
      return decodeBf16(new Uint16Array(buffer));
    case "I64":
      return new BigInt64Array(buffer);
    case "I32":
      return new Int32Array(buffer);
    case "I16":
      return new Int16Array(buffer);
    case "I8":
      return new Int8Array(buffer);
    case "U64":
      return new BigUint64Array(buffer);
    case "U32":
      return new Uint32Array(buffer);
    case "U16":
      return new Uint16Array(buffer);
    case "F8_E8M0":
    case "F8_E4M3":
    case "F8_E5M2":
    case "U8":
    case "BOOL":
      return new Uint8Array(buffer);
  }
}

/**
 * The bytes that store `data` as `dtype`: the inverse of {@linkcode fromBytes}.
 *
 * @throws {CheckpointError} code `dtype` when the array's type cannot hold that dtype.
 */
export function toBytes(dtype: Dtype, data: TensorData): Uint8Array<ArrayBuffer> {
  const expected = fromBytes(dtype, new ArrayBuffer(0));
  if (data.constructor !== expected.constructor) {
    throw new CheckpointError(
      "dtype",
      `Cannot store a ${data.constructor.name} as ${dtype}: expected a ${expected.constructor.name}`,
    );
  }
  let stored: TensorData = data;
  if (dtype === "F16") stored = encodeF16(data as Float32Array);
  if (dtype === "BF16") stored = encodeBf16(data as Float32Array);
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

/**
 * Values of any type as float32; exact except for F64, I64, U64, I32 and U32, which round to nearest.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * assert(toFloat32(Int8Array.of(-3, 7)).join() === "-3,7");
 * ```
 */
export function toFloat32(data: TensorData): Float32Array<ArrayBuffer> {
  if (data instanceof Float32Array) return data;
  const values = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) values[i] = Number(data[i]);
  return values;
}
