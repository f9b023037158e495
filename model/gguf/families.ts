/**
 * What tells the GGUF files of one architecture from those of another: names, and what llama.cpp's converter changes.
 * Checked against the `gguf` package's tables of names, llama.cpp's loader and transformers.
 */
import { pow } from "../../base/elementary.ts";
import {
  biases,
  factor,
  fourfold,
  type GgufSizes,
  queryScale,
  qwenWindow,
  softcap,
  window,
  windowLayers,
} from "./family_values.ts";
import type { Metadata } from "./metadata.ts";

export type { GgufSizes };

/** An architecture of GGUF files. */
export interface GgufFamily {
  /** `model_type` of config.json, unless `extra` names another. */
  readonly type: string;
  /** What stands before a layer's index and before the other tensors in checkpoints (default `model.layers.`, none). */
  readonly prefix?: string;
  /** Names of tensors without `.weight`, where they differ from llama's; `{head}` stands for each head in turn. */
  readonly parts?: Readonly<Record<string, string>>;
  /** Names that parts have in files that have a certain tensor in their first layer. */
  readonly second?: { readonly tensor: string; readonly parts: Readonly<Record<string, string>> };
  /** Names of an expert's layers and of the router; `{expert}` stands for its index. */
  readonly experts?: Readonly<Record<"router" | "gate" | "up" | "down", string>>;
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
  /** Parts of checkpoints in which each head, or each key-value head with its queries, has query, key and value side by side. */
  readonly grouped?: "heads" | "kvHeads";
  /** Whether positions are rotated in (default true). */
  readonly rotary?: boolean;
  /** Further keys of config.json. */
  readonly extra?: (metadata: Metadata, sizes: GgufSizes) => Record<string, unknown>;
}

type Extra = NonNullable<GgufFamily["extra"]>;

const gemmaParts = {
  post_attention_norm: "post_attention_layernorm",
  ffn_norm: "pre_feedforward_layernorm",
  post_ffw_norm: "post_feedforward_layernorm",
};

/** `general.architecture` "llama" stands for all that computes what llama.cpp's graph of that name does. */
const llamaKinds: Extra = (metadata, sizes) => {
  const { holds, intermediate } = sizes, experts = metadata.number("expert_count", 0, 2 ** 16, 0);
  const { sliding_window: size } = window(metadata);
  const own = { ...size === null ? {} : { sliding_window: size }, ...biases(sizes) };
  if (experts > 0) {
    if (!metadata.has("expert_used_count")) {
      metadata.fail("expert_count", "0, or have expert_used_count beside it");
    }
    const perToken = metadata.integer("expert_used_count", experts);
    const width = metadata.integer("expert_feed_forward_length", 2 ** 24, intermediate);
    if (width !== intermediate) metadata.fail("expert_feed_forward_length", `${intermediate}, as the others`);
    return { model_type: "mixtral", num_local_experts: experts, num_experts_per_tok: perToken, ...own };
  }
  // Queries, keys and values with biases, the output without: Qwen 2's layers.
  if (holds("blk.0.attn_q.bias") && !holds("blk.0.attn_output.bias")) {
    return { model_type: "qwen2", ...own, use_sliding_window: "sliding_window" in own, max_window_layers: 0 };
  }
  return { model_type: "sliding_window" in own ? "mistral" : "llama", ...own };
};

const fusedFalcon = {
  token_embd: "transformer.word_embeddings",
  output_norm: "transformer.ln_f",
  attn_norm: "input_layernorm",
  attn_qkv: "self_attention.query_key_value",
  attn_output: "self_attention.dense",
  ffn_up: "mlp.dense_h_to_4h",
  ffn_down: "mlp.dense_4h_to_h",
};

