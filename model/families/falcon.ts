/** Falcon (Almazrouei et al., 2023): blocks side by side, one key-value head (7B) or groups of heads (40B). */
import { pow } from "../../base/elementary.ts";
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { activation, fusedQkv, head, linears, named, sizes } from "./description.ts";
import { rotaryPositions } from "./rotary_scaling.ts";

/** Reads the configuration of a `falcon` checkpoint. */
export function falcon(config: ModelConfig): Architecture {
  const grouped = config.boolean("new_decoder_architecture");
  const multiQuery = config.boolean("multi_query");
  const bias = config.boolean("bias"), alibi = config.boolean("alibi");
  const every = sizes(config, { kvHeads: "num_kv_heads", headDim: null });
  const size = { ...every, kvHeads: grouped ? every.kvHeads : multiQuery ? 1 : every.heads };
  const parallel = config.boolean("parallel_attn");
  // transformers stops at these.
  if (grouped && !parallel) config.fail("parallel_attn", "true with new_decoder_architecture");
  if (!grouped && !multiQuery && every.kvHeads !== every.heads) {
    config.fail("num_kv_heads", `${every.heads}, without multi_query and new_decoder_architecture`);
  }
  const prefix = "transformer.h.{layer}";
  const two = grouped && config.integer("num_ln_in_parallel_attn", { fallback: 2 }) === 2;
  const first = named(`${prefix}.${two ? "ln_attn" : "input_layernorm"}`);
  const second = two ? "ln_mlp" : parallel ? "input_layernorm" : "post_attention_layernorm";
  return {
    ...size,
    intermediateSize: config.integer("ffn_hidden_size", { fallback: 4 * size.hiddenSize }),
    norm: { kind: "layer", eps: config.number("layer_norm_epsilon", { min: 0 }) },
    positions: alibi
      ? { kind: "alibi", scale: pow(size.headDim, -0.5) }
      : rotaryPositions(config, size.headDim),
    activation: activation(config, "activation"),
    ...head(config, "transformer.word_embeddings.weight"),
    parallel,
    attentionNorm: first,
    mlpNorm: named(`${prefix}.${second}`),
    finalNorm: named("transformer.ln_f"),
    linears: {
      ...fusedQkv(named(`${prefix}.self_attention.query_key_value`, bias), size, size.kvHeads),
      ...linears(prefix, { o: "self_attention.dense" }, bias),
      ...linears(`${prefix}.mlp`, { up: "dense_h_to_4h", down: "dense_4h_to_h" }, bias),
    },
  };
}
