/** Granite 3 (IBM, 2024): Llama with factors on the embedding, the attention scores, the residual sums and the logits. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { llama } from "./llama.ts";

/** Reads the configuration of a `granite` checkpoint. */
export function granite(config: ModelConfig): Architecture {
  return {
    ...llama(config),
    embeddingScale: config.number("embedding_multiplier"),
    // Takes the place of 1 / sqrt(headDim).
    attentionScale: config.number("attention_multiplier"),
    residualScale: config.number("residual_multiplier"),
    logitScale: 1 / config.number("logits_scaling"),
  };
}
