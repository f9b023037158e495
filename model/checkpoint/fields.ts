/**
 * The fields of `config.json` by `model_type`: what is read and what absence means, what is refused, what changes nothing. A field that
 * is in no list becomes a notice. Names and defaults are those of the configuration classes of transformers 5.24.
 */
import type { JsonObject } from "../../base/json.ts";
import type { ModelType } from "./config.ts";

/** What a model type says in its `config.json`. */
export interface TypeFields {
  /** Read, and needed: sizes. */
  readonly required: readonly string[];
  /** Read, and what they are when absent (null: nothing). */
  readonly defaults: JsonObject;
  /** Other names of these. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Where positions rotate, `rope_parameters` and `rope_scaling` are read: of all layers at once, or of each kind. */
  readonly rotary?: "layers" | "kinds";
  /** Fields with the only values that mean what is computed here; null and absence always do. */
  readonly refused?: Readonly<Record<string, readonly unknown[]>>;
  /** Values of fields with which the makers' implementation differs from this one, and how. */
  readonly inexact?: Readonly<Record<string, readonly [value: unknown, how: string]>>;
  /** Fields that change nothing, beside those of `harmlessFields`. */
  readonly harmless?: readonly string[];
}

const sizes = ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"];
const gatedSizes = [...sizes, "intermediate_size"];
const gptSizes = ["vocab_size", "n_embd", "n_layer", "n_head"];
const gptAliases = {
  hidden_size: "n_embd",
  max_position_embeddings: "n_positions",
  num_attention_heads: "n_head",
  num_hidden_layers: "n_layer",
};

/** Biases that a type does not have. */
const noBias = { attention_bias: [false] }, noBiases = { ...noBias, mlp_bias: [false] };

/** Llama, which others vary. */
const llama: TypeFields = {
  required: gatedSizes,
  rotary: "layers",
  defaults: {
    num_key_value_heads: null,
    head_dim: null,
    hidden_act: "silu",
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    rope_theta: 10000,
    attention_bias: false,
    mlp_bias: false,
    original_max_position_embeddings: null,
  },
  // Whole heads rotate, by halves.
  refused: { partial_rotary_factor: [1], rope_interleaved: [false] },
};

/** Llama with other defaults; `without` are fields that the type does not read. */
function likeLlama(
  defaults: JsonObject,
  without: readonly string[] = [],
  { refused, ...rest }: Partial<TypeFields> = {},
): TypeFields {
  const read = Object.entries({ ...llama.defaults, ...defaults }).filter(([key]) => !without.includes(key));
  const unread = Object.entries({ ...llama.refused, ...refused }).filter(([key]) => !(key in defaults));
  return { ...llama, ...rest, defaults: Object.fromEntries(read), refused: Object.fromEntries(unread) };
}

const gemmaHeads = { head_dim: 256, tie_word_embeddings: true, max_position_embeddings: 8192 };
const gemma2 = {
  ...gemmaHeads,
  num_key_value_heads: 4,
  hidden_activation: "gelu_pytorch_tanh",
  query_pre_attn_scalar: 256,
  sliding_window: 4096,
};
// The first checkpoints have both names of the activation.
const gemma2Refused = { mlp_bias: [false], hidden_act: ["gelu", "gelu_new", "gelu_pytorch_tanh"] };

const biases = ["attention_bias", "mlp_bias"];
const qwen = {
  num_key_value_heads: 32,
  max_position_embeddings: 32768,
  use_sliding_window: false,
  sliding_window: 4096,
  max_window_layers: 28,
};

