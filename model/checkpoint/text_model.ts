/** The text model in the configuration of a multimodal one: its other parts are not read, and each of them is told. */
import { checkFields } from "../../base/fields.ts";
import { isJsonObject, type JsonObject } from "../../base/json.ts";
import { CheckpointError } from "../files/error.ts";
import { compositeTypes, isModelType, ModelConfig, type ModelType } from "./config.ts";
import { harmlessFields, refusedFields, sharedFields } from "./shared_fields.ts";

/** A multimodal type whose text model computes, without images, what it computes alone. */
interface Composite {
  /** The type of the text model when the file does not say. */
  readonly text: ModelType;
  /** Whether embedding and output projection are one matrix when the file does not say. */
  readonly tied: boolean;
}

/** Multimodal types, as transformers 5.24 has them. */
const composites: Readonly<Record<typeof compositeTypes[number], Composite>> = {
  gemma3: { text: "gemma3_text", tied: true },
  idefics3: { text: "llama", tied: false },
  internvl: { text: "qwen2", tied: true },
  llava: { text: "llama", tied: false },
  llava_next: { text: "llama", tied: false },
  mistral3: { text: "mistral", tied: true },
  smolvlm: { text: "llama", tied: false },
};

/** Sizes that a text model's section may leave out; a config.json of its own has to state them. */
const textSizes: Readonly<Partial<Record<ModelType, JsonObject>>> = {
  gemma3_text: sizes(262208, 2304, 26, 8, 9216),
  llama: sizes(32000, 4096, 32, 32, 11008),
  mistral: sizes(32000, 4096, 32, 32, 14336),
  qwen2: sizes(151936, 4096, 32, 32, 22016),
};

function sizes(vocabulary: number, hidden: number, layers: number, heads: number, inner: number): JsonObject {
  return {
    vocab_size: vocabulary,
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    intermediate_size: inner,
  };
}

/** What images go through, and where they stand in a text. */
const imageFields = [
  ...["audio_token_index", "boi_token_index", "eoi_token_index", "image_token_index"],
  ...["downsample_ratio", "ignore_index", "image_grid_pinpoints", "image_seq_length", "mm_tokens_per_image"],
  ...["multimodal_projector_bias", "projector_hidden_act", "scale_factor", "spatial_merge_size"],
  ...["boi_token_id", "eoi_token_id", "image_token_id", "use_image_newline_parameter", "video_token_index"],
  ...["vision_feature_layer", "vision_feature_select_strategy", "vocab_size"],
];

/** A text model's configuration, and what its file says beside it. */
export interface TextModel {
  /** The configuration, not yet checked. */
  readonly config: ModelConfig;
  /** Its type. */
  readonly type: ModelType;
  /** The parts that are not used, in sentences. */
  readonly notices: readonly string[];
}

/** The text model of a multimodal configuration; undefined where its type is not known here. */
export function textModel(outer: ModelConfig): TextModel | undefined {
  const { source, values } = outer, composite = compositeTypes.find((type) => type === outer.modelType);
  const { text_config: text = {} } = values;
  if (composite === undefined || !isJsonObject(text)) return undefined;
  const { text: usual, tied } = composites[composite];
  const inner = new ModelConfig(`${source}: text_config`, text);
  const type = inner.string("model_type", { fallback: usual });
  if (!isModelType(type)) return undefined;
  // The output projection stands beside the text model: the outer file says whether it is tied. LLaVA's text model may say it too.
  const isTied = outer.boolean("tie_word_embeddings", tied) ||
    composite === "llava" && inner.boolean("tie_word_embeddings", false);
  const parts = Object.keys(values).filter((name) => /^(?!text)\w+_config$/.test(name) && outer.has(name));
  const known = {
    used: [...sharedFields, "text_config", "tie_word_embeddings", ...parts],
    harmless: [...harmlessFields, ...imageFields],
    refused: refusedFields,
  };
  const refuse = (message: string): never => {
    throw new CheckpointError("config", message);
  };
  const notices = [
    ...parts.map((name) =>
      `${source}: ${name} is not used: of a ${outer.modelType} model the text model is read`
    ),
    ...checkFields(source, values, known, refuse),
  ];
  const stated = { ...textSizes[type], ...text, model_type: type, tie_word_embeddings: isTied };
  return { config: new ModelConfig(inner.source, stated), type, notices };
}
