/** Qwen 3 with a mixture of experts (2025): some layers may keep an ordinary feed-forward block. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { slidingWindow } from "./description.ts";
import { qwen3 } from "./qwen.ts";

/** Reads the configuration of a `qwen3_moe` checkpoint. */
export function qwen3Moe(config: ModelConfig): Architecture {
  const base = qwen3(config, () => config.boolean("use_sliding_window") ? slidingWindow(config) : {});
  const block = "model.layers.{layer}.mlp";
  const expert = (name: string) => ({ weight: `${block}.experts.{expert}.${name}.weight` });
  const count = config.integer("num_local_experts");
  const step = config.integer("decoder_sparse_step");
  const dense = config.list("mlp_only_layers") ?? [];
  if (!dense.every((layer) => Number.isInteger(layer))) config.fail("mlp_only_layers", "a list of layers");
  const layers = Array.from({ length: base.layers }, (_, layer) => layer);
  return {
    ...base,
    experts: {
      count,
      perToken: config.integer("num_experts_per_tok", { max: count }),
      normalized: config.boolean("norm_topk_prob"),
      intermediateSize: config.integer("moe_intermediate_size"),
      router: `${block}.gate.weight`,
      linears: { gate: expert("gate_proj"), up: expert("up_proj"), down: expert("down_proj") },
      denseLayers: layers.filter((layer) => dense.includes(layer) || (layer + 1) % step !== 0),
    },
  };
}
