/** Reads and writes safetensors files: an 8-byte length, a JSON header, then the tensors back to back. */
import { CheckpointError } from "./files/error.ts";
import { type Dtype, dtypes, fromBytes, requireDecoded, type TensorData, toBytes } from "./files/dtype.ts";
import { fileSize, readRange, readRanges } from "./files/read.ts";
import { pathOf, writeAtomic } from "../base/file.ts";
import { headerLength, parseHeader, type TensorInfo } from "./safetensors/header.ts";

/** A tensor in memory: row-major `data` of `shape`. */
export interface RawTensor {
  /** Element type in the file. */
  readonly dtype: Dtype;
  /** Dimensions; `[]` is a scalar. */
  readonly shape: readonly number[];
  /** Values; F16 and BF16 are decoded to float32, exactly. */
  readonly data: TensorData;
}

/** An opened file: its header is in memory, its tensors are not. */
export interface SafetensorsFile {
  /** The path as given. */
  readonly path: string;
  /** Size of the file in bytes. */
  readonly byteLength: number;
  /** The file's own string-to-string metadata. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Type, shape and place of each tensor. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** What the header says that is not used, in sentences. */
  readonly notices: readonly string[];
  /** Type, shape and place of one tensor; throws a `CheckpointError`, code `tensor`, when there is none. */
  info(name: string): TensorInfo;
  /** Reads one tensor. */
  read(name: string): Promise<RawTensor>;
  /** Reads `count` slices along the first axis, from slice `start` on. */
  readRows(name: string, start: number, count: number): Promise<RawTensor>;
}

/**
 * Opens a safetensors file: reads and checks the header only.
 *
 * Source: https://github.com/huggingface/safetensors#format
 *
 * @throws {CheckpointError} `missing`, `unreadable`, `format`, `truncated`, `header`, `dtype`, `shape` or `offsets`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * const file = await openSafetensors("fixtures/models/llama/model.safetensors");
 * const { shape, data } = await file.read("model.norm.weight");
 * assert(shape[0] === 256 && data.length === 256);
 * ```
 */
export async function openSafetensors(path: string | URL): Promise<SafetensorsFile> {
  const name = pathOf(path);
  const size = await fileSize(path);
  const length = headerLength(await readRange(path, 0, Math.min(size, 64)), size, name);
  const header = await readRange(path, 8, length);
  const { metadata, tensors, notices } = parseHeader(header, size - 8 - length, name);

  function info(tensor: string): TensorInfo {
    const entry = tensors.get(tensor);
    if (!entry) {
      throw new CheckpointError("tensor", `${name}: no tensor "${tensor}" among its ${tensors.size}`);
    }
    return entry;
  }
  async function load(tensor: string, offset: number, byteLength: number, shape: readonly number[]) {
    const entry = info(tensor);
    requireDecoded(entry.dtype, `${name}: tensor "${tensor}"`);
    const bytes = await readRange(path, entry.offset + offset, byteLength);
    return rawTensor(entry.dtype, shape, bytes);
  }
  return {
    path: name,
    byteLength: size,
    metadata,
    tensors,
    notices,
    info,
    async read(tensor) {
      const entry = info(tensor);
      return await load(tensor, 0, entry.byteLength, entry.shape);
    },
    async readRows(tensor, start, count) {
      const entry = info(tensor);
      const rows = entry.shape[0] ?? 0;
      const end = start + count;
      if (!Number.isInteger(start) || !Number.isInteger(count) || start < 0 || count < 0 || end > rows) {
        throw new RangeError(`Cannot read rows ${start} to ${end} of "${tensor}": it has ${rows} rows`);
      }
      const rowBytes = rows === 0 ? 0 : entry.byteLength / rows;
      return await load(tensor, start * rowBytes, count * rowBytes, [count, ...entry.shape.slice(1)]);
    },
  };
}

function rawTensor(
  dtype: Dtype,
  shape: readonly number[],
  { buffer }: Uint8Array<ArrayBuffer>,
): RawTensor {
  return { dtype, shape, data: fromBytes(dtype, buffer) };
}

/**
 * Reads all tensors of a safetensors file.
 *
 * @returns name -> `{ dtype, shape, data }`, in the order of the header; `data` is row-major, F16 and BF16 as float32.
 * @throws {CheckpointError} as {@linkcode openSafetensors}
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * const tokens = await readSafetensors("fixtures/expected/tokens.safetensors");
 * assert(tokens.get("test")?.shape.join() === "16,512");
 * ```
 */
export async function readSafetensors(path: string | URL): Promise<Map<string, RawTensor>> {
  const { tensors: entries } = await openSafetensors(path);
  const ranges = [...entries.values()].map(({ offset, byteLength }) => ({ offset, length: byteLength }));
  const tensors = new Map<string, RawTensor>();
  const names = entries.entries();
  for await (const bytes of readRanges(path, ranges)) {
    const { value } = names.next();
    if (value === undefined) break;
    const [name, { dtype, shape }] = value;
    requireDecoded(dtype, `${pathOf(path)}: tensor "${name}"`);
    tensors.set(name, rawTensor(dtype, shape, bytes));
  }
  return tensors;
}

/**
 * The bytes of a safetensors file, in pieces: widest elements first, then by name, as the reference writer lays them out.
 *
 * @throws {CheckpointError} `dtype` or `shape` when a tensor contradicts itself.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, RawTensor>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array<ArrayBuffer>[] {
  const order = [...tensors].sort(([a, x], [b, y]) =>
    dtypes.indexOf(x.dtype) - dtypes.indexOf(y.dtype) || (a < b ? -1 : a > b ? 1 : 0)
  );
  const entries: string[] = [];
  if (metadata.size > 0) {
    const pairs = [...metadata].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
    entries.push(`"__metadata__":{${pairs.join()}}`);
  }
  const data: Uint8Array<ArrayBuffer>[] = [];
  let begin = 0;
  for (const [name, { dtype, shape, data: values }] of order) {
    if (name === "__metadata__") {
      throw new CheckpointError("header", `A tensor cannot be called "__metadata__": the format reserves it`);
    }
    const count = shape.reduce((product, size) => product * size, 1);
    if (count !== values.length) {
      throw new CheckpointError(
        "shape",
        `Tensor "${name}": shape [${shape}] needs ${count} elements, data has ${values.length}`,
      );
    }
    const bytes = toBytes(dtype, values);
    const end = begin + bytes.length;
    entries.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
    data.push(bytes);
    begin = end;
  }
  const json = new TextEncoder().encode(`{${entries.join()}}`);
  // Spaces up to a multiple of 8, so that a memory-mapped reader finds aligned data.
  const head = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true);
  head.set(json, 8);
  return [head, ...data];
}

/**
 * Writes tensors to a safetensors file; the file appears complete or not at all.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * const path = await Deno.makeTempFile({ suffix: ".safetensors" });
 * await writeSafetensors(path, new Map([["w", { dtype: "F16", shape: [2], data: Float32Array.of(1, 2) }]]));
 * assert((await readSafetensors(path)).get("w")?.data[1] === 2);
 * await Deno.remove(path);
 * ```
 */
export async function writeSafetensors(
  path: string | URL,
  tensors: ReadonlyMap<string, RawTensor>,
  metadata?: ReadonlyMap<string, string>,
): Promise<void> {
  await writeAtomic(path, encodeSafetensors(tensors, metadata));
}
