/** OPT (Zhang et al., 2022): LayerNorm, biases, learned positions with an offset of 2, ReLU. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { activation, head, linears, named, sizes } from "./description.ts";

/** Reads the configuration of an `opt` checkpoint. */
export function opt(config: ModelConfig): Architecture {
  const size = sizes(config, { headDim: null }),
    decoder = "model.decoder",
    prefix = `${decoder}.layers.{layer}`;
  const before = config.boolean("do_layer_norm_before");
  const width = config.integer("word_embed_proj_dim", { fallback: size.hiddenSize });
  const noFinalNorm = !before || config.boolean("_remove_final_layer_norm");
  const bias = config.boolean("enable_bias");
  const attention = { q: "q_proj", k: "k_proj", v: "v_proj", o: "out_proj" };
  return {
    ...size,
    intermediateSize: config.integer("ffn_dim"),
    norm: { kind: "layer", eps: 1e-5 },
    positions: { kind: "learned", tensor: `${decoder}.embed_positions.weight`, offset: 2 },
    activation: activation(config, "activation_function"),
    ...head(config, `${decoder}.embed_tokens.weight`),
    // The 350m layout norms after each block and projects its embeddings.
    ...(before ? {} : { normPlace: "sum" }),
    ...(width !== size.hiddenSize && {
      embeddingProjection: {
        size: width,
        into: `${decoder}.project_in.weight`,
        out: `${decoder}.project_out.weight`,
      },
    }),
    attentionNorm: named(`${prefix}.self_attn_layer_norm`),
    mlpNorm: named(`${prefix}.final_layer_norm`),
    finalNorm: noFinalNorm ? null : named(`${decoder}.final_layer_norm`),
    linears: {
      ...linears(`${prefix}.self_attn`, attention, bias),
      ...linears(prefix, { up: "fc1", down: "fc2" }, bias),
    },
  };
}
