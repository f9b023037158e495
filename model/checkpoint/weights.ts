/** Weights on disk: one safetensors file or several with an index; opened without reading any tensor. */
import { directoryOf, pathOf, readBytes } from "../../base/file.ts";
import { CheckpointError } from "../files/error.ts";
import { isFloat, type StoredDtype, toFloat32 } from "../files/dtype.ts";
import { fileError, sha256File } from "../files/read.ts";
import { sha256Text } from "../../base/hash.ts";
import { checkFields } from "../../base/fields.ts";
import { decodeUtf8, isJsonObject, own, parseJson } from "../../base/json.ts";
import { openSafetensors, type RawTensor, type SafetensorsFile } from "../safetensors.ts";
import type { TensorInfo } from "../safetensors/header.ts";
import type { StoredWeight } from "./stored.ts";

/** How a tensor lies in its files. */
export interface TensorStorage {
  /** Name of the element type or of the quantized format: `F16`, `Q4_K`. */
  readonly format: string;
  /** Bytes of its values and of the scales and zero points that belong to them. */
  readonly bytes: number;
}

/** Named matrices and vectors, read on demand as float32. */
export interface Weights {
  /** Size of all files in bytes, headers and metadata included. */
  readonly byteLength: number;
  /** What the files say that is not used, in sentences. */
  readonly notices?: readonly string[];
  /** All tensor names. */
  names(): string[];
  /** Whether there is a tensor of that name. */
  has(name: string): boolean;
  /** Dimensions of a tensor. Throws a `CheckpointError`, code `tensor`, when there is none. */
  shape(name: string): readonly number[];
  /** Element type of a tensor as stored. Throws a `CheckpointError`, code `tensor`, when there is none. */
  dtype(name: string): StoredDtype;
  /** How a tensor is stored. Throws a `CheckpointError`, code `tensor`, when there is none. */
  storage(name: string): TensorStorage;
  /** Throws a `CheckpointError`, code `tensor` or `shape`, unless the tensor exists with these dimensions. */
  requireShape(name: string, shape: readonly number[]): void;
  /**
   * Values of a tensor, row-major. Throws a `CheckpointError`: `tensor` (absent), `dtype` (not real numbers), `nan` (a value
   * that is not finite).
   */
  tensor(name: string): Promise<Float32Array<ArrayBuffer>>;
  /** `count` slices along the first axis, from slice `start` on; reads only these. */
  tensorRows(name: string, start: number, count: number): Promise<Float32Array<ArrayBuffer>>;
  /** A hexadecimal SHA-256 that changes when any value does. */
  sha256(): Promise<string>;
  /** A tensor as its file has it, codes and all; absent where the files are not of safetensors. */
  raw?(name: string): Promise<RawTensor>;
  /**
   * The blocks of a matrix of a GGUF file, row after row: undefined where it is no matrix of one type without a scale beside it; absent
   * where the files are others.
   */
  blocks?(name: string): { readonly type: string; read(): Promise<Uint8Array> } | undefined;
  /** Metadata of the files: strings by name. */
  readonly metadata?: ReadonlyMap<string, string>;
  /** What a matrix is stored as, where others have quantized it. */
  stored?(name: string): StoredWeight | undefined;
}

/** The file that lists which shard holds which tensor. */
export const indexFile = "model.safetensors.index.json";

/**
 * Opens a `.safetensors` file, or the `model.safetensors.index.json` of a sharded checkpoint.
 *
 * @throws {CheckpointError} as {@linkcode openSafetensors}; `index` when the index is malformed or contradicts a shard.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * const weights = await openWeights("fixtures/models/llama/model.safetensors");
 * const norm = await weights.tensor("model.norm.weight");
 * assert(norm.length === 256);
 * ```
 */
export async function openWeights(path: string): Promise<Weights> {
  if (!path.endsWith(".json")) {
    const file = await openSafetensors(path);
    return new FileWeights(path, new Map(file.tensors.keys().map((name) => [name, file])), file.notices);
  }
  const { files, notices } = await openShards(path);
  return new FileWeights(path, files, notices);
}

class FileWeights implements Weights {
  #hash?: Promise<string>;

  constructor(
    private readonly path: string,
    private readonly files: ReadonlyMap<string, SafetensorsFile>,
    readonly notices: readonly string[],
  ) {}

  get byteLength(): number {
    return new Set(this.files.values()).values().reduce((sum, file) => sum + file.byteLength, 0);
  }

  names(): string[] {
    return [...this.files.keys()];
  }

  has(name: string): boolean {
    return this.files.has(name);
  }

  shape(name: string): readonly number[] {
    return this.#info(name).shape;
  }

  dtype(name: string): StoredDtype {
    return this.#info(name).dtype;
  }

  storage(name: string): TensorStorage {
    const { dtype, byteLength } = this.#info(name);
    return { format: dtype, bytes: byteLength };
  }

  requireShape(name: string, shape: readonly number[]): void {
    const found = this.shape(name);
    if (found.length !== shape.length || found.some((size, axis) => size !== shape[axis])) {
      throw new CheckpointError(
        "shape",
        `${pathOf(this.path)}: tensor "${name}" has shape [${found}], the configuration needs [${shape}]`,
      );
    }
  }

  async tensor(name: string): Promise<Float32Array<ArrayBuffer>> {
    return this.#decode(name, await this.#file(name).read(name));
  }

  raw(name: string): Promise<RawTensor> {
    return this.#file(name).read(name);
  }

