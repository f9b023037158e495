/** GPT-NeoX (Black et al., 2022) and Pythia: blocks side by side behind a LayerNorm each, partly rotated heads. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { activation, fusedQkv, head, linears, named, sizes } from "./description.ts";
import { rotaryPositions } from "./rotary_scaling.ts";

/** Reads the configuration of a `gpt_neox` checkpoint. */
export function gptNeox(config: ModelConfig): Architecture {
  const size = sizes(config, { headDim: null }), prefix = "gpt_neox.layers.{layer}";
  const bias = config.boolean("attention_bias");
  return {
    ...size,
    intermediateSize: config.integer("intermediate_size"),
    norm: { kind: "layer", eps: config.number("layer_norm_eps", { min: 0 }) },
    positions: rotaryPositions(config, size.headDim, { theta: "rotary_emb_base", share: "rotary_pct" }),
    activation: activation(config),
    ...head(config, "gpt_neox.embed_in.weight", { name: "embed_out.weight" }),
    parallel: config.boolean("use_parallel_residual"),
    attentionNorm: named(`${prefix}.input_layernorm`),
    mlpNorm: named(`${prefix}.post_attention_layernorm`),
    finalNorm: named("gpt_neox.final_layer_norm"),
    linears: {
      // Each head has its query, key and value side by side.
      ...fusedQkv(named(`${prefix}.attention.query_key_value`, bias), size, size.heads),
      ...linears(prefix, { o: "attention.dense" }, bias),
      ...linears(`${prefix}.mlp`, { up: "dense_h_to_4h", down: "dense_4h_to_h" }, true),
    },
  };
}
