/** Bloom (BigScience, 2022): position biases (ALiBi), a norm behind the embedding. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { fusedQkv, head, linears, named, sizes } from "./description.ts";

/** Reads the configuration of a `bloom` checkpoint. */
export function bloom(config: ModelConfig): Architecture {
  const size = sizes(config, {
    layers: "n_layer",
    heads: "n_head",
    kvHeads: "n_head",
    positions: "seq_length",
    headDim: null,
  });
  const prefix = "transformer.h.{layer}";
  return {
    ...size,
    intermediateSize: 4 * size.hiddenSize,
    norm: { kind: "layer", eps: config.number("layer_norm_epsilon", { min: 0 }) },
    positions: { kind: "alibi", scale: 1 },
    activation: "geluTanh",
    ...head(config, "transformer.word_embeddings.weight"),
    embeddingNorm: named("transformer.word_embeddings_layernorm"),
    attentionNorm: named(`${prefix}.input_layernorm`),
    mlpNorm: named(`${prefix}.post_attention_layernorm`),
    finalNorm: named("transformer.ln_f"),
    linears: {
      // Each head has its query, key and value side by side.
      ...fusedQkv(named(`${prefix}.self_attention.query_key_value`), size, size.heads),
      ...linears(prefix, { o: "self_attention.dense" }, true),
      ...linears(`${prefix}.mlp`, { up: "dense_h_to_4h", down: "dense_4h_to_h" }, true),
    },
  };
}
