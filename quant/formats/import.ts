/** Opens checkpoints that others have quantized: finds the format, reads the codes, and gives the weights under their names. */
import { exists, readBytes } from "../../base/file.ts";
import { decodeUtf8, isJsonObject, parseJson } from "../../base/json.ts";
import { show } from "../../base/show.ts";
import type { Checkpoint } from "../../model/checkpoint/checkpoint.ts";
import { ModelConfig } from "../../model/checkpoint/config.ts";
import { requireFinite } from "../../model/checkpoint/weights.ts";
import { CheckpointError } from "../../model/files/error.ts";
import { heldWeight, type StoredWeight } from "../../model/checkpoint/stored.ts";
import { readAwq } from "./awq.ts";
import { readBitsAndBytes } from "./bitsandbytes.ts";
import { readCompressedTensors } from "./compressed_tensors.ts";
import { readFp8Block } from "./fp8_block.ts";
import { withGgufBlocks } from "./gguf/read.ts";
import { readGptq } from "./gptq.ts";
import { readHqq } from "./hqq.ts";
import { type FormatReader, type Found, leftInFile, type RuntimeScheme } from "./source.ts";
import { readTorchAo } from "./torchao.ts";

/** By `quant_method`. */
const readers: Readonly<Record<string, FormatReader>> = {
  awq: readAwq,
  bitsandbytes: readBitsAndBytes,
  "compressed-tensors": readCompressedTensors,
  fp8: readFp8Block,
  gptq: readGptq,
  hqq: readHqq,
  torchao: readTorchAo,
};

/** The formats of quantized checkpoints that are read, as their files call them. */
export const publishedFormats: readonly string[] = Object.keys(readers);

/** A checkpoint with its weights read, and what its files say that the model does as it runs. */
export interface Imported {
  /** Weights under the names that a model asks for. */
  readonly checkpoint: Checkpoint;
  /** What is rounded as the model runs; absent where nothing is. */
  readonly runtime?: RuntimeScheme;
}

/**
 * A checkpoint as one of floats, where others have quantized it; any other as it is. Codes are kept in memory as they are stored; where it is
 * `streaming` they are read and checked, one linear layer after the other, and read again whenever they are needed.
 *
 * @throws {CheckpointError} `config` naming a format or setting that cannot be read; `tensor`, `shape`, `dtype` or `nan` naming the tensor
 */
export async function importCheckpoint(checkpoint: Checkpoint, streaming = false): Promise<Imported> {
  if (checkpoint.blocks !== undefined) return { checkpoint: withGgufBlocks(checkpoint) };
  const config = await settingsOf(checkpoint);
  if (config === null) return { checkpoint };
  const method = config.string("quant_method");
  if (!Object.hasOwn(readers, method)) {
    const known = publishedFormats.map((one) => `"${one}"`).join(", ");
    throw new CheckpointError(
      "config",
      `${config.source}: quant_method is ${show(method)}, a format that is not read here: expected ${known}`,
    );
  }
  const found = await readers[method](checkpoint, config);
  if (found.modules.length === 0 && found.runtime === undefined) {
    throw new CheckpointError(
      "config",
      `${config.source}: quantization_config says ${
        show(method)
      }, but no tensor is stored so: expected none, or the quantized weights`,
    );
  }
  return { checkpoint: await withModules(checkpoint, found, streaming), runtime: found.runtime };
}

/** The settings, in `config.json` or in the files of their own that older tools wrote; null where nothing says that it is quantized. */
async function settingsOf(checkpoint: Checkpoint): Promise<ModelConfig | null> {
  const { config, directory } = checkpoint;
  const section = config.section("quantization_config");
  if (section !== undefined) return section;
  // HQQ's own files say how they are quantized beside each weight, and nowhere else.
  if (checkpoint.names().some((name) => name.endsWith(".W_q"))) {
    return new ModelConfig(directory, { quant_method: "hqq" });
  }
  const packed = (name: string) =>
    name.endsWith(".qweight") || name.endsWith(".B") && checkpoint.has(`${name.slice(0, -1)}s`);
  if (!checkpoint.names().some(packed)) return null;
  for (const [file, method] of [["quantize_config.json", "gptq"], ["quant_config.json", "awq"]]) {
    const path = `${directory}/${file}`;
    if (!await exists(path)) continue;
    const values = parsed(decodeUtf8(await readBytes(path)), path);
    return new ModelConfig(path, { quant_method: method, ...values });
  }
  throw new CheckpointError(
    "config",
    `${directory}: tensors are packed as GPTQ and AWQ do, and nothing says how: expected quantization_config in config.json, ` +
      "or quantize_config.json",
  );
}

function parsed(text: string, path: string): Record<string, unknown> {
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (error) {
    throw new CheckpointError("config", `${path}: ${(error as Error).message}`, { cause: error });
  }
  if (!isJsonObject(json)) throw new CheckpointError("config", `${path}: expected a JSON object`);
  return json;
}

/** The checkpoint with a matrix of floats in place of each module's tensors. */
async function withModules(checkpoint: Checkpoint, found: Found, streaming: boolean): Promise<Checkpoint> {
  const { directory } = checkpoint, { modules, others = [], metadata = [], scheme } = found;
  const weights = new Map<string, StoredWeight>(),
    storage = new Map<string, { format: string; bytes: number }>();
  const taken = new Set(others);
  for (const module of modules) {
    const name = `${module.name}.weight`;
    const bytes = module.tensors.reduce((sum, one) => sum + checkpoint.storage(one).bytes, 0);
    for (const one of module.tensors) taken.add(one);
    const weight = await module.read();
    weights.set(name, streaming ? leftInFile(module.name, weight, () => module.read()) : weight);
    storage.set(name, { format: module.format, bytes });
  }
  const values = async (name: string) => {
    const weight = weights.get(name);
    if (weight === undefined) return undefined;
    const held = (await heldWeight(weight)).dequantize();
    return requireFinite(Float32Array.from(held), `${directory}: the weight of "${name}"`);
  };
  const shape = (name: string) => weights.get(name)?.shape ?? checkpoint.shape(name);
  return {
    ...checkpoint,
    notices: [
      ...checkpoint.notices.filter((one) =>
        !metadata.some((key) => one.includes(`: __metadata__: ${key} (`))
      ),
      ...found.notices,
    ],
    scheme,
    names: () => [...checkpoint.names().filter((name) => !taken.has(name)), ...weights.keys()],
    has: (name) => weights.has(name) || checkpoint.has(name) && !taken.has(name),
    shape,
    dtype: (name) => weights.has(name) ? "F32" : checkpoint.dtype(name),
    storage: (name) => storage.get(name) ?? checkpoint.storage(name),
    requireShape(name, expected) {
      if (!weights.has(name)) return checkpoint.requireShape(name, expected);
      if (shape(name).join() === expected.join()) return;
      throw new CheckpointError(
        "shape",
        `${directory}: the quantized weight of "${name}" has shape [${
          shape(name)
        }], the configuration needs [${expected}]`,
      );
    },
    tensor: async (name) => await values(name) ?? await checkpoint.tensor(name),
    async tensorRows(name, start, count) {
      const found = await values(name);
      if (found === undefined) return await checkpoint.tensorRows(name, start, count);
      const columns = shape(name)[1];
      return found.slice(start * columns, (start + count) * columns);
    },
    stored: (name) => weights.get(name),
  };
}
