/** Gemma (Gemma Team, 2024): Llama with norms around one, a scaled embedding and a gated GELU. */
import type { Architecture, NormNames } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { llama } from "./llama.ts";

/** A norm's weight, which all Gemmas store minus one. */
export function gemmaNorm(name: string): NormNames {
  return { weight: `${name}.weight`, stored: "minusOne" };
}

/** Reads the configuration of a `gemma` checkpoint. */
export function gemma(config: ModelConfig, activationKey?: string): Architecture {
  const base = llama(config, activationKey);
  // The first checkpoints say `gelu` and mean its tanh form, as those say that came after.
  const legacy = activationKey === undefined && base.activation === "gelu";
  return {
    ...base,
    activation: legacy ? "geluTanh" : base.activation,
    embeddingScale: Math.fround(Math.sqrt(config.integer("hidden_size"))),
    attentionNorm: gemmaNorm("model.layers.{layer}.input_layernorm"),
    mlpNorm: gemmaNorm("model.layers.{layer}.post_attention_layernorm"),
    finalNorm: gemmaNorm("model.norm"),
  };
}
