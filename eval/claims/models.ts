/** The sizes of the models in published tables, as their public `config.json` files give them. */
import type { Architecture } from "../../model/architecture.ts";
import { parseConfig } from "../../model/checkpoint/read_config.ts";
import { architectureOf } from "../../model/families.ts";

/** Layers, width, heads, and for llama key-value heads, width of the feed-forward block and vocabulary. */
const sizes: Readonly<Record<string, readonly number[]>> = {
  "OPT-125M": [12, 768, 12],
  "OPT-350M": [24, 1024, 16],
  "OPT-1.3B": [24, 2048, 32],
  "OPT-2.7B": [32, 2560, 32],
  "OPT-6.7B": [32, 4096, 32],
  "OPT-13B": [40, 5120, 40],
  "OPT-30B": [48, 7168, 56],
  "OPT-66B": [64, 9216, 72],
  "OPT-175B": [96, 12288, 96],
  "BLOOM-560M": [24, 1024, 16],
  "BLOOM-1.1B": [24, 1536, 16],
  "BLOOM-1.7B": [24, 2048, 16],
  "BLOOM-3B": [30, 2560, 32],
  "BLOOM-7.1B": [30, 4096, 32],
  "BLOOM-176B": [70, 14336, 112],
  "LLaMA-2-7B": [32, 4096, 32, 32, 11008, 32000],
  "LLaMA-2-13B": [40, 5120, 40, 40, 13824, 32000],
  "LLaMA-3-8B": [32, 4096, 32, 8, 14336, 128256],
  "LLaMA-3.1-8B-Instruct": [32, 4096, 32, 8, 14336, 128256],
};

/**
 * The architecture of a model as published tables name it; null for others. OPT-350M is taken without its projections of
 * the embedding, which are a thousandth of its work.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(publishedArchitecture("LLaMA-3-8B")?.kvHeads, 8);
 * assertEquals(publishedArchitecture("GPT-5"), null);
 * ```
 */
export function publishedArchitecture(name: string): Architecture | null {
  const size = Object.hasOwn(sizes, name) ? sizes[name] : undefined;
  if (size === undefined) return null;
  const [layers, hidden, heads, kvHeads, intermediate, vocabulary] = size;
  const shared = { num_hidden_layers: layers, hidden_size: hidden, num_attention_heads: heads };
  const config = name.startsWith("OPT")
    ? { ...shared, model_type: "opt", ffn_dim: 4 * hidden, vocab_size: 50272, max_position_embeddings: 2048 }
    : name.startsWith("BLOOM")
    ? { model_type: "bloom", n_layer: layers, hidden_size: hidden, n_head: heads, vocab_size: 250880 }
    : {
      ...shared,
      model_type: "llama",
      num_key_value_heads: kvHeads,
      intermediate_size: intermediate,
      vocab_size: vocabulary,
      max_position_embeddings: 4096,
      rms_norm_eps: 1e-5,
    };
  return architectureOf(parseConfig(JSON.stringify(config), name));
}
