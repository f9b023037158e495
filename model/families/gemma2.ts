/** Gemma 2 (Gemma Team, 2024): norms on both sides of each block, soft caps, a window in every other layer. */
import { pow } from "../../base/elementary.ts";
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { windowedLayers } from "./description.ts";
import { gemma, gemmaNorm } from "./gemma.ts";

/** Reads the configuration of a `gemma2` checkpoint. */
export function gemma2(config: ModelConfig): Architecture {
  const softcap = (key: string, name: "attentionSoftcap" | "logitSoftcap") =>
    config.has(key) ? { [name]: config.number(key, { min: Number.MIN_VALUE }) } : {};
  return {
    ...gemma(config, "hidden_activation"),
    ...windowedLayers(config, (layer) => layer % 2 === 0),
    ...softcap("attn_logit_softcapping", "attentionSoftcap"),
    ...softcap("final_logit_softcapping", "logitSoftcap"),
    attentionScale: pow(config.number("query_pre_attn_scalar", { min: Number.MIN_VALUE }), -0.5),
    mlpNorm: gemmaNorm("model.layers.{layer}.pre_feedforward_layernorm"),
    outputNorms: {
      attention: gemmaNorm("model.layers.{layer}.post_attention_layernorm"),
      mlp: gemmaNorm("model.layers.{layer}.post_feedforward_layernorm"),
    },
  };
}