  get metadata(): ReadonlyMap<string, string> {
    return new Map([...new Set(this.files.values())].flatMap(({ metadata }) => [...metadata]));
  }

  async tensorRows(name: string, start: number, count: number): Promise<Float32Array<ArrayBuffer>> {
    const raw = await this.#file(name).readRows(name, start, count);
    const rowSize = this.shape(name).slice(1).reduce((product, size) => product * size, 1);
    return this.#decode(name, raw, start * rowSize);
  }

  sha256(): Promise<string> {
    return this.#hash ??= this.#digest();
  }

  async #digest(): Promise<string> {
    const paths = [...new Set(this.files.values().map((file) => file.path))].sort();
    const hashes: string[] = [];
    for (const path of paths) hashes.push(await sha256File(path));
    return hashes.length === 1 ? hashes[0] : sha256Text(hashes.join("\n"));
  }

  #info(name: string): TensorInfo {
    return this.#file(name).info(name);
  }

  #file(name: string): SafetensorsFile {
    const file = this.files.get(name);
    if (!file) {
      throw new CheckpointError(
        "tensor",
        `${pathOf(this.path)}: no tensor "${name}" among its ${this.files.size} tensors`,
      );
    }
    return file;
  }

  #decode(name: string, { dtype, data }: RawTensor, first = 0): Float32Array<ArrayBuffer> {
    const where = `${pathOf(this.path)}: tensor "${name}"`;
    if (!isFloat(dtype)) {
      throw new CheckpointError("dtype", `${where} is stored as ${dtype}: expected F16, BF16, F32 or F64`);
    }
    return requireFinite(toFloat32(data), where, first);
  }
}

/** The values; throws a `CheckpointError`, code `nan`, unless all are finite. `first` is the index of the first one. */
export function requireFinite<Values extends Float32Array>(values: Values, where: string, first = 0): Values {
  for (let i = 0; i < values.length; i++) {
    // Only NaN and the infinities differ from zero when subtracted from themselves.
    if (values[i] - values[i] !== 0) {
      throw new CheckpointError(
        "nan",
        `${where} is ${values[i]} at element ${first + i}: expected finite numbers`,
      );
    }
  }
  return values;
}

/** Reads an index and opens all its shards; each tensor must be in the shard that the index names, and in no other. */
async function openShards(
  path: string,
): Promise<{ files: Map<string, SafetensorsFile>; notices: readonly string[] }> {
  const folder = `${directoryOf(path)}/`;
  const { weightMap, notices: said } = await readIndex(path);
  const shards = new Map<string, SafetensorsFile>();
  for (const shard of new Set(weightMap.values())) {
    shards.set(shard, await openSafetensors(folder + shard));
  }
  const files = new Map<string, SafetensorsFile>();
  for (const [tensor, shard] of weightMap) {
    const holders = [...shards].filter(([, file]) => file.tensors.has(tensor)).map(([name]) => name);
    const file = shards.get(shard);
    if (!file || holders.length !== 1 || holders[0] !== shard) {
      const found = holders.length === 0 ? "no shard holds it" : `it is in ${holders.join(" and ")}`;
      throw new CheckpointError(
        "index",
        `${path}: the index puts tensor "${tensor}" in ${shard}, but ${found}`,
      );
    }
    files.set(tensor, file);
  }
  const unlisted = [...shards.values()].flatMap((file) => {
    const [first, ...others] = [...file.tensors.keys()].filter((tensor) => !files.has(tensor));
    if (first === undefined) return [];
    const more = others.length === 0 ? " is" : ` and ${others.length} others are`;
    return [`${file.path}: tensor "${first}"${more} not in ${path} and not used`];
  });
  return { files, notices: [...said, ...shards.values().flatMap((file) => file.notices), ...unlisted] };
}

/** A sum over all files says nothing new. */
const indexFields = { used: ["weight_map", "metadata"] };
const indexMetadataFields = { used: [], harmless: ["format", "total_parameters", "total_size"] };

async function readIndex(
  path: string,
): Promise<{ weightMap: Map<string, string>; notices: readonly string[] }> {
  let json: unknown;
  try {
    json = parseJson(decodeUtf8(await readBytes(path)));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw fileError(error, path);
    throw new CheckpointError("index", `${path}: ${error.message}`, { cause: error });
  }
  const weightMap = isJsonObject(json) ? own(json, "weight_map") : undefined;
  if (!isJsonObject(weightMap) || Object.keys(weightMap).length === 0) {
    throw new CheckpointError("index", `${path}: weight_map must be an object of tensor name -> file name`);
  }
  const map = new Map<string, string>();
  for (const [tensor, shard] of Object.entries(weightMap)) {
    // Only plain names: a path or URL here would read files outside the folder.
    if (typeof shard !== "string" || !/^[\w.-]+\.safetensors$/.test(shard)) {
      throw new CheckpointError(
        "index",
        `${path}: weight_map of tensor "${tensor}" must be a plain .safetensors file name, got ${
          JSON.stringify(shard)
        }`,
      );
    }
    map.set(tensor, shard);
  }
  const refuse = (message: string): never => {
    throw new CheckpointError("index", message);
  };
  const metadata = isJsonObject(json) ? own(json, "metadata") : undefined;
  return {
    weightMap: map,
    notices: [
      ...isJsonObject(json) ? checkFields(path, json, indexFields, refuse) : [],
      ...isJsonObject(metadata)
        ? checkFields(`${path}: metadata`, metadata, indexMetadataFields, refuse)
        : [],
    ],
  };
}
