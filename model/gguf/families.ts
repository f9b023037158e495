/**
 * What tells the GGUF files of one architecture from those of another: names, and what llama.cpp's converter changes.
 * Checked against the `gguf` package's tables of names and transformers' reader.
 */

/** A number of the metadata, under the architecture's prefix; undefined when it is not there and has no fallback. */
export interface GgufNumbers {
  /** A number, or the fallback where it is missing. */
  number(key: string, least: number, most: number, fallback?: number): number;
  /** Whether the key is there. */
  has(key: string): boolean;
  /** For each layer whether it sees a window, as a list or by a period; undefined when the file does not say. */
  pattern(key: string): number | undefined;
}

/** Sizes that all architectures state. */
export interface GgufSizes {
  /** Width of the hidden states. */
  readonly hidden: number;
  /** Query heads. */
  readonly heads: number;
  /** Dimensions of a head. */
  readonly headDim: number;
  /** Decoder layers. */
  readonly layers: number;
}

/** An architecture of GGUF files. */
export interface GgufFamily {
  /** `model_type` of config.json. */
  readonly type: string;
  /** What stands before a layer's index and before the other tensors in checkpoints (default `model.layers.`, none). */
  readonly prefix?: string;
  /** Names of tensors without `.weight`, where they differ from llama's. */
  readonly parts?: Readonly<Record<string, string>>;
  /** The key of config.json for the constant under the norm's root (default `rms_norm_eps`); others are LayerNorms. */
  readonly epsilon?: string;
  /** Other names of keys in config.json. */
  readonly keys?: Readonly<Record<string, string>>;
  /** Whether norms have one added, and checkpoints have not. */
  readonly normsPlusOne?: boolean;
  /** Parts whose weights checkpoints hold `[in, out]`. */
  readonly transposed?: readonly string[];
  /** Whether query and key rows are interleaved. */
  readonly interleaved?: boolean;
  /** Further keys of config.json. */
  readonly extra?: (metadata: GgufNumbers, sizes: GgufSizes) => Record<string, unknown>;
}

const gemmaParts = {
  post_attention_norm: "post_attention_layernorm",
  ffn_norm: "pre_feedforward_layernorm",
  post_ffw_norm: "post_feedforward_layernorm",
};

/** llama.cpp knows Gemma's largest models by their layers: these alone scale by the hidden width per head. */
function queryScale(largest: number): NonNullable<GgufFamily["extra"]> {
  return (metadata, { hidden, heads, headDim, layers }) => {
    if (!metadata.has("attention.scale")) {
      return { query_pre_attn_scalar: layers === largest ? hidden / heads : headDim };
    }
    // To the seven digits that a float32 keeps: the scale is its inverse root.
    const scalar = metadata.number("attention.scale", 1e-6, 1e6) ** -2;
    return { query_pre_attn_scalar: Number(scalar.toPrecision(6)) };
  };
}

function window({ has, number }: GgufNumbers): Record<string, unknown> {
  const key = "attention.sliding_window";
  return has(key) ? { sliding_window: number(key, 1, 2 ** 53) } : {};
}

/** Softcaps are not rounded: nobody prints them with more digits than a float32 has. */
function softcaps({ has, number }: GgufNumbers): Record<string, unknown> {
  const caps = ["attn_logit_softcapping", "final_logit_softcapping"].filter(has);
  return Object.fromEntries(caps.map((key) => [key, number(key, 1e-6, 1e6)]));
}

function partialRotary({ has, number }: GgufNumbers, { headDim }: GgufSizes): Record<string, unknown> {
  if (!has("rope.dimension_count")) return {};
  return { partial_rotary_factor: number("rope.dimension_count", 1, headDim) / headDim };
}

/** The architectures by `general.architecture`. */
export const ggufFamilies: Readonly<Record<string, GgufFamily>> = {
  llama: { type: "llama", interleaved: true },
  qwen2: { type: "qwen2" },
  qwen3: { type: "qwen3" },
  gemma: { type: "gemma", normsPlusOne: true },
  gemma2: {
    type: "gemma2",
    normsPlusOne: true,
    parts: gemmaParts,
    extra: (metadata, sizes) => ({
      ...window(metadata),
      ...softcaps(metadata),
      ...queryScale(46)(metadata, sizes),
    }),
  },
  gemma3: {
    type: "gemma3_text",
    normsPlusOne: true,
    parts: gemmaParts,
    extra: (metadata, sizes) => ({
      ...window(metadata),
      ...queryScale(62)(metadata, sizes),
      sliding_window_pattern: metadata.pattern("attention.sliding_window_pattern") ?? 6,
      rope_local_base_freq: metadata.number("rope.freq_base_swa", 1, 2 ** 53, 10000),
    }),
  },
  phi2: {
    type: "phi",
    epsilon: "layer_norm_eps",
    parts: {
      output_norm: "model.final_layernorm",
      attn_output: "self_attn.dense",
      ffn_up: "mlp.fc1",
      ffn_down: "mlp.fc2",
    },
    extra: partialRotary,
  },
  phi3: {
    type: "phi3",
    parts: { attn_qkv: "self_attn.qkv_proj", ffn_up: "mlp.gate_up_proj" },
    extra: (metadata, sizes) => ({ ...window(metadata), ...partialRotary(metadata, sizes) }),
  },
  starcoder2: {
    type: "starcoder2",
    epsilon: "norm_epsilon",
    parts: { ffn_up: "mlp.c_fc", ffn_down: "mlp.c_proj" },
    extra: window,
  },
  gpt2: {
    type: "gpt2",
    prefix: "transformer.h.",
    epsilon: "layer_norm_epsilon",
    keys: {
      hidden_size: "n_embd",
      intermediate_size: "n_inner",
      num_hidden_layers: "n_layer",
      num_attention_heads: "n_head",
      max_position_embeddings: "n_positions",
    },
    parts: {
      token_embd: "transformer.wte",
      position_embd: "transformer.wpe",
      output_norm: "transformer.ln_f",
      attn_norm: "ln_1",
      attn_qkv: "attn.c_attn",
      attn_output: "attn.c_proj",
      ffn_norm: "ln_2",
      ffn_up: "mlp.c_fc",
      ffn_down: "mlp.c_proj",
    },
    transposed: ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"],
  },
};
