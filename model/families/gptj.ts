/** GPT-J (Wang and Komatsuzaki, 2021): blocks side by side behind one LayerNorm, neighbouring dimensions rotate together. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { activation, head, linears, named, sizes } from "./description.ts";

/** Reads the configuration of a `gptj` checkpoint. */
export function gptj(config: ModelConfig): Architecture {
  const keys = {
    hidden: "n_embd",
    layers: "n_layer",
    heads: "n_head",
    positions: "n_positions",
    headDim: null,
  };
  const size = sizes(config, keys);
  const prefix = "transformer.h.{layer}";
  const norm = named(`${prefix}.ln_1`);
  const rotaryDim = config.integer("rotary_dim", { max: size.headDim });
  if (rotaryDim % 2 !== 0) config.fail("rotary_dim", "even");
  const attention = { q: "q_proj", k: "k_proj", v: "v_proj", o: "out_proj" };
  return {
    ...size,
    intermediateSize: config.integer("n_inner", { fallback: 4 * size.hiddenSize }),
    norm: { kind: "layer", eps: config.number("layer_norm_epsilon", { min: 0 }) },
    positions: { kind: "rotary", theta: 10000, rotaryDim, layout: "interleaved" },
    activation: activation(config, "activation_function"),
    ...head(config, "transformer.wte.weight"),
    headBias: "lm_head.bias",
    parallel: true,
    attentionNorm: norm,
    mlpNorm: norm,
    finalNorm: named("transformer.ln_f"),
    linears: {
      ...linears(`${prefix}.attn`, attention),
      ...linears(`${prefix}.mlp`, { up: "fc_in", down: "fc_out" }, true),
    },
  };
}
