/** Phi 1 to 2 (Gunasekar et al., 2023): attention and feed-forward block side by side behind one LayerNorm, biases. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { activation, head, linears, named, sizes } from "./description.ts";
import { rotaryPositions } from "./rotary_scaling.ts";

/** Reads the configuration of a `phi` checkpoint. */
export function phi(config: ModelConfig): Architecture {
  const size = sizes(config);
  const prefix = "model.layers.{layer}";
  const norm = named(`${prefix}.input_layernorm`);
  const tensors = head(config, "model.embed_tokens.weight");
  const attention = { q: "q_proj", k: "k_proj", v: "v_proj", o: "dense" };
  return {
    ...size,
    intermediateSize: config.integer("intermediate_size"),
    norm: { kind: "layer", eps: config.number("layer_norm_eps", { min: 0 }) },
    positions: rotaryPositions(config, size.headDim),
    activation: activation(config),
    ...tensors,
    headBias: "lm_head.bias",
    parallel: true,
    attentionNorm: norm,
    mlpNorm: norm,
    finalNorm: named("model.final_layernorm"),
    linears: {
      ...linears(`${prefix}.self_attn`, attention, true),
      ...linears(`${prefix}.mlp`, { up: "fc1", down: "fc2" }, true),
    },
  };
}
