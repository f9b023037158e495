/** A GGUF file as a checkpoint: its metadata as a configuration, its tensors under the names of safetensors. */
import { CheckpointError } from "../files/error.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { ModelConfig } from "../checkpoint/config.ts";
import { checkConfig } from "../checkpoint/read_config.ts";
import { sha256File } from "../files/read.ts";
import { sha256Text } from "../../base/hash.ts";
import type { GgufFile } from "./file.ts";
import { ggufFamilies, type GgufFamily } from "./families.ts";
import type { GgufValue } from "./header.ts";
import { requireFinite } from "../checkpoint/weights.ts";

const llamaParts: Readonly<Record<string, string>> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
  attn_norm: "input_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  attn_q_norm: "self_attn.q_norm",
  attn_k_norm: "self_attn.k_norm",
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};

const llamaFamily = ggufFamilies.llama;

/** The name of a tensor in safetensors checkpoints; unknown ones keep theirs. */
export function checkpointName(
  name: string,
  { prefix = "model.layers.", parts = {} }: GgufFamily = llamaFamily,
): string {
  const [, block, part, kind] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(name) ?? [];
  const names = { ...llamaParts, ...parts };
  const known = part !== undefined && Object.hasOwn(names, part) ? names[part] : undefined;
  if (known === undefined) return name;
  return `${block === undefined ? "" : `${prefix}${block}.`}${known}.${kind}`;
}

/** The name of a tensor in GGUF files: the inverse of {@linkcode checkpointName}. */
export function ggufName(
  name: string,
  { prefix = "model.layers.", parts = {} }: GgufFamily = llamaFamily,
): string {
  const rest = name.startsWith(prefix) ? name.slice(prefix.length) : name;
  const [, layer, part, kind] = /^(?:(\d+)\.)?(.+)\.(weight|bias)$/.exec(rest) ?? [];
  const found = Object.entries({ ...llamaParts, ...parts }).find(([, known]) => known === part);
  return found === undefined ? name : `${layer === undefined ? "" : `blk.${layer}.`}${found[0]}.${kind}`;
}

/**
 * A GGUF file as a checkpoint.
 *
 * @throws {CheckpointError} `config` naming the metadata key
 */
export async function ggufCheckpoint(file: GgufFile): Promise<Checkpoint> {
  const family = familyOf(file);
  const { heads, kvHeads, headDim, values } = await configValues(file, family);
  const config = new ModelConfig(file.path, values);
  checkConfig(config);
  const names = new Map([...file.tensors.keys()].map((name) => [checkpointName(name, family), name]));
  const stored = (name: string) => names.get(name) ?? ggufName(name, family);
  const isTransposed = (name: string) =>
    family.transposed?.some((part) => name.endsWith(`.${part}.weight`)) ?? false;
  const shape = (name: string) => isTransposed(name) ? info(name).shape.toReversed() : info(name).shape;
  const info = (name: string) => {
    const entry = file.tensors.get(stored(name));
    if (entry !== undefined) return entry;
    throw new CheckpointError(
      "tensor",
      `${file.path}: no tensor "${stored(name)}" among its ${file.tensors.size}`,
    );
  };
  const tensor = async (name: string) => {
    info(name);
    const values = await file.read(stored(name));
    requireFinite(values, `${file.path}: tensor "${stored(name)}"`);
    if (isTransposed(name)) return transpose(values, info(name).shape[0] ?? 1);
    if (family.normsPlusOne && /norm\.weight$/.test(name)) return values.map((value) => value - 1);
    // llama.cpp rotates neighbouring rows of llama's queries and keys: its converter interleaves the halves.
    if (!family.interleaved || !/\.[qk]_proj\./.test(name)) return values;
    return splitHeads(values, name.includes("q_proj") ? heads : kvHeads, headDim);
  };
  let hash: Promise<string> | undefined;
  return {
    notices: [],
    config,
    directory: file.path.slice(0, file.path.lastIndexOf("/") + 1) || ".",
    names: () => [...names.keys()],
    has: (name) => names.has(name),
    shape,
    // Quantized values are float32 as far as anybody else is concerned.
    dtype: (name) => {
      const { name: type } = info(name).type;
      return type === "F16" || type === "BF16" ? type : "F32";
    },
    requireShape(name, expected) {
      const found = shape(name);
      if (found.length === expected.length && found.every((size, axis) => size === expected[axis])) return;
      throw new CheckpointError(
        "shape",
        `${file.path}: tensor "${stored(name)}" has shape [${found}], the metadata needs [${expected}]`,
      );
    },
    tensor,
    async tensorRows(name, start, count) {
      const all = await tensor(name), width = all.length / (shape(name)[0] ?? 1);
      return all.slice(start * width, (start + count) * width);
    },
    sha256: () => hash ??= hashOf(file.paths),
  };
}

