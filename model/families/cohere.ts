/** Cohere Command R (2024): blocks side by side behind a LayerNorm without bias, interleaved rotation, scaled logits. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { head } from "./description.ts";
import { rotaryPositions } from "./rotary_scaling.ts";
import { llama } from "./llama.ts";

/** Reads the configuration of a `cohere` checkpoint. */
export function cohere(config: ModelConfig): Architecture {
  const base = llama(config);
  if (config.boolean("use_qk_norm", false)) config.fail("use_qk_norm", "false");
  return {
    ...base,
    norm: { kind: "layer", eps: config.number("layer_norm_eps", { fallback: 1e-5, min: 0 }) },
    positions: rotaryPositions(config, base.headDim, { layout: "interleaved" }),
    ...head(config, "model.embed_tokens.weight", { tied: true }),
    logitScale: config.number("logit_scale", { fallback: 0.0625 }),
    parallel: true,
    mlpNorm: base.attentionNorm,
  };
}