/** The architectures by `general.architecture`. */
export const ggufFamilies: Readonly<Record<string, GgufFamily>> = {
  llama: {
    type: "llama",
    interleaved: true,
    experts: {
      router: "block_sparse_moe.gate",
      gate: "block_sparse_moe.experts.{expert}.w1",
      up: "block_sparse_moe.experts.{expert}.w3",
      down: "block_sparse_moe.experts.{expert}.w2",
    },
    extra: llamaKinds,
  },
  qwen2: { type: "qwen2", extra: (metadata) => qwenWindow(metadata) },
  qwen3: { type: "qwen3", extra: (metadata) => qwenWindow(metadata) },
  qwen3moe: {
    type: "qwen3_moe",
    experts: {
      router: "mlp.gate",
      gate: "mlp.experts.{expert}.gate_proj",
      up: "mlp.experts.{expert}.up_proj",
      down: "mlp.experts.{expert}.down_proj",
    },
    extra: (metadata, { intermediate }) => {
      const experts = metadata.integer("expert_count", 2 ** 16);
      const perToken = metadata.integer("expert_used_count", experts);
      return {
        ...qwenWindow(metadata),
        num_experts: experts,
        num_experts_per_tok: perToken,
        moe_intermediate_size: metadata.integer(
          "expert_feed_forward_length",
          2 ** 24,
          Math.floor(intermediate / perToken),
        ),
        norm_topk_prob: true,
        mlp_only_layers: [],
      };
    },
  },
  gemma: { type: "gemma", normsPlusOne: true },
  gemma2: {
    type: "gemma2",
    normsPlusOne: true,
    parts: gemmaParts,
    extra: (metadata, sizes) => {
      const base = metadata.number("rope.freq_base", 1, 2 ** 53, 10000);
      if (metadata.number("rope.freq_base_swa", 1, 2 ** 53, base) !== base) {
        metadata.fail("rope.freq_base_swa", `${base}, the base of the other layers`);
      }
      return {
        ...window(metadata, 4096),
        layer_types: windowLayers(metadata, sizes.layers, 2),
        ...softcap(metadata, "attn_logit_softcapping", 50),
        ...softcap(metadata, "final_logit_softcapping", 30),
        ...queryScale(46)(metadata, sizes),
      };
    },
  },
  gemma3: {
    type: "gemma3_text",
    normsPlusOne: true,
    parts: gemmaParts,
    extra: (metadata, sizes) => {
      // llama.cpp applies it to the layers with a window as well, which are not stretched otherwise.
      if (metadata.number("rope.scaling.attn_factor", 0, 2 ** 20, 1) !== 1) {
        metadata.fail("rope.scaling.attn_factor", "1");
      }
      const own = window(metadata), none = Array(sizes.layers).fill("full_attention");
      const layers = windowLayers(metadata, sizes.layers, 6);
      return {
        // The family has a window, if only for no layer.
        ...own.sliding_window === null
          ? { sliding_window: 4096, layer_types: none }
          : { ...own, layer_types: layers },
        ...softcap(metadata, "final_logit_softcapping", 0),
        ...queryScale(62)(metadata, sizes),
        rope_local_base_freq: metadata.number("rope.freq_base_swa", 1, 2 ** 53, 10000),
      };
    },
  },
  granite: {
    type: "granite",
    interleaved: true,
    extra: (metadata, sizes) => {
      // Here the key says whether positions are rotated in at all.
      if (!metadata.boolean("rope.scaling.finetuned", true)) metadata.fail("rope.scaling.finetuned", "true");
      return {
        ...biases(sizes),
        logits_scaling: metadata.number("logit_scale", 1e-6, 2 ** 20),
        residual_multiplier: factor(metadata, "residual_scale", 1),
        embedding_multiplier: factor(metadata, "embedding_scale", 1),
        attention_multiplier: factor(metadata, "attention.scale", pow(sizes.headDim, -0.5)),
      };
    },
  },
  "command-r": {
    type: "cohere",
    epsilon: "layer_norm_eps",
    extra: (metadata) => ({ logit_scale: factor(metadata, "logit_scale", 1) }),
  },
  olmo: {
    type: "olmo",
    interleaved: true,
    epsilon: "layer_norm_eps",
    extra: (metadata) => {
      const eps = metadata.number("attention.layer_norm_epsilon", 0, 1);
      if (Math.fround(eps) !== Math.fround(1e-5)) metadata.fail("attention.layer_norm_epsilon", "1e-5");
      const clip = metadata.number("attention.clamp_kqv", 0, 2 ** 20, 0);
      return clip === 0 ? {} : { clip_qkv: clip };
    },
  },
  olmo2: {
    type: "olmo2",
    parts: { post_attention_norm: "post_attention_layernorm", post_ffw_norm: "post_feedforward_layernorm" },
  },
  smollm3: { type: "smollm3", interleaved: true, extra: (_metadata, sizes) => biases(sizes) },
  stablelm: {
    type: "stablelm",
    epsilon: "layer_norm_eps",
    parts: {
      attn_q_norm: "self_attn.q_layernorm.norms.{head}",
      attn_k_norm: "self_attn.k_layernorm.norms.{head}",
    },
    extra: (_metadata, { holds }) => ({
      use_parallel_residual: !holds("blk.0.ffn_norm.weight"),
      use_qkv_bias: holds("blk.0.attn_q.bias") || holds("blk.0.attn_qkv.bias"),
      qk_layernorm: holds("blk.0.attn_q_norm.weight"),
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
  },
  phi3: {
    type: "phi3",
    parts: { attn_qkv: "self_attn.qkv_proj", ffn_up: "mlp.gate_up_proj" },
    extra: (metadata) => window(metadata),
  },
  starcoder2: {
    type: "starcoder2",
    epsilon: "norm_epsilon",
    parts: { ffn_up: "mlp.c_fc", ffn_down: "mlp.c_proj" },
    extra: (metadata, { holds }) => ({ ...window(metadata), use_bias: holds("blk.0.attn_output.bias") }),
  },
  bloom: {
    type: "bloom",
    prefix: "transformer.h.",
    epsilon: "layer_norm_epsilon",
    rotary: false,
    grouped: "heads",
    keys: {
      num_hidden_layers: "n_layer",
      num_attention_heads: "n_head",
      max_position_embeddings: "seq_length",
    },
    parts: {
      ...fusedFalcon,
      token_embd_norm: "transformer.word_embeddings_layernorm",
      ffn_norm: "post_attention_layernorm",
    },
    extra: (metadata, sizes) => {
      fourfold(metadata, sizes);
      if (sizes.kvHeads !== sizes.heads) metadata.fail("attention.head_count_kv", `${sizes.heads}`);
      return {};
    },
  },
  falcon: {
    type: "falcon",
    prefix: "transformer.h.",
    epsilon: "layer_norm_epsilon",
    grouped: "kvHeads",
    keys: { num_key_value_heads: "num_kv_heads", intermediate_size: "ffn_hidden_size" },
    parts: fusedFalcon,
    // Of two norms the file's first is the feed-forward block's.
    second: { tensor: "attn_norm_2", parts: { attn_norm: "ln_mlp", attn_norm_2: "ln_attn" } },
    extra: (_metadata, { holds }) => ({
      new_decoder_architecture: true,
      num_ln_in_parallel_attn: holds("blk.0.attn_norm_2.weight") ? 2 : 1,
      bias: false,
      alibi: false,
    }),
  },
  gptneox: {
    type: "gpt_neox",
    prefix: "gpt_neox.layers.",
    epsilon: "layer_norm_eps",
    keys: { rope_theta: "rotary_emb_base", partial_rotary_factor: "rotary_pct" },
    grouped: "heads",
    parts: {
      token_embd: "gpt_neox.embed_in",
      output: "embed_out",
      output_norm: "gpt_neox.final_layer_norm",
      attn_norm: "input_layernorm",
      attn_qkv: "attention.query_key_value",
      attn_output: "attention.dense",
      ffn_norm: "post_attention_layernorm",
      ffn_up: "mlp.dense_h_to_4h",
      ffn_down: "mlp.dense_4h_to_h",
    },
    extra: (metadata, { heads, kvHeads, holds }) => {
      if (kvHeads !== heads) metadata.fail("attention.head_count_kv", `${heads}`);
      if (!metadata.has("use_parallel_residual")) metadata.fail("use_parallel_residual", "true or false");
      return {
        use_parallel_residual: metadata.boolean("use_parallel_residual", true),
        attention_bias: holds("blk.0.attn_output.bias"),
      };
    },
  },
  gpt2: {
    type: "gpt2",
    prefix: "transformer.h.",
    epsilon: "layer_norm_epsilon",
    rotary: false,
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
    extra: (metadata, { heads, kvHeads }) => {
      if (kvHeads !== heads) metadata.fail("attention.head_count_kv", `${heads}`);
      return {};
    },
  },
};