/** A file's hash; of a set the hash of its parts' hashes. */
async function hashOf(paths: readonly string[]): Promise<string> {
  const hashes: string[] = [];
  for (const path of paths) hashes.push(await sha256File(path));
  return hashes.length === 1 ? hashes[0] : sha256Text(hashes.join("\n"));
}

/**
 * The row, with the two halves of each head one after the other as safetensors checkpoints have them, of a row where the
 * halves stand by turns as llama.cpp has them.
 */
export function splitRow(row: number, headDim: number): number {
  const inner = row % headDim;
  return row - inner + (inner % 2) * headDim / 2 + (inner >> 1);
}

/** Rows of queries or keys, or their biases, in the order of safetensors checkpoints. */
function splitHeads(
  values: Float32Array<ArrayBuffer>,
  heads: number,
  headDim: number,
): Float32Array<ArrayBuffer> {
  const rows = heads * headDim, width = values.length / rows;
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    turned.set(values.subarray(row * width, (row + 1) * width), splitRow(row, headDim) * width);
  }
  return turned;
}

/** The matrix `[rows, columns]`, by columns. */
function transpose(values: Float32Array<ArrayBuffer>, rows: number): Float32Array<ArrayBuffer> {
  const turned = new Float32Array(values.length), columns = values.length / rows;
  for (let i = 0; i < values.length; i++) turned[(i % columns) * rows + Math.floor(i / columns)] = values[i];
  return turned;
}

function failure({ metadata, path }: GgufFile): (key: string, expected: string) => never {
  return (key, expected) => {
    const value = metadata.get(key);
    const got = value === undefined ? "it is missing" : `got ${String(value).slice(0, 80)}`;
    throw new CheckpointError("config", `${path}: ${key} must be ${expected}, ${got}`);
  };
}

function familyOf(file: GgufFile): GgufFamily {
  const name = file.metadata.get("general.architecture");
  if (typeof name === "string" && Object.hasOwn(ggufFamilies, name)) return ggufFamilies[name];
  const known = Object.keys(ggufFamilies).map((one) => `"${one}"`).join(" or ");
  return failure(file)("general.architecture", known);
}

interface Described {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Keys of config.json. */
  readonly values: Record<string, unknown>;
}

