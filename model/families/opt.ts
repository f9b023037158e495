/** OPT (Zhang et al., 2022): LayerNorm, biases, learned positions with an offset of 2, ReLU. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../config.ts";

/** Reads the configuration of an `opt` checkpoint. */
export function opt(config: ModelConfig): Architecture {
  const hiddenSize = config.integer("hidden_size");
  const heads = config.integer("num_attention_heads");
  // The 350m layout norms after each block and projects its embeddings: another decoder.
  if (!config.boolean("do_layer_norm_before", true)) config.fail("do_layer_norm_before", "true");
  if (config.integer("word_embed_proj_dim", { fallback: hiddenSize }) !== hiddenSize) {
    config.fail("word_embed_proj_dim", `equal to hidden_size (${hiddenSize})`);
  }
  const named = (name: string) => {
    const prefix = `model.decoder.layers.{layer}.${name}`;
    return { weight: `${prefix}.weight`, bias: `${prefix}.bias` };
  };
  return {
    family: "opt",
    vocabularySize: config.integer("vocab_size"),
    hiddenSize,
    intermediateSize: config.integer("ffn_dim"),
    layers: config.integer("num_hidden_layers"),
    heads,
    kvHeads: heads,
    headDim: hiddenSize / heads,
    maxPositions: config.integer("max_position_embeddings"),
    norm: { kind: "layer", eps: 1e-5 },
    positions: { kind: "learned", tensor: "model.decoder.embed_positions.weight", offset: 2 },
    activation: config.string("activation_function", { fallback: "relu", accepted: ["relu"] }) as "relu",
    embedding: "model.decoder.embed_tokens.weight",
    head: config.boolean("tie_word_embeddings", true)
      ? "model.decoder.embed_tokens.weight"
      : "lm_head.weight",
    attentionNorm: named("self_attn_layer_norm"),
    mlpNorm: named("final_layer_norm"),
    finalNorm: {
      weight: "model.decoder.final_layer_norm.weight",
      bias: "model.decoder.final_layer_norm.bias",
    },
    linears: {
      q: named("self_attn.q_proj"),
      k: named("self_attn.k_proj"),
      v: named("self_attn.v_proj"),
      o: named("self_attn.out_proj"),
      up: named("fc1"),
      down: named("fc2"),
    },
  };
}
