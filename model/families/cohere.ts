/** Cohere Command R (2024): blocks side by side behind a LayerNorm without bias, interleaved rotation, scaled logits. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { rotaryPositions } from "./rotary_scaling.ts";
import { llama } from "./llama.ts";

/** Reads the configuration of a `cohere` checkpoint. */
export function cohere(config: ModelConfig): Architecture {
  const base = llama(config);
  return {
    ...base,
    norm: { kind: "layer", eps: config.number("layer_norm_eps", { min: 0 }) },
    positions: rotaryPositions(config, base.headDim, { layout: "interleaved" }),
    logitScale: config.number("logit_scale"),
    parallel: true,
    mlpNorm: base.attentionNorm,
  };
}