/** The metadata as a config.json would have it. */
async function configValues(file: GgufFile, family: GgufFamily): Promise<Described> {
  const { metadata, tensors, path } = file, fail = failure(file);
  const model = String(metadata.get("general.architecture"));
  const number = (name: string, least: number, most: number, fallback?: number): number => {
    const key = `${model}.${name}`, value = metadata.get(key) ?? fallback;
    const valid = typeof value === "number" && value >= least && value <= most;
    return valid ? value : fail(key, `a number from ${least} to ${most}`);
  };
  const integer = (name: string, most: number, fallback?: number): number => {
    const value = number(name, 1, most, fallback);
    return Number.isInteger(value) ? value : fail(`${model}.${name}`, "an integer");
  };
  const heads = integer("attention.head_count", 2 ** 16);
  const kvHeads = integer("attention.head_count_kv", heads, heads);
  if (heads % kvHeads !== 0) fail(`${model}.attention.head_count_kv`, `a divisor of the ${heads} heads`);
  const hidden = integer("embedding_length", 2 ** 20);
  if (!metadata.has(`${model}.attention.key_length`) && hidden % heads !== 0) {
    fail(`${model}.embedding_length`, `divisible by the ${heads} heads`);
  }
  const headDim = integer("attention.key_length", 2 ** 16, hidden / heads);
  const positions = integer("context_length", 2 ** 53, 2048);
  const layers = integer("block_count", 10_000);
  const theta = number("rope.freq_base", 1, 2 ** 53, 10000);
  const { epsilon = "rms_norm_eps", keys = {} } = family;
  const eps = number(`attention.layer_norm_${family.epsilon === undefined ? "rms_" : ""}epsilon`, 0, 1);
  const embedding = tensors.get("token_embd.weight");
  if (embedding === undefined) {
    throw new CheckpointError("tensor", `${path}: no tensor "token_embd.weight" among its ${tensors.size}`);
  }
  const has = (name: string) => metadata.has(`${model}.${name}`);
  const pattern = (name: string) => windowPeriod(metadata.get(`${model}.${name}`), layers);
  const values: Record<string, unknown> = {
    vocab_size: embedding.shape[0],
    hidden_size: hidden,
    intermediate_size: integer("feed_forward_length", 2 ** 24),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    head_dim: headDim,
    max_position_embeddings: positions,
    [epsilon]: eps,
    rope_theta: theta,
    ...await ropeScaling(file, model, headDim, positions, number, fail),
    tie_word_embeddings: !tensors.has("output.weight"),
    attention_bias: model === "llama" && tensors.has("blk.0.attn_output.bias"),
    ...family.extra?.({ number, has, pattern }, { hidden, heads, headDim, layers }),
  };
  const named = Object.entries(values).map(([key, value]) => [keys[key] ?? key, value]);
  return { heads, kvHeads, headDim, values: { model_type: family.type, ...Object.fromEntries(named) } };
}

/** Every how many layers one sees everything: as the file states it, or as its list shows. */
function windowPeriod(value: GgufValue | undefined, layers: number): number | undefined {
  if (typeof value === "number" && Number.isInteger(value) && value > 0) return value;
  if (!Array.isArray(value) || value.length !== layers) return undefined;
  const period = value.indexOf(false) + 1;
  // Without such a layer all see the window.
  if (period === 0) return layers + 1;
  return value.every((one, layer) => one === ((layer + 1) % period !== 0)) ? period : undefined;
}

/** Llama 3's stretched frequencies lie in a tensor of divisors; other scalings are named. */
async function ropeScaling(
  file: GgufFile,
  model: string,
  headDim: number,
  positions: number,
  number: (name: string, least: number, most: number, fallback?: number) => number,
  fail: (key: string, expected: string) => never,
): Promise<Record<string, unknown>> {
  const factors = ["rope_factors_short.weight", "rope_factors_long.weight"];
  if (factors.every((name) => file.tensors.has(name))) {
    const [short, long] = await Promise.all(factors.map(async (name) => Array.from(await file.read(name))));
    const original = number("rope.scaling.original_context_length", 1, 2 ** 53, positions);
    const attention = number("rope.scaling.attn_factor", 0, 2 ** 20, 1);
    return {
      rope_scaling: {
        ...{ rope_type: "longrope", short_factor: short, long_factor: long, attention_factor: attention },
        original_max_position_embeddings: original,
      },
    };
  }
  if (file.tensors.has("rope_freqs.weight")) {
    const divisors = Array.from(await file.read("rope_freqs.weight"));
    if (divisors.length !== headDim / 2) {
      throw new CheckpointError(
        "shape",
        `${file.path}: tensor "rope_freqs.weight" has ${divisors.length} values: expected ${headDim / 2}`,
      );
    }
    return {
      rope_scaling: {
        rope_type: "longrope",
        short_factor: divisors,
        long_factor: divisors,
        attention_factor: 1,
        original_max_position_embeddings: positions,
      },
    };
  }
  const key = `${model}.rope.scaling.type`;
  const kind = file.metadata.get(key) ?? "none";
  if (kind === "none") return {};
  if (kind !== "linear" && kind !== "yarn") return fail(key, `"none", "linear" or "yarn"`);
  const factor = number("rope.scaling.factor", 1, 2 ** 20);
  const original = number("rope.scaling.original_context_length", 1, 2 ** 53, positions);
  return { rope_scaling: { rope_type: kind, factor, original_max_position_embeddings: original } };
}
