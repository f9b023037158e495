/** Reads a `config.json` and checks what every decoder's must satisfy, whatever its family. */
import { CheckpointError } from "../files/error.ts";

import { fileError, fileSize } from "../files/read.ts";
import { type FilePath, pathOf, readBytes, statOf } from "../../base/file.ts";
import { decodeUtf8, isJsonObject, parseJson } from "../../base/json.ts";
import { ModelConfig } from "./config.ts";

/** No real config.json is near this size; a bigger file is something else. */
const maxBytes = 16_000_000;

/**
 * Reads and checks a configuration.
 *
 * @param path a `config.json`, or the directory that holds one
 * @throws {CheckpointError} `missing`, `unreadable`, `truncated`, or `config` with the key, its value and what is accepted
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * const config = await readConfig("fixtures/models/llama");
 * assert(config.modelType === "llama" && config.integer("vocab_size") === 2048);
 * ```
 */
export async function readConfig(path: FilePath): Promise<ModelConfig> {
  let text: string;
  let source = pathOf(path);
  try {
    let file = pathOf(path);
    if ((await statOf(file))?.isDirectory) file = source = `${file}/config.json`;
    const size = await fileSize(file);
    if (size > maxBytes) {
      throw new CheckpointError("config", `${source}: ${size} bytes is no config.json (limit ${maxBytes})`);
    }
    text = decodeUtf8(await readBytes(file));
  } catch (error) {
    if (error instanceof SyntaxError) throw new CheckpointError("config", `${source}: ${error.message}`);
    throw fileError(error, source);
  }
  return parseConfig(text, source);
}

/**
 * Parses and checks the text of a `config.json`.
 *
 * @throws {CheckpointError} code `config`
 */
