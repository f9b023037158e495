/** StableLM 2 (Bellagente et al., 2024): Llama with LayerNorms and partly rotated heads; 12B: blocks side by side. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { linears, named } from "./description.ts";
import { rotaryPositions } from "./rotary_scaling.ts";
import { llama } from "./llama.ts";

/** Reads the configuration of a `stablelm` checkpoint. */
export function stablelm(config: ModelConfig): Architecture {
  const base = llama(config), prefix = "model.layers.{layer}";
  const parallel = config.boolean("use_parallel_residual");
  const bias = config.boolean("use_qkv_bias");
  const norm = named(`${prefix}.input_layernorm`);
  const own = (name: string) => ({ weight: `${prefix}.self_attn.${name}.norms.{head}.weight` });
  return {
    ...base,
    norm: { kind: "layer", eps: config.number("layer_norm_eps", { min: 0 }) },
    positions: rotaryPositions(config, base.headDim),
    parallel,
    attentionNorm: norm,
    mlpNorm: parallel ? norm : named(`${prefix}.post_attention_layernorm`),
    finalNorm: named("model.norm"),
    ...(config.boolean("qk_layernorm") && {
      headNorms: { query: own("q_layernorm"), key: own("k_layernorm"), over: "head" },
    }),
    linears: {
      ...base.linears,
      ...linears(`${prefix}.self_attn`, { q: "q_proj", k: "k_proj", v: "v_proj" }, bias),
    },
  };
}
