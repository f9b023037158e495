/** A checkpoint: a configuration and its weights, opened from a directory or a file without reading any tensor. */
import { type JsonObject, writeNumbers } from "../../base/json.ts";
import { directoryOf, namesIn, statOf, trimmedPath } from "../../base/file.ts";
import { CheckpointError } from "../files/error.ts";
import type { ModelConfig } from "./config.ts";
import { readConfig } from "./read_config.ts";
import { fileError } from "../files/read.ts";
import { sha256Text } from "../../base/hash.ts";
import { indexFile, openWeights, type Weights } from "./weights.ts";

/** Weights with the configuration that says how to use them. */
export interface Checkpoint extends Weights {
  /** The checked `config.json`. */
  readonly config: ModelConfig;
  /** The directory that holds the configuration, and usually a tokenizer. */
  readonly directory: string;
  /** What its files say that was not used, in sentences. */
  readonly notices: readonly string[];
  /** What its files say of its quantization, as JSON: the format and its settings; absent where nothing is quantized. */
  readonly scheme?: JsonObject;
}

/**
 * Opens a checkpoint.
 *
 * @param path a directory with `model.safetensors` or `model.safetensors.index.json`, or one of these files; `config.json`
 *   stands beside it
 * @throws {CheckpointError} `missing` and all codes of reading a configuration and weights
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * const checkpoint = await openCheckpoint("fixtures/models/llama");
 * assert(checkpoint.config.modelType === "llama");
 * assert(checkpoint.shape("model.embed_tokens.weight").join() === "2048,256");
 * const row = await checkpoint.tensorRows("model.embed_tokens.weight", 7, 1);
 * assert(row.length === 256);
 * ```
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const { directory, file } = await locate(path);
  const config = await readConfig(`${directory}/config.json`);
  const weights = await openWeights(file);
  return withConfig(weights, config, directory, [...config.notices, ...weights.notices ?? []]);
}

/** Joins weights and a configuration; equal hashes mean equal values of both. */
export function withConfig(
  weights: Weights,
  config: ModelConfig,
  directory: string,
  notices: readonly string[] = [],
): Checkpoint {
  return {
    config,
    directory,
    notices,
    byteLength: weights.byteLength,
    names: () => weights.names(),
    has: (name) => weights.has(name),
    shape: (name) => weights.shape(name),
    dtype: (name) => weights.dtype(name),
    storage: (name) => weights.storage(name),
    requireShape: (name, shape) => weights.requireShape(name, shape),
    tensor: (name) => weights.tensor(name),
    tensorRows: (name, start, count) => weights.tensorRows(name, start, count),
    ...weights.raw && { raw: weights.raw.bind(weights) },
    ...weights.metadata && { metadata: weights.metadata },
    sha256: async () => sha256Text(`${await weights.sha256()}\n${writeNumbers(config.values)}`),
  };
}

/** Names of files that torch writes with pickle. */
const pickles = /\.(bin|pt|pth|pkl|ckpt)$/;

const pickleHint =
  "is a pickle, which may run any code when it is opened and is never loaded: expected safetensors, " +
  "which transformers writes of a model that is trusted by save_pretrained";

async function locate(path: string): Promise<{ directory: string; file: string }> {
  const found = await statOf(path).catch((error) => {
    throw fileError(error, path);
  });
  if (found === null) throw new CheckpointError("missing", `${path}: no such file`);
  if (found.isFile) {
    if (pickles.test(path)) throw new CheckpointError("format", `${path} ${pickleHint}`);
    return { directory: directoryOf(path), file: path };
  }
  const directory = trimmedPath(path);
  const names = await namesIn(directory).catch((error) => {
    throw fileError(error, directory);
  });
  for (const name of ["model.safetensors", indexFile]) {
    if (names.includes(name)) return { directory, file: `${directory}/${name}` };
  }
  const pickle = names.find((name) => pickles.test(name));
  const gguf = names.find((name) => name.endsWith(".gguf"));
  const hint = gguf
    ? `; ${gguf} is a GGUF file: name the file itself`
    : pickle
    ? `; ${pickle} ${pickleHint}`
    : "";
  throw new CheckpointError("missing", `${directory}: no model.safetensors or ${indexFile} here${hint}`);
}
