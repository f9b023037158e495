/** What readers of published files share: modules, their tensors, checked as they are read. */
import type { JsonObject } from "../../base/json.ts";
import { checkFields, type KnownFields } from "../../base/fields.ts";
import type { Checkpoint } from "../../model/checkpoint/checkpoint.ts";
import type { ModelConfig } from "../../model/checkpoint/config.ts";
import { SchemeError } from "../error.ts";
import { CheckpointError } from "../../model/files/error.ts";
import { isFloat, type StoredDtype, type TensorData, toFloat32 } from "../../model/files/dtype.ts";
import { requireFinite } from "../../model/checkpoint/weights.ts";
import type { RawTensor } from "../../model/safetensors.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";

/** A linear layer that a file holds quantized. */
export interface QuantizedModule {
  /** Name without `.weight`. */
  readonly name: string;
  /** Format and bits, for tables: `gptq 4`. */
  readonly format: string;
  /** The tensors that it takes the place of. */
  readonly tensors: readonly string[];
  /** Reads the weight. */
  read(): Promise<StoredWeight>;
}

/** What a file says of the numbers that a model computes with beside its weights. */
export interface RuntimeScheme {
  /** Name of a linear layer, to the rule of its inputs. */
  readonly inputs: ReadonlyMap<string, InputRule>;
  /** The rule of keys and values, where the cache is quantized. */
  readonly cache?: CacheRule;
}

/** How inputs of a linear layer, or keys and values, are rounded. */
export interface InputRule {
  /** Settings, as the file has them: equal rules are equal texts. */
  readonly settings: JsonObject;
  /** Scale of a static range. */
  readonly scale?: number;
  /** Zero point of a static range. */
  readonly zero?: number;
}

/** How keys and values are rounded. */
export interface CacheRule {
  /** Settings, as the file has them. */
  readonly settings: JsonObject;
  /** Scales of keys and values by layer. */
  readonly scales: ReadonlyMap<number, readonly [key: number, value: number]>;
}

/** What a reader found in a checkpoint. */
export interface Found {
  /** The quantized linear layers. */
  readonly modules: readonly QuantizedModule[];
  /** What the file says of its quantization. */
  readonly scheme: JsonObject;
  /** Tensors that belong to no weight and were read, such as scales of caches. */
  readonly others?: readonly string[];
  /** Keys of the files' metadata that were read. */
  readonly metadata?: readonly string[];
  /** What of the file's settings was not used, in sentences. */
  readonly notices: readonly string[];
  /** What is rounded as the model runs. */
  readonly runtime?: RuntimeScheme;
}

/** Reads a checkpoint of one format; `config` is its `quantization_config`. */
export type FormatReader = (checkpoint: Checkpoint, config: ModelConfig) => Promise<Found> | Found;

/** What is known of a weight whose codes stay in their file, with the way to read it. */
export function leftInFile(
  name: string,
  { shape, byteLength }: Pick<StoredWeight, "shape" | "byteLength">,
  read: () => Promise<StoredWeight>,
): StoredWeight {
  return {
    shape,
    byteLength,
    read,
    dequantize() {
      throw new SchemeError(
        "combination",
        `${name}: its codes were left in their file: expected read() first`,
      );
    },
  };
}

/** Refuses what a checkpoint says. */
export function refuse(checkpoint: Checkpoint, message: string): never {
  throw new CheckpointError("config", `${checkpoint.directory}: ${message}`);
}

/** Notices for fields that are not known; refuses those that ask for what is not done. */
export function fieldNotices(config: ModelConfig, known: KnownFields): string[] {
  return checkFields(config.source, config.values, known, (message) => {
    throw new CheckpointError("config", message);
  });
}

/** Names without an ending, of the tensors that have it. */
export function modulesWith(checkpoint: Checkpoint, ending: string): string[] {
  return checkpoint.names().filter((name) => name.endsWith(ending)).map((name) =>
    name.slice(0, -ending.length)
  );
}

/** Those of a module's tensors that are there. */
export function present(checkpoint: Checkpoint, module: string, endings: readonly string[]): string[] {
  return endings.map((ending) => module + ending).filter((name) => checkpoint.has(name));
}

/** A tensor as it is stored, of one of these types. */
export async function rawOf(
  checkpoint: Checkpoint,
  name: string,
  accepted: readonly StoredDtype[],
): Promise<RawTensor> {
  const dtype = checkpoint.dtype(name);
  if (!accepted.includes(dtype)) {
    throw new CheckpointError(
      "dtype",
      `${checkpoint.directory}: tensor "${name}" is stored as ${dtype}: expected ${accepted.join(" or ")}`,
    );
  }
  if (checkpoint.raw === undefined) throw new CheckpointError("format", `${checkpoint.directory}: no codes`);
  return await checkpoint.raw(name);
}

/** Words or integers of 32 bits. */
export async function integersOf(checkpoint: Checkpoint, name: string): Promise<Int32Array> {
  const { data } = await rawOf(checkpoint, name, ["I32", "U32"]);
  return new Int32Array(data.buffer, data.byteOffset, data.length);
}

/** Finite floats of a tensor as float32. */
export async function floatsOf(checkpoint: Checkpoint, name: string): Promise<Float32Array> {
  const { data } = await rawOf(checkpoint, name, ["F16", "BF16", "F32", "F64"]);
  return requireFinite(toFloat32(data), `${checkpoint.directory}: tensor "${name}"`);
}

/** The bytes of a tensor's values. */
export function bytesOf(data: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Refuses a tensor of another shape than `expected`. */
export function requireShape(
  checkpoint: Checkpoint,
  name: string,
  expected: readonly number[],
  why: string,
): void {
  const found = checkpoint.shape(name);
  if (found.join() === expected.join()) return;
  throw new CheckpointError(
    "shape",
    `${checkpoint.directory}: tensor "${name}" has shape [${found}], ${why} needs [${expected}]`,
  );
}

/** Whether a tensor is a matrix of floats. */
export function isFloatMatrix(checkpoint: Checkpoint, name: string): boolean {
  return checkpoint.has(name) && isFloat(checkpoint.dtype(name)) && checkpoint.shape(name).length === 2;
}
