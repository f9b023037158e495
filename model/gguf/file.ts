/** Reads GGUF files, the format of llama.cpp: metadata and quantized tensors in one file, or in a set of parts. */
import { CheckpointError } from "../files/error.ts";
import { fileSize, readRange } from "../files/read.ts";
import { pathOf, statOf } from "../../base/file.ts";
import {
  type GgufHeader,
  type GgufTensor,
  type GgufValue,
  maxGgufHeader,
  NeedMore,
  parseGgufHeader,
} from "./header.ts";
import { checkParts, partPaths } from "./parts.ts";
import { decodeGguf, littleEndian } from "./types.ts";

/** An opened GGUF file: its header is in memory, its tensors are not. */
export interface GgufFile {
  /** The path as given. */
  readonly path: string;
  /** The files of the set in their order: one, unless the model was split. */
  readonly paths: readonly string[];
  /** Size of all files in bytes. */
  readonly byteLength: number;
  /** Metadata by key; of a set, the first part's. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** Type, shape and place of each tensor. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** Float32 values of a tensor, or of `count` rows of its first axis. */
  read(name: string, start?: number, count?: number): Promise<Float32Array<ArrayBuffer>>;
  /** The same rows as a little-endian file stores them; absent where nothing but values can be had. */
  blocks?(name: string, start?: number, count?: number): Promise<Uint8Array<ArrayBuffer>>;
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

/** Whether a file begins as GGUF files do, whatever its name. */
export async function isGguf(path: string): Promise<boolean> {
  const found = await statOf(path).catch(() => null);
  if (!found?.isFile || found.size < 4) return false;
  return String.fromCharCode(...await readRange(path, 0, 4)) === "GGUF";
}

/**
 * Opens a GGUF file: reads and checks the header only. Of a model that was split (`split.count`) all parts are opened,
 * whichever is given: they lie in one directory and are called `NAME-00001-of-00003.gguf` and so on. Big-endian files are read
 * where gguf-py can write them.
 *
 * @throws {CheckpointError} `missing`, `unreadable`, `format`, `header`, `truncated`, `dtype`, `shape`, `offsets`, or `index`
 * when the parts of a set contradict one another
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
  const given = await openPart(name), paths = partPaths(name, given.metadata);
  const parts: Part[] = [];
  for (const one of paths) parts.push(one === name ? given : await openPart(one));
  checkParts(parts, paths);
  const homes = new Map(parts.flatMap((part) => [...part.tensors.keys()].map((tensor) => [tensor, part])));
  const homeOf = (tensor: string): Part => {
    const home = homes.get(tensor);
    if (home !== undefined) return home;
    throw new CheckpointError("tensor", `${name}: no tensor "${tensor}" among its ${homes.size}`);
  };
  return {
    path: name,
    paths,
    byteLength: parts.reduce((sum, { size }) => sum + size, 0),
    metadata: parts[0].metadata,
    tensors: new Map(parts.flatMap(({ tensors }) => [...tensors])),
    read: async (tensor, start, count) => await readTensor(homeOf(tensor), tensor, start, count),
    blocks: async (tensor, start, count) => await readBlocks(homeOf(tensor), tensor, start, count),
  };
}

/** One file of a set. */
interface Part extends GgufHeader {
  readonly path: string;
  readonly size: number;
}

async function openPart(path: string): Promise<Part> {
  const size = await fileSize(path);
  for (let length = 1 << 20;; length *= 8) {
    const bytes = await readRange(path, 0, Math.min(size, length, maxGgufHeader));
    try {
      return { path, size, ...parseGgufHeader(bytes, size, path) };
    } catch (error) {
      if (!(error instanceof NeedMore)) throw error;
    }
  }
}

async function readTensor(
  part: Part,
  name: string,
  start = 0,
  count?: number,
): Promise<Float32Array<ArrayBuffer>> {
  const { type, shape } = entryOf(part, name);
  if (shape.length >= 2) return decodeGguf(type, await readBlocks(part, name, start, count));
  // A vector's rows are single values, which blocks do not end at.
  const values = decodeGguf(type, await readBlocks(part, name));
  return values.slice(start, start + (count ?? values.length - start));
}

function entryOf({ path, tensors }: Part, name: string): GgufTensor {
  const entry = tensors.get(name);
  if (entry === undefined) throw new CheckpointError("tensor", `${path}: no tensor "${name}"`);
  return entry;
}

async function readBlocks(
  part: Part,
  name: string,
  start = 0,
  count?: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { type, shape, offset, byteLength } = entryOf(part, name), { path } = part;
  const rows = shape[0] ?? 1, end = start + (count ?? rows - start);
  if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start <= end && end <= rows)) {
    throw new RangeError(`Cannot read rows ${start} to ${end} of "${name}": it has ${rows} rows`);
  }
  const rowBytes = rows === 0 ? 0 : byteLength / rows;
  const bytes = await readRange(path, offset + start * rowBytes, (end - start) * rowBytes);
  return part.littleEndian ? bytes : littleEndian(type, bytes, `${path}: tensor "${name}"`);
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
