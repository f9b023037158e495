/** Writes GGUF files: metadata and tensors whose bytes are encoded already. */
import { CheckpointError } from "../files/error.ts";
import { ggufTypes } from "./types.ts";

/** A metadata value with the type that the file names. */
export type GgufEntry =
  | { readonly type: "u32" | "i32" | "f32"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "strings"; readonly value: readonly string[] }
  | { readonly type: "u8s" | "i32s" | "f32s"; readonly value: readonly number[] };

/** A tensor to be written. */
export interface GgufSource {
  /** Storage type, such as `Q4_0`. */
  readonly dtype: string;
  /** Dimensions, row-major. */
  readonly shape: readonly number[];
  /** The stored bytes. */
  readonly bytes: Uint8Array;
}

const alignment = 32;
const scalarTypes = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8 } as const;
const arrayType = 9;
const utf8 = new TextEncoder();

/**
 * The pieces of a GGUF file (version 3), in order.
 *
 * @throws {CheckpointError} `dtype` or `shape` when a tensor contradicts itself
 */
export function encodeGguf(
  metadata: ReadonlyMap<string, GgufEntry>,
  tensors: ReadonlyMap<string, GgufSource>,
): Uint8Array<ArrayBuffer>[] {
  const head: Uint8Array<ArrayBuffer>[] = [
    utf8.encode("GGUF"),
    u32(3),
    u64(tensors.size),
    u64(metadata.size),
  ];
  for (const [key, entry] of metadata) head.push(text(key), ...encodeEntry(entry));
  const data: Uint8Array<ArrayBuffer>[] = [];
  let offset = 0;
  for (const [name, { dtype, shape, bytes }] of tensors) {
    const type = ggufTypes.find((one) => one.name === dtype);
    if (type === undefined) {
      throw new CheckpointError("dtype", `Tensor "${name}": ${dtype} is no type of GGUF`);
    }
    const elements = shape.reduce((product, size) => product * size, 1);
    if (elements / type.block * type.bytes !== bytes.length) {
      throw new CheckpointError(
        "shape",
        `Tensor "${name}": shape [${shape}] of ${dtype} does not take ${bytes.length} bytes`,
      );
    }
    head.push(text(name), u32(shape.length), ...shape.toReversed().map(u64), u32(type.id), u64(offset));
    data.push(Uint8Array.from(bytes), padding(bytes.length));
    offset += Math.ceil(bytes.length / alignment) * alignment;
  }
  return [...head, padding(head.reduce((sum, part) => sum + part.length, 0)), ...data];
}

function encodeEntry(entry: GgufEntry): Uint8Array<ArrayBuffer>[] {
  switch (entry.type) {
    case "strings":
      return [u32(arrayType), u32(scalarTypes.string), u64(entry.value.length), ...entry.value.map(text)];
    case "u8s":
      return list(0, Uint8Array.from(entry.value));
    case "i32s":
      return list(scalarTypes.i32, Int32Array.from(entry.value));
    case "f32s":
      return list(scalarTypes.f32, Float32Array.from(entry.value));
    case "string":
      return [u32(scalarTypes.string), text(entry.value)];
    case "bool":
      return [u32(scalarTypes.bool), Uint8Array.of(Number(entry.value))];
    case "f32":
      return [u32(scalarTypes.f32), new Uint8Array(Float32Array.of(entry.value).buffer)];
    default:
      return [u32(scalarTypes[entry.type]), u32(entry.value >>> 0)];
  }
}

function list(
  type: number,
  values: Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer>[] {
  return [u32(arrayType), u32(type), u64(values.length), new Uint8Array(values.buffer)];
}

function u32(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function u64(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
}

function text(value: string): Uint8Array<ArrayBuffer> {
  const bytes = utf8.encode(value), whole = new Uint8Array(8 + bytes.length);
  whole.set(u64(bytes.length));
  whole.set(bytes, 8);
  return whole;
}

function padding(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array((alignment - length % alignment) % alignment);
}
