/** OLMo (Groeneveld et al., 2024): norms without weights, clamped projections; OLMo 2: norms behind the blocks. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { llama } from "./llama.ts";

/** Reads the configuration of an `olmo` checkpoint. */
export function olmo(config: ModelConfig): Architecture {
  const base = llama(config);
  const nothing = ({ weight }: { weight: string }) => ({ weight, stored: "nothing" }) as const;
  return {
    ...base,
    norm: { kind: "layer", eps: 1e-5 },
    ...(config.has("clip_qkv") ? { clip: config.number("clip_qkv", { min: 0 }) } : {}),
    attentionNorm: nothing(base.attentionNorm),
    mlpNorm: nothing(base.mlpNorm),
    finalNorm: nothing({ weight: "model.norm.weight" }),
  };
}

/** Reads the configuration of an `olmo2` checkpoint. */
export function olmo2(config: ModelConfig): Architecture {
  const prefix = "model.layers.{layer}";
  return {
    ...llama(config),
    normPlace: "output",
    attentionNorm: { weight: `${prefix}.post_attention_layernorm.weight` },
    mlpNorm: { weight: `${prefix}.post_feedforward_layernorm.weight` },
    headNorms: {
      query: { weight: `${prefix}.self_attn.q_norm.weight` },
      key: { weight: `${prefix}.self_attn.k_norm.weight` },
      over: "token",
    },
  };
}
