/** Llama (Touvron et al., 2023) and its kin: RMSNorm, rotary positions, grouped-query attention, gated SiLU. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { activation, head, linears, sizes } from "./description.ts";
import { rotaryPositions } from "./rotary_scaling.ts";

/** Reads the configuration of a `llama` checkpoint, or of one whose activation has another key. */
export function llama(config: ModelConfig, activationKey = "hidden_act"): Architecture {
  const size = sizes(config);
  const attention = config.boolean("attention_bias", false), mlp = config.boolean("mlp_bias", false);
  const prefix = "model.layers.{layer}";
  return {
    ...size,
    intermediateSize: config.integer("intermediate_size"),
    norm: { kind: "rms", eps: config.number("rms_norm_eps", { fallback: 1e-6, min: 0 }) },
    positions: rotaryPositions(config, size.headDim),
    activation: activation(config, activationKey),
    ...head(config, "model.embed_tokens.weight"),
    attentionNorm: { weight: `${prefix}.input_layernorm.weight` },
    mlpNorm: { weight: `${prefix}.post_attention_layernorm.weight` },
    finalNorm: { weight: "model.norm.weight" },
    linears: {
      ...linears(`${prefix}.self_attn`, { q: "q_proj", k: "k_proj", v: "v_proj", o: "o_proj" }, attention),
      ...linears(`${prefix}.mlp`, { gate: "gate_proj", up: "up_proj", down: "down_proj" }, mlp),
    },
  };
}
