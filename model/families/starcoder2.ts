/** StarCoder 2 (Lozhkov et al., 2024): LayerNorms, biases, a plain GELU block, rotary positions and a window. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { activation, head, linears, named, sizes, slidingWindow } from "./description.ts";
import { rotaryPositions } from "./rotary_scaling.ts";

/** Reads the configuration of a `starcoder2` checkpoint. */
export function starcoder2(config: ModelConfig): Architecture {
  const size = sizes(config), prefix = "model.layers.{layer}";
  const bias = config.boolean("use_bias");
  const attention = { q: "q_proj", k: "k_proj", v: "v_proj", o: "o_proj" };
  return {
    ...size,
    intermediateSize: config.integer("intermediate_size"),
    norm: { kind: "layer", eps: config.number("norm_epsilon", { min: 0 }) },
    positions: rotaryPositions(config, size.headDim),
    ...slidingWindow(config),
    activation: activation(config),
    ...head(config, "model.embed_tokens.weight"),
    attentionNorm: named(`${prefix}.input_layernorm`),
    mlpNorm: named(`${prefix}.post_attention_layernorm`),
    finalNorm: named("model.norm"),
    linears: {
      ...linears(`${prefix}.self_attn`, attention, bias),
      ...linears(`${prefix}.mlp`, { up: "c_fc", down: "c_proj" }, bias),
    },
  };
}
