/** The model families that the decoder knows, by `model_type` of config.json. */
import type { Architecture } from "./architecture.ts";
import {
  compositeTypes,
  isModelType,
  type ModelConfig,
  type ModelType,
  modelTypes,
} from "./checkpoint/config.ts";
import { bloom } from "./families/bloom.ts";
import { cohere } from "./families/cohere.ts";
import { falcon } from "./families/falcon.ts";
import { gemma } from "./families/gemma.ts";
import { gemma2 } from "./families/gemma2.ts";
import { gemma3Text } from "./families/gemma3.ts";
import { gpt2 } from "./families/gpt2.ts";
import { gptNeox } from "./families/gpt_neox.ts";
import { gptj } from "./families/gptj.ts";
import { granite } from "./families/granite.ts";
import { llama } from "./families/llama.ts";
import { mamba } from "./families/mamba.ts";
import { mistral } from "./families/mistral.ts";
import { mixtral } from "./families/mixtral.ts";
import { olmo, olmo2 } from "./families/olmo.ts";
import { opt } from "./families/opt.ts";
import { phi } from "./families/phi.ts";
import { phi3 } from "./families/phi3.ts";
import { qwen2, qwen3 } from "./families/qwen.ts";
import { qwen3Moe } from "./families/qwen_moe.ts";
import { smollm3 } from "./families/smollm3.ts";
import { stablelm } from "./families/stablelm.ts";
import { starcoder2 } from "./families/starcoder2.ts";
import { ModelError } from "./error.ts";

const families: Readonly<Record<ModelType, (config: ModelConfig) => Architecture>> = {
  bloom,
  cohere,
  falcon,
  gemma,
  gemma2,
  gemma3_text: gemma3Text,
  gpt2,
  gpt_neox: gptNeox,
  gptj,
  granite,
  llama,
  mamba,
  mistral,
  mixtral,
  olmo,
  olmo2,
  opt,
  phi,
  phi3,
  qwen2,
  qwen3,
  qwen3_moe: qwen3Moe,
  smollm3,
  stablelm,
  starcoder2,
};

export { modelTypes };

/**
 * The architecture that a configuration describes.
 *
 * @throws {ModelError} `family`, when its type is not known
 * @throws {CheckpointError} `config`, when a field asks for what is not computed here
 */
export function architectureOf(config: ModelConfig): Architecture {
  const type = config.modelType;
  if (!isModelType(type)) {
    const known = [...modelTypes, ...compositeTypes].join(", ");
    throw new ModelError(
      "family",
      `${config.source}: model_type is ${JSON.stringify(type)}: expected one of ${known}${inner(config)}`,
    );
  }
  const architecture = families[type](config);
  requireLayerTypes(config, architecture);
  return architecture;
}

/** What kind of text model an unknown type has inside. */
function inner(config: ModelConfig): string {
  for (const key of ["text_config", "llm_config", "language_config"]) {
    const type = config.has(key) ? config.section(key)?.values["model_type"] : undefined;
    if (typeof type === "string") return `; the model_type of its ${key} is ${JSON.stringify(type)}`;
  }
  return "";
}

/** Families that do not read `layer_types` compute what they compute: it has to say the same. */
function requireLayerTypes(config: ModelConfig, { layers, window, windowLayers }: Architecture): void {
  const types = config.list("layer_types");
  if (types === undefined) return;
  for (let layer = 0; layer < layers; layer++) {
    const windowed = window !== undefined && (windowLayers?.includes(layer) ?? true);
    const expected = windowed ? "sliding_attention" : "full_attention";
    if (types[layer] === expected) continue;
    config.fail("layer_types", `"${expected}" at entry ${layer}, what ${config.modelType} computes there`);
  }
}
