/** GPT-2 (Radford et al., 2019): learned positions, fused projections, weights stored `[in, out]`. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { activation, fusedQkv, head, linears, named, sizes } from "./description.ts";

/** Reads the configuration of a `gpt2` checkpoint. */
export function gpt2(config: ModelConfig): Architecture {
  const keys = {
    hidden: "n_embd",
    layers: "n_layer",
    heads: "n_head",
    positions: "n_positions",
    headDim: null,
  };
  const size = sizes(config, keys);
  const scaled = config.boolean("scale_attn_weights");
  const transposed = (names: Architecture["linears"]) =>
    Object.fromEntries(Object.entries(names).map(([role, one]) => [role, { ...one, transposed: true }]));
  const prefix = "transformer.h.{layer}";
  return {
    ...size,
    intermediateSize: config.integer("n_inner", { fallback: 4 * size.hiddenSize }),
    norm: { kind: "layer", eps: config.number("layer_norm_epsilon", { min: 0 }) },
    positions: { kind: "learned", tensor: "transformer.wpe.weight", offset: 0 },
    ...(scaled ? {} : { attentionScale: 1 }),
    activation: activation(config, "activation_function"),
    ...head(config, "transformer.wte.weight"),
    attentionNorm: named(`${prefix}.ln_1`),
    mlpNorm: named(`${prefix}.ln_2`),
    finalNorm: named("transformer.ln_f"),
    linears: transposed({
      ...fusedQkv(named(`${prefix}.attn.c_attn`), size),
      ...linears(prefix, { o: "attn.c_proj", up: "mlp.c_fc", down: "mlp.c_proj" }, true),
    }),
  };
}
