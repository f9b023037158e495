/** Reads a `config.json` and checks what every decoder's must satisfy, whatever its family. */
import { textModel } from "./text_model.ts";
import { CheckpointError } from "../files/error.ts";

import { fileError, fileSize } from "../files/read.ts";
import { type FilePath, pathOf, readBytes, statOf } from "../../base/file.ts";
import { decodeUtf8, isJsonObject, type JsonObject, own, parsePythonJson } from "../../base/json.ts";
import { checkFields } from "../../base/fields.ts";
import { show } from "../../base/show.ts";
import { isModelType, ModelConfig, type ModelType } from "./config.ts";
import { harmlessFields, refusedFields, sharedFields } from "./shared_fields.ts";
import { typeFields } from "./fields.ts";
import {
  divisors,
  kindSections,
  layerKinds,
  rotatedChannels,
  scalingKind,
  sectionFields,
} from "./rotary_sections.ts";

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
 * Parses and checks the text of a `config.json`, in which Python may have written Infinity and NaN.
 *
 * @throws {CheckpointError} code `config`
 */
export function parseConfig(text: string, source: string): ModelConfig {
  let values: unknown;
  try {
    values = parsePythonJson(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CheckpointError("config", `${source}: ${reason}`, { cause: error });
  }
  if (!isJsonObject(values)) throw new CheckpointError("config", `${source}: expected a JSON object`);
  const config = new ModelConfig(source, values), type = config.string("model_type");
  if (isModelType(type)) return checkConfig(config, notices(config, type));
  const inner = textModel(config);
  if (inner === undefined) return config;
  return checkConfig(inner.config, [...inner.notices, ...notices(inner.config, inner.type)]);
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
  "gelu_accurate",
  "gelu_python",
  "gelu_python_tanh",
  "quick_gelu",
];

/**
 * Checks a configuration; what comes back knows the defaults of its type, spells every field one way, and says what it does not use.
 * One of a type that is not known here is not looked at: its keys mean what they mean there.
 *
 * @throws {CheckpointError} code `config`, naming the key, its value and what is accepted
 */
export function checkConfig(read: ModelConfig, notices: readonly string[] = []): ModelConfig {
  const type = read.string("model_type");
  if (!isModelType(type)) return read;
  const { required, defaults, aliases = {} } = typeFields[type];
  const config = new ModelConfig(read.source, canonical(read, aliases), defaults, notices);
  for (const key of required) config.integer(key);
  checkValues(config);
  const hidden = config.integer(firstOf(config, "hidden_size", "n_embd"));
  const layers = config.integer(firstOf(config, "num_hidden_layers", "n_layer"));
  // A state-space model has none.
  const counted = required.find((key) => key === "num_attention_heads" || key === "n_head");
  const headDim = counted === undefined ? 0 : checkHeads(config, hidden, config.integer(counted));
  if (config.has("num_experts_per_tok") && config.has("num_local_experts")) {
    config.integer("num_experts_per_tok", { max: config.integer("num_local_experts") });
  }
  checkLayerTypes(config, layers);
  if (typeFields[type].rotary) checkRotary(config, type, headDim);
  return config;
}

/** Refuses what is not computed here; a sentence for each field that is not used. */
function notices(config: ModelConfig, type: ModelType): string[] {
  const { required, defaults, aliases = {}, rotary, refused, inexact = {}, harmless = [] } = typeFields[type];
  const refuse = (message: string): never => {
    throw new CheckpointError("config", message);
  };
  const fields = {
    used: [
      ...[...sharedFields, ...required, ...Object.keys(defaults), ...Object.keys(aliases)],
      ...rotary ? ["rope_scaling", "rope_parameters"] : [],
    ],
    harmless: [...harmlessFields, ...harmless],
    refused: { ...refusedFields, ...refused },
  };
  const sections = rotary ? ["rope_scaling", "rope_parameters"].map((key) => config.section(key)) : [];
  const all = sections.flatMap((one) => one === undefined ? [] : [one, ...Object.values(kindSections(one))]);
  const heads = (config.list("architectures") ?? []).filter((name) => !languageModel.test(String(name)));
  // Types whose whole heads rotate pass a share over, or fail where frequencies are scaled.
  const whole: Record<string, readonly unknown[]> = shareOf(type) === undefined
    ? { partial_rotary_factor: [1] }
    : {};
  const [first, second] = sections;
  const double = first !== undefined && second !== undefined && Object.keys(first.values).length > 0 &&
    show(first.values, Infinity) !== show(second.values, Infinity) && rotary === "layers";
  const other = Object.entries(inexact).filter(([key, [value]]) => own(config.values, key) === value);
  return [
    ...double
      ? [`${config.source}: rope_parameters was not used: rope_scaling goes first, as in transformers 5`]
      : [],
    ...other.map(([key, [value, how]]) => `${config.source}: ${key} is ${show(value)}: ${how}`),
    ...checkFields(config.source, config.values, fields, refuse),
    ...all.flatMap((one) =>
      checkFields(one.source, one.values, { ...sectionFields, refused: whole }, refuse)
    ),
    ...heads.map((name) =>
      `${config.source}: architectures names ${show(name)}: the language model alone is used`
    ),
  ];
}

/** Classes of transformers that are a language model, or the part of one without the output projection. */
const languageModel = /^\w+(ForCausalLM|LMHeadModel|ForConditionalGeneration|(?<!DoubleHeads)Model)$/;

/** The values with one name for each field. */
function canonical(config: ModelConfig, aliases: Readonly<Record<string, string>>): JsonObject {
  const values = { ...config.values };
  for (const [alias, name] of Object.entries(aliases)) {
    if (!Object.hasOwn(values, alias)) continue;
    const value = values[alias];
    if (config.has(alias) && config.has(name) && values[name] !== value) {
      config.fail(alias, `${show(values[name])} as ${name}, which is another name of it`);
    }
    if (config.has(alias)) values[name] = value;
    delete values[alias];
  }
  return values;
}

/** Types and ranges of what is there. */
function checkValues(config: ModelConfig): void {
  for (const [key, max] of sizes) {
    const given = nullable.has(key) ? config.has(key) : Object.hasOwn(config.values, key);
    if (given) config.integer(key, { max });
  }
  for (const key of epsilons) if (Object.hasOwn(config.values, key)) config.number(key, { min: 0 });
  for (const key of booleans) if (config.has(key)) config.boolean(key);
  for (const key of activationKeys) if (config.has(key)) config.string(key, { accepted: activations });
}

function checkLayerTypes(config: ModelConfig, layers: number): void {
  const types = config.list("layer_types");
  if (types === undefined) return;
  if (types.length !== layers) config.fail("layer_types", `a list of ${layers} entries, one per layer`);
  const unknown = types.findIndex((type) => !layerKinds.some((kind) => kind === type));
  if (unknown < 0) return;
  const accepted = layerKinds.map((kind) => `"${kind}"`).join(" or ");
  config.fail("layer_types", `a list of ${accepted}: entry ${unknown} is ${show(types[unknown])}`);
}

function checkHeads(config: ModelConfig, hidden: number, heads: number): number {
  if (!config.has("head_dim") && hidden % heads !== 0) {
    config.fail(firstOf(config, "hidden_size", "n_embd"), `divisible by the ${heads} attention heads`);
  }
  for (const key of ["num_key_value_heads", "num_kv_heads"]) {
    const kvHeads = config.integer(key, { fallback: heads, max: heads });
    if (heads % kvHeads !== 0) config.fail(key, `a divisor of the ${heads} attention heads`);
  }
  return config.integer("head_dim", { fallback: hidden / heads });
}

/** The key for the share of a head that rotates, in the types that have one. */
function shareOf(type: ModelType): string | undefined {
  return ["partial_rotary_factor", "rotary_pct"].find((key) => key in typeFields[type].defaults);
}

/** The numbers of every place that says how positions rotate. */
function checkRotary(config: ModelConfig, type: ModelType, headDim: number): void {
  const { rotary } = typeFields[type];
  const sections = ["rope_scaling", "rope_parameters"].flatMap((key) => {
    const section = config.section(key), kinds = kindSections(section);
    const wrong = Object.keys(kinds).find(() => rotary === "layers" || key === "rope_scaling");
    // transformers passes it over.
    if (wrong !== undefined) section?.fail(wrong, "absent: all layers rotate alike here");
    return section === undefined ? [] : [section, ...Object.values(kinds)];
  });
  const share = shareOf(type) ?? "partial_rotary_factor";
  for (const section of [config, ...sections]) {
    for (const key of ["rope_theta", "rope_local_base_freq", "rotary_emb_base"]) {
      if (Object.hasOwn(section.values, key) && section.number(key) <= 0) {
        section.fail(key, "a number over 0");
      }
    }
    for (const key of ["partial_rotary_factor", "rotary_pct"]) {
      if (section.has(key)) section.number(key, { min: 0, max: 1 });
    }
  }
  if (config.has("alibi") && config.boolean("alibi")) return;
  rotatedChannels(config, undefined, headDim, share);
  for (const section of sections) {
    checkScaling(section, scalingKind(section, type), rotatedChannels(config, section, headDim, share));
  }
}

/** The fields that a `rope_type` needs. */
function checkScaling(section: ModelConfig, kind: string, channels: number): void {
  if (kind === "default") return;
  if (kind === "longrope") {
    for (const key of ["short_factor", "long_factor"]) divisors(section, key, channels);
    return;
  }
  if (section.number("factor") <= 0) section.fail("factor", "a number over 0");
  if (kind === "llama3") {
    const low = section.number("low_freq_factor");
    if (section.number("high_freq_factor") <= low) {
      section.fail("high_freq_factor", `over low_freq_factor ${low}`);
    }
  }
  if (Object.hasOwn(section.values, "original_max_position_embeddings")) {
    section.integer("original_max_position_embeddings");
  }
}

/** The key that the configuration uses; the first one when it has none, so that the error names it. */
function firstOf(config: ModelConfig, ...keys: readonly string[]): string {
  return keys.find((key) => config.has(key)) ?? keys[0];
}
