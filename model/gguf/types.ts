/**
 * The storage types of GGUF tensors and what they stand for. Products of codes and scales are exact in float64, so each weight
 * is rounded to float32 once, which gives the bits of ggml's own decoder and of gguf-py.
 */
import { type Dtype, fromBytes } from "../files/dtype.ts";
import { CheckpointError } from "../files/error.ts";
import type { Decode, GgufType } from "./types/block.ts";
import { kTypes } from "./types/k.ts";
import { levelTypes } from "./types/levels.ts";
import { pointTypes } from "./types/points.ts";
import { uniformTypes } from "./types/uniform.ts";

export type { GgufType };

/** Types of one value per block, which are decoded as in safetensors. */
const plainTypes: readonly (readonly [name: Dtype, id: number, bytes: number])[] = [
  ["F32", 0, 4],
  ["F16", 1, 2],
  ["I8", 24, 1],
  ["I16", 25, 2],
  ["I32", 26, 4],
  ["I64", 27, 8],
  ["F64", 28, 8],
  ["BF16", 30, 2],
];

function plain(dtype: Dtype, size: number): Decode {
  return (bytes, at, values, to) => {
    values[to] = Number(fromBytes(dtype, bytes.slice(at, at + size).buffer)[0]);
  };
}

/** All types that can be decoded, in the order of their numbers. */
export const ggufTypes: readonly GgufType[] = [
  ...plainTypes.map(([name, id, bytes]) => ({ name, id, block: 1, bytes, decode: plain(name, bytes) })),
  ...uniformTypes,
  ...kTypes,
  ...pointTypes,
  ...levelTypes,
].sort((a, b) => a.id - b.id);

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

/**
 * Stored bytes of a big-endian file as a little-endian one has them: single values turned around, in blocks what gguf-py's
 * conversion script turns around.
 *
 * @throws {CheckpointError} `dtype` for types that the script does not convert
 */
export function littleEndian(
  type: GgufType,
  bytes: Uint8Array<ArrayBuffer>,
  where: string,
): Uint8Array<ArrayBuffer> {
  const { block, bytes: size, words } = type;
  if (block > 1 && words === undefined) {
    throw new CheckpointError(
      "dtype",
      `${where} is ${type.name}, whose blocks in a big-endian file nobody defines`,
    );
  }
  const turned = bytes.slice();
  for (let at = 0; at < turned.length; at += size) {
    if (words === undefined) turned.subarray(at, at + size).reverse();
    for (const word of words ?? []) turned.subarray(at + word, at + word + 2).reverse();
  }
  return turned;
}
