/** Llama (Touvron et al., 2023) and its kin: RMSNorm, rotary positions, grouped-query attention, gated SiLU. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../config.ts";
import { rotaryScaling } from "../rotary_scaling.ts";

/** Reads the configuration of a `llama` checkpoint. */
export function llama(config: ModelConfig): Architecture {
  const hiddenSize = config.integer("hidden_size");
  const heads = config.integer("num_attention_heads");
  const headDim = config.integer("head_dim", { fallback: hiddenSize / heads });
  const attention = config.boolean("attention_bias", false);
  const mlp = config.boolean("mlp_bias", false);
  const linear = (name: string, bias: boolean) => {
    const prefix = `model.layers.{layer}.${name}`;
    return bias ? { weight: `${prefix}.weight`, bias: `${prefix}.bias` } : { weight: `${prefix}.weight` };
  };
  return {
    family: "llama",
    vocabularySize: config.integer("vocab_size"),
    hiddenSize,
    intermediateSize: config.integer("intermediate_size"),
    layers: config.integer("num_hidden_layers"),
    heads,
    kvHeads: config.integer("num_key_value_heads", { fallback: heads }),
    headDim,
    maxPositions: config.integer("max_position_embeddings", { fallback: 2048 }),
    norm: { kind: "rms", eps: config.number("rms_norm_eps", { fallback: 1e-6, min: 0 }) },
    positions: {
      kind: "rotary",
      theta: config.number("rope_theta", { fallback: 10000, min: 1 }),
      rotaryDim: headDim,
      layout: "half",
      ...rotaryScaling(config),
    },
    activation: config.string("hidden_act", { fallback: "silu", accepted: ["silu"] }) as "silu",
    embedding: "model.embed_tokens.weight",
    head: config.boolean("tie_word_embeddings", false) ? "model.embed_tokens.weight" : "lm_head.weight",
    attentionNorm: { weight: "model.layers.{layer}.input_layernorm.weight" },
    mlpNorm: { weight: "model.layers.{layer}.post_attention_layernorm.weight" },
    finalNorm: { weight: "model.norm.weight" },
    linears: {
      q: linear("self_attn.q_proj", attention),
      k: linear("self_attn.k_proj", attention),
      v: linear("self_attn.v_proj", attention),
      o: linear("self_attn.o_proj", attention),
      gate: linear("mlp.gate_proj", mlp),
      up: linear("mlp.up_proj", mlp),
      down: linear("mlp.down_proj", mlp),
    },
  };
}
