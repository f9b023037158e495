/** Reads GGUF files, the format of llama.cpp: metadata and quantized tensors in one file. */
import { CheckpointError } from "../files/error.ts";
import { fileSize, readRange } from "../files/read.ts";
import { pathOf } from "../../base/file.ts";
import { type GgufTensor, type GgufValue, maxGgufHeader, NeedMore, parseGgufHeader } from "./header.ts";
import { decodeGguf } from "./types.ts";

/** An opened GGUF file: its header is in memory, its tensors are not. */
export interface GgufFile {
  /** The path as given. */
  readonly path: string;
  /** Size of the file in bytes. */
  readonly byteLength: number;
  /** Metadata by key. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** Type, shape and place of each tensor. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** Float32 values of a tensor, or of `count` rows of its first axis. */
  read(name: string, start?: number, count?: number): Promise<Float32Array<ArrayBuffer>>;
}

/** A tensor of a GGUF file in memory. */
export interface GgufArray {
  /** Storage type, such as `Q4_K`. */
  readonly dtype: string;
  /** Dimensions, row-major. */
  readonly shape: readonly number[];
  /** Values, row-major. */
  readonly data: Float32Array;
}

/**
 * Opens a GGUF file: reads and checks the header only.
 *
 * @throws {CheckpointError} `missing`, `unreadable`, `format`, `header`, `truncated`, `dtype`, `shape` or `offsets`
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * const file = await openGguf("fixtures/gguf/types.gguf");
 * assert(file.tensors.get("Q4_K")?.shape.join() === "2,512");
 * assert((await file.read("Q4_K", 1, 1)).length === 512);
 * ```
 */
export async function openGguf(path: string): Promise<GgufFile> {
  const name = pathOf(path);
  const size = await fileSize(path);
  let header: ReturnType<typeof parseGgufHeader> | undefined;
  for (let length = 1 << 20; header === undefined; length *= 8) {
    const bytes = await readRange(path, 0, Math.min(size, length, maxGgufHeader));
    try {
      header = parseGgufHeader(bytes, size, name);
    } catch (error) {
      if (!(error instanceof NeedMore)) throw error;
    }
  }
  const { metadata, tensors } = header;
  return {
    path: name,
    byteLength: size,
    metadata,
    tensors,
    async read(tensor, start = 0, count) {
      const entry = tensors.get(tensor);
      if (entry === undefined) {
        throw new CheckpointError("tensor", `${name}: no tensor "${tensor}" among its ${tensors.size}`);
      }
      const { type, shape, offset, byteLength } = entry;
      const rows = shape[0] ?? 1, end = start + (count ?? rows - start);
      if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start <= end && end <= rows)) {
        throw new RangeError(`Cannot read rows ${start} to ${end} of "${tensor}": it has ${rows} rows`);
      }
      // A vector's rows are single values, which blocks do not end at.
      if (shape.length < 2) {
        return decodeGguf(type, await readRange(path, offset, byteLength)).slice(start, end);
      }
      const rowBytes = rows === 0 ? 0 : byteLength / rows;
      return decodeGguf(type, await readRange(path, offset + start * rowBytes, (end - start) * rowBytes));
    },
  };
}

/**
 * Reads all tensors of a GGUF file as float32.
 *
 * @throws {CheckpointError} as {@linkcode openGguf}
 *
 * @example
 * ```ts
 * import { readGguf } from "quantbook/model";
 * import { assertEquals } from "@std/assert";
 * const tensors = await readGguf("fixtures/gguf/types.gguf");
 * assertEquals(tensors.get("Q6_K")?.shape, [2, 512]);
 * ```
 */
export async function readGguf(path: string): Promise<Map<string, GgufArray>> {
  const file = await openGguf(path);
  const arrays = new Map<string, GgufArray>();
  for (const [name, { type, shape }] of file.tensors) {
    arrays.set(name, { dtype: type.name, shape, data: await file.read(name) });
  }
  return arrays;
}