export function parseConfig(text: string, source: string): ModelConfig {
  let values: unknown;
  try {
    values = parseJson(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CheckpointError("config", `${source}: ${reason}`, { cause: error });
  }
  if (!isJsonObject(values)) throw new CheckpointError("config", `${source}: expected a JSON object`);
  const config = new ModelConfig(source, values);
  checkConfig(config);
  return config;
}

/** Sizes: positive integers, with limits far above any real model so that a corrupt value cannot exhaust memory. */
const sizes: readonly (readonly [key: string, max: number])[] = [
  ["vocab_size", 2 ** 24],
  ["hidden_size", 2 ** 20],
  ["n_embd", 2 ** 20],
  ["word_embed_proj_dim", 2 ** 20],
  ["intermediate_size", 2 ** 24],
  ["moe_intermediate_size", 2 ** 24],
  ["ffn_dim", 2 ** 24],
  ["ffn_hidden_size", 2 ** 24],
  ["n_inner", 2 ** 24],
  ["num_hidden_layers", 10_000],
  ["n_layer", 10_000],
  ["num_attention_heads", 2 ** 16],
  ["n_head", 2 ** 16],
  ["num_key_value_heads", 2 ** 16],
  ["num_kv_heads", 2 ** 16],
  ["head_dim", 2 ** 16],
  ["max_position_embeddings", 2 ** 53],
  ["n_positions", 2 ** 53],
  ["sliding_window", 2 ** 53],
  ["num_local_experts", 2 ** 16],
  ["num_experts", 2 ** 16],
  ["num_experts_per_tok", 2 ** 16],
];

/** These may be null, which means absent. */
const nullable = new Set(["head_dim", "n_inner", "sliding_window", "num_key_value_heads", "num_kv_heads"]);

const epsilons = ["rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"];

const booleans = ["tie_word_embeddings", "attention_bias", "mlp_bias", "do_layer_norm_before", "enable_bias"];

const activationKeys = ["hidden_act", "activation_function", "hidden_activation"];

const activations = [
  "silu",
  "swish",
  "relu",
  "gelu",
  "gelu_new",
  "gelu_fast",
  "gelu_pytorch_tanh",
  "quick_gelu",
];

/** Families whose feed-forward width has another key, or a default that every implementation shares. */
const impliedWidth = new Set(["bloom", "falcon", "gpt2", "gptj", "opt"]);

/**
 * Checks a configuration.
 *
 * @throws {CheckpointError} code `config`, naming the key, its value and what is accepted
 */
export function checkConfig(config: ModelConfig): void {
  config.string("model_type");
  if (config.has("quantization_config")) {
    config.fail("quantization_config", "absent: already quantized checkpoints are not supported");
  }
  for (const [key, max] of sizes) {
    const given = nullable.has(key) ? config.has(key) : Object.hasOwn(config.values, key);
    if (given) config.integer(key, { max });
  }
  for (const key of epsilons) if (Object.hasOwn(config.values, key)) config.number(key, { min: 0 });
  for (const key of booleans) if (config.has(key)) config.boolean(key);
  for (const key of activationKeys) if (config.has(key)) config.string(key, { accepted: activations });
  config.integer("vocab_size");
  const hidden = config.integer(firstOf(config, "hidden_size", "n_embd"));
  const layers = config.integer(firstOf(config, "num_hidden_layers", "n_layer"));
  const heads = config.integer(firstOf(config, "num_attention_heads", "n_head"));
  if (!impliedWidth.has(config.modelType)) config.integer("intermediate_size");
  const headDim = checkHeads(config, hidden, heads);
  if (config.has("num_experts_per_tok") && (config.has("num_local_experts") || config.has("num_experts"))) {
    const experts = config.integer(firstOf(config, "num_local_experts", "num_experts"));
    config.integer("num_experts_per_tok", { max: experts });
  }
  const types = config.list("layer_types");
  if (types && types.length !== layers) {
    config.fail("layer_types", `a list of ${layers} entries, one per layer`);
  }
  checkRotary(config, headDim);
}

function checkHeads(config: ModelConfig, hidden: number, heads: number): number {
  if (!config.has("head_dim") && hidden % heads !== 0) {
    config.fail(firstOf(config, "hidden_size", "n_embd"), `divisible by the ${heads} attention heads`);
  }
  const headDim = config.integer("head_dim", { fallback: hidden / heads });
  const kvHeads = config.integer("num_key_value_heads", { fallback: heads, max: heads });
  if (heads % kvHeads !== 0) config.fail("num_key_value_heads", `a divisor of the ${heads} attention heads`);
  return headDim;
}

function checkRotary(config: ModelConfig, headDim: number): void {
  // transformers 5 nests the values, possibly once per attention type.
  const parameters = config.section("rope_parameters");
  const nested = ["full_attention", "sliding_attention"].map((key) => parameters?.section(key));
  const scaling = config.section("rope_scaling");
  const sections = [parameters, ...nested, scaling].filter((section) => section !== undefined);
  let fraction = 1;
  let rotary = config.modelType === "llama";
  for (const section of [config, ...sections]) {
    for (const key of ["rope_theta", "rope_local_base_freq"]) {
      if (!Object.hasOwn(section.values, key)) continue;
      rotary = true;
      if (section.number(key) <= 0) section.fail(key, "a number over 0");
    }
    if (section.has("partial_rotary_factor")) {
      fraction = section.number("partial_rotary_factor", { min: 0, max: 1 });
    }
  }
  const rotaryDim = Math.floor(headDim * fraction);
  if (rotary && rotaryDim % 2 !== 0) {
    config.fail("head_dim", `even where it rotates (${rotaryDim} of ${headDim} channels)`);
  }
  for (const section of sections) {
    if (section === parameters && nested.some((inner) => inner !== undefined)) continue;
    checkScaling(config, section, rotaryDim);
  }
}

/** The fields that a `rope_type` needs. */
function checkScaling(config: ModelConfig, section: ModelConfig, rotaryDim: number): void {
  if (!section.has("rope_type") && !section.has("type")) {
    config.fail("rope_scaling", "an object with rope_type");
  }
  const kind = section.string(section.has("rope_type") ? "rope_type" : "type");
  if (kind === "default") return;
  if (kind === "longrope" || kind === "su") {
    for (const key of ["short_factor", "long_factor"]) {
      if (section.list(key)?.length !== rotaryDim / 2) {
        section.fail(key, `a list of ${rotaryDim / 2} numbers, one per rotated pair`);
      }
    }
    return;
  }
  if (section.number("factor") <= 0) section.fail("factor", "a number over 0");
  if (kind === "llama3") {
    const low = section.number("low_freq_factor");
    if (section.number("high_freq_factor") <= low) {
      section.fail("high_freq_factor", `over low_freq_factor ${low}`);
    }
    section.integer("original_max_position_embeddings");
  }
  if (kind === "yarn" && Object.hasOwn(section.values, "original_max_position_embeddings")) {
    section.integer("original_max_position_embeddings");
  }
}

/** The key that the configuration uses; the first one when it has none, so that the error names it. */
function firstOf(config: ModelConfig, ...keys: readonly string[]): string {
  return keys.find((key) => config.has(key)) ?? keys[0];
}
