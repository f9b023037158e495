/**
 * Values as bytes and back, to the bit: numbers (NaN, infinities and -0 too), texts, lists, plain objects, typed arrays, and stored
 * weights with their class. A weight that can be kept is plain data: its fields hold all of it, none of them private to the language (`#`)
 * or a function.
 *
 * A record is eight letters, the SHA-256 of the rest, the length of a JSON header as a 64-bit integer, the header, and the bytes of all
 * typed arrays, each at a multiple of 8.
 */
import { sha256Hex } from "../../base/hash.ts";
import { isJsonObject, readNumbers, writeNumbers } from "../../base/json.ts";
import { SchemeError } from "../error.ts";
import { BilevelVector } from "../weights/bilevel.ts";
import { BcqWeight } from "../weights/binary.ts";
import { ColumnScaledWeight } from "../weights/column_scaled.ts";
import { DualGrainedWeight } from "../weights/dual_grained.ts";
import { Int8Weight } from "../weights/int8.ts";
import { KeptColumnsWeight } from "../weights/kept_columns.ts";
import { LowRankWeight } from "../weights/low_rank.ts";
import { MixedBitsWeight } from "../weights/mixed_bits.ts";
import { QqqWeight } from "../weights/qqq.ts";
import { RazoredWeight } from "../weights/razored.ts";
import { MixedColumnsWeight } from "../weights/mixed_columns.ts";
import { RealZeroWeight } from "../weights/real_zero.ts";
import { ReshapedWeight } from "../weights/reshaped.ts";
import { SparseMatrix } from "../weights/sparse.ts";
import { SparseWeight } from "../weights/sparse_values.ts";
import { SpqrWeight } from "../weights/spqr.ts";
import { StructuredBinaryWeight } from "../weights/structured_binary.ts";
import { TableWeight } from "../weights/table.ts";
import { UniformWeight } from "../weights/uniform.ts";

const magic = "QBRECORD", headerAt = 8 + 32 + 8;

/** Classes whose instances are kept, by name. */
const classes: ReadonlyMap<string, { readonly prototype: object }> = new Map(
  Object.entries({
    BcqWeight,
    BilevelVector,
    ColumnScaledWeight,
    DualGrainedWeight,
    Int8Weight,
    KeptColumnsWeight,
    LowRankWeight,
    MixedBitsWeight,
    QqqWeight,
    RazoredWeight,
    MixedColumnsWeight,
    RealZeroWeight,
    ReshapedWeight,
    SparseMatrix,
    SparseWeight,
    SpqrWeight,
    StructuredBinaryWeight,
    TableWeight,
    UniformWeight,
  }),
);
const names = new Map([...classes].map(([name, { prototype }]) => [prototype, name]));

type Numbers =
  | Float64Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Float16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;
type NumbersClass = {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, at: number, length: number): Numbers;
};

/** By name; looked up when asked, since Node 22 has no `Float16Array` until it is given one. */
const arrays = (): Readonly<Record<string, NumbersClass>> => ({
  Float64Array,
  Float32Array,
  Float16Array,
  Int32Array,
  Uint32Array,
  Uint16Array,
  Int16Array,
  Int8Array,
  Uint8Array,
});

/**
 * The bytes of a value.
 *
 * @throws {SchemeError} `resume`, of what cannot be kept
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const value = { scales: Float32Array.of(1, NaN), rest: [null, -0, "a"] };
 * assertEquals(decodeRecord(encodeRecord(value)), value);
 * ```
 */
export function encodeRecord(value: unknown): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const plain = (one: unknown): unknown => {
    if (ArrayBuffer.isView(one) && !(one instanceof DataView)) {
      const name = one.constructor.name, bytes = new Uint8Array(one.buffer, one.byteOffset, one.byteLength);
      if (arrays()[name] === undefined) throw unkept(name);
      const at = length;
      parts.push(bytes);
      length += Math.ceil(bytes.length / 8) * 8;
      return { $array: [name, at, bytes.length / (arrays()[name].BYTES_PER_ELEMENT)] };
    }
    if (Array.isArray(one)) return one.map(plain);
    if (typeof one === "function" || typeof one === "symbol" || typeof one === "bigint") {
      throw unkept(typeof one);
    }
    if (typeof one !== "object" || one === null) return one;
    const prototype = Object.getPrototypeOf(one), name = names.get(prototype);
    const fields = Object.fromEntries(Object.entries(one).map(([key, inner]) => [key, plain(inner)]));
    if (name !== undefined) return { $class: [name, fields] };
    if (prototype !== Object.prototype) throw unkept(`an instance of ${one.constructor.name}`);
    return fields;
  };
  const header = new TextEncoder().encode(writeNumbers([plain(value)]));
  const bodyAt = Math.ceil((headerAt + header.length) / 8) * 8, bytes = new Uint8Array(bodyAt + length);
  bytes.set(new TextEncoder().encode(magic));
  new DataView(bytes.buffer).setBigUint64(40, BigInt(header.length), true);
  bytes.set(header, headerAt);
  let at = bodyAt;
  for (const part of parts) {
    bytes.set(part, at);
    at += Math.ceil(part.length / 8) * 8;
  }
  bytes.set(Uint8Array.fromHex(sha256Hex(bytes.subarray(40))), 8);
  return bytes;
}

function unkept(what: string): SchemeError {
  return new SchemeError("resume", `${what} cannot be kept on a disk: expected weights that are plain data`);
}

/**
 * The value that bytes hold; undefined where they are no whole record.
 *
 * @throws {SchemeError} `resume`, where a class of the record is not known here
 */
export function decodeRecord(bytes: Uint8Array<ArrayBuffer>): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < headerAt || new TextDecoder().decode(bytes.subarray(0, 8)) !== magic) return undefined;
  if (bytes.subarray(8, 40).toHex() !== sha256Hex(bytes.subarray(40))) return undefined;
  const headerEnd = headerAt + Number(view.getBigUint64(40, true)), bodyAt = Math.ceil(headerEnd / 8) * 8;
  const whole = (one: unknown): unknown => {
    if (Array.isArray(one)) return one.map(whole);
    if (!isJsonObject(one)) return one;
    if (Array.isArray(one.$array)) {
      const [name, at, length] = one.$array as [string, number, number], array = arrays()[name];
      const start = bytes.byteOffset + bodyAt + at;
      return new array(bytes.buffer.slice(start, start + length * array.BYTES_PER_ELEMENT), 0, length);
    }
    if (Array.isArray(one.$class)) {
      const [name, fields] = one.$class as [string, Record<string, unknown>], known = classes.get(name);
      if (known === undefined) throw unkept(`an instance of ${name}`);
      return Object.assign(Object.create(known.prototype), whole(fields));
    }
    return Object.fromEntries(Object.entries(one).map(([key, inner]) => [key, whole(inner)]));
  };
  const header = readNumbers(new TextDecoder().decode(bytes.subarray(headerAt, headerEnd)));
  return (whole(header) as unknown[])[0];
}