/** The fields of every model type. */
export const typeFields: Readonly<Record<ModelType, TypeFields>> = {
  bloom: {
    required: ["vocab_size", "hidden_size", "n_layer", "n_head"],
    aliases: { n_embed: "hidden_size", num_attention_heads: "n_head", num_hidden_layers: "n_layer" },
    defaults: { layer_norm_epsilon: 1e-5, tie_word_embeddings: true, seq_length: 2048, head_dim: null },
    refused: { apply_residual_connection_post_layernorm: [false] },
    inexact: {
      slow_but_exact: [
        true,
        "where pretraining_tp is above 1, transformers leaves out the biases of two linear layers, this suite adds them",
      ],
    },
    harmless: [
      ...["attention_softmax_in_fp32", "bias_dropout_fusion", "masked_softmax_fusion", "n_inner"],
      ...["offset_alibi", "skip_bias_add", "skip_bias_add_qkv"],
    ],
  },
  cohere: likeLlama(
    {
      max_position_embeddings: 8192,
      layer_norm_eps: 1e-5,
      logit_scale: 0.0625,
      rope_theta: 500000,
      tie_word_embeddings: true,
    },
    ["rms_norm_eps", "mlp_bias"],
    { refused: { use_qk_norm: [false], mlp_bias: [false] } },
  ),
  falcon: {
    required: sizes,
    rotary: "layers",
    aliases: { n_embed: "hidden_size" },
    defaults: {
      activation: "gelu",
      alibi: false,
      bias: false,
      ffn_hidden_size: null,
      head_dim: null,
      layer_norm_epsilon: 1e-5,
      max_position_embeddings: 2048,
      multi_query: true,
      new_decoder_architecture: false,
      num_kv_heads: null,
      num_ln_in_parallel_attn: null,
      parallel_attn: true,
      rope_theta: 10000,
      tie_word_embeddings: true,
      original_max_position_embeddings: null,
    },
    refused: { apply_residual_connection_post_layernorm: [false], partial_rotary_factor: [1] },
    inexact: { alibi: [true, "transformers rounds the position biases to bfloat16, this suite does not"] },
  },
  gemma: likeLlama(
    { ...gemmaHeads, num_key_value_heads: 16, hidden_act: "gelu_pytorch_tanh" },
    ["mlp_bias"],
    { refused: { mlp_bias: [false], hidden_activation: ["gelu_pytorch_tanh"] } },
  ),
  gemma2: likeLlama(
    { ...gemma2, attn_logit_softcapping: 50, final_logit_softcapping: 30 },
    ["mlp_bias", "hidden_act"],
    { refused: gemma2Refused, harmless: ["cache_implementation"] },
  ),
  gemma3_text: likeLlama(
    {
      ...gemma2,
      final_logit_softcapping: null,
      max_position_embeddings: 131072,
      rope_theta: 1000000,
      rope_local_base_freq: 10000,
      sliding_window_pattern: 6,
    },
    ["mlp_bias", "hidden_act"],
    {
      rotary: "kinds",
      // transformers does not read the cap of the scores.
      refused: { ...gemma2Refused, attn_logit_softcapping: [] },
      // It is written beside layer_types, which says the same.
      harmless: ["_sliding_window_pattern"],
    },
  ),
  gpt2: {
    required: gptSizes,
    aliases: gptAliases,
    defaults: {
      activation_function: "gelu_new",
      head_dim: null,
      layer_norm_epsilon: 1e-5,
      n_inner: null,
      n_positions: 1024,
      scale_attn_weights: true,
      tie_word_embeddings: true,
    },
    refused: { scale_attn_by_inverse_layer_idx: [false] },
    harmless: ["n_ctx", "reorder_and_upcast_attn"],
  },
  gpt_neox: {
    required: gatedSizes,
    rotary: "layers",
    defaults: {
      attention_bias: true,
      head_dim: null,
      hidden_act: "gelu",
      layer_norm_eps: 1e-5,
      max_position_embeddings: 2048,
      original_max_position_embeddings: null,
      rotary_emb_base: 10000,
      rotary_pct: 0.25,
      tie_word_embeddings: false,
      use_parallel_residual: true,
    },
  },
  gptj: {
    required: gptSizes,
    aliases: gptAliases,
    defaults: {
      activation_function: "gelu_new",
      head_dim: null,
      layer_norm_epsilon: 1e-5,
      n_inner: null,
      n_positions: 2048,
      rotary_dim: 64,
      tie_word_embeddings: false,
    },
    refused: { rotary: [true], scale_attn_weights: [true] },
    harmless: ["n_ctx"],
  },
  granite: likeLlama({
    attention_multiplier: 1,
    embedding_multiplier: 1,
    logits_scaling: 1,
    residual_multiplier: 1,
  }),
  llama,
  mamba: {
    required: ["vocab_size", "hidden_size", "num_hidden_layers"],
    defaults: {
      conv_kernel: 4,
      expand: 2,
      hidden_act: "silu",
      intermediate_size: null,
      layer_norm_epsilon: 1e-5,
      state_size: 16,
      tie_word_embeddings: true,
      time_step_rank: null,
      use_bias: false,
      use_conv_bias: true,
    },
    refused: { layer_types: [] },
    inexact: {
      rescale_prenorm_residual: [
        true,
        "transformers 5 divides the weights of out_proj by the root of the number of layers as it loads them, earlier versions and this suite do not",
      ],
    },
    harmless: [
      // Of initialisation, and of how the makers' implementation computes.
      ...["rescale_prenorm_residual", "residual_in_fp32", "time_step_floor", "time_step_init_scheme"],
      ...["time_step_max", "time_step_min", "time_step_scale", "use_mambapy", "use_associative_scan"],
    ],
  },
  mistral: likeLlama(
    { num_key_value_heads: 8, max_position_embeddings: 131072, sliding_window: 4096 },
    biases,
    { refused: noBiases },
  ),
  mixtral: likeLlama(
    {
      max_position_embeddings: 131072,
      num_experts_per_tok: 2,
      num_key_value_heads: 8,
      num_local_experts: 8,
      rms_norm_eps: 1e-5,
      rope_theta: 1000000,
      sliding_window: null,
    },
    biases,
    { refused: noBiases, aliases: { num_experts: "num_local_experts" } },
  ),
  olmo: likeLlama({ clip_qkv: null }, ["rms_norm_eps", "mlp_bias"], { refused: { mlp_bias: [false] } }),
  olmo2: likeLlama({ rms_norm_eps: 1e-5 }, ["mlp_bias"], { refused: { mlp_bias: [false] } }),
  opt: {
    required: [...sizes, "ffn_dim"],
    defaults: {
      _remove_final_layer_norm: false,
      activation_function: "relu",
      do_layer_norm_before: true,
      enable_bias: true,
      head_dim: null,
      max_position_embeddings: 2048,
      tie_word_embeddings: true,
      word_embed_proj_dim: null,
    },
    refused: { layer_norm_elementwise_affine: [true] },
    harmless: ["activation_dropout", "rope_parameters"],
  },
  phi: likeLlama(
    { hidden_act: "gelu_new", layer_norm_eps: 1e-5, partial_rotary_factor: 0.5 },
    ["rms_norm_eps", ...biases],
    { refused: { ...noBiases, qk_layernorm: [false] } },
  ),
  phi3: likeLlama(
    {
      max_position_embeddings: 4096,
      original_max_position_embeddings: 4096,
      partial_rotary_factor: 1,
      rms_norm_eps: 1e-5,
      sliding_window: null,
    },
    biases,
    { refused: noBiases },
  ),
  qwen2: likeLlama(qwen, biases, {
    // Its projections of queries, keys and values always have one.
    refused: { mlp_bias: [false], use_mrope: [false] },
    harmless: ["attention_bias"],
  }),
  qwen3: likeLlama({ ...qwen, head_dim: 128 }, ["mlp_bias"], { refused: { mlp_bias: [false] } }),
  qwen3_moe: likeLlama(
    {
      ...qwen,
      decoder_sparse_step: 1,
      mlp_only_layers: [],
      moe_intermediate_size: 768,
      norm_topk_prob: false,
      num_experts_per_tok: 8,
      num_key_value_heads: 4,
      num_local_experts: 128,
    },
    ["mlp_bias", "max_window_layers"],
    {
      aliases: { num_experts: "num_local_experts" },
      refused: { mlp_bias: [false] },
      harmless: ["max_window_layers"],
    },
  ),
  smollm3: likeLlama(
    {
      max_position_embeddings: 32768,
      no_rope_layer_interval: 4,
      no_rope_layers: null,
      num_key_value_heads: 4,
      rope_theta: 2000000,
      sliding_window: null,
      tie_word_embeddings: true,
      use_sliding_window: false,
    },
    [],
    { harmless: ["max_window_layers"] },
  ),
  stablelm: likeLlama(
    {
      layer_norm_eps: 1e-5,
      max_position_embeddings: 4096,
      num_key_value_heads: 32,
      partial_rotary_factor: 0.25,
      qk_layernorm: false,
      use_parallel_residual: false,
      use_qkv_bias: false,
    },
    ["rms_norm_eps", ...biases],
    { refused: noBiases },
  ),
  starcoder2: likeLlama(
    {
      hidden_act: "gelu_pytorch_tanh",
      max_position_embeddings: 4096,
      norm_epsilon: 1e-5,
      num_key_value_heads: 2,
      sliding_window: null,
      tie_word_embeddings: true,
      use_bias: true,
    },
    ["rms_norm_eps", ...biases],
    {
      refused: {
        ...noBiases,
        activation_function: ["gelu_pytorch_tanh"],
        mlp_type: ["default"],
        norm_type: ["layer_norm"],
        scale_attn_weights: [true],
      },
      harmless: ["attention_softmax_in_fp32", "scale_attention_softmax_in_fp32"],
    },
  ),
};
