/** Qwen 2 (Yang et al., 2024) and Qwen 3 (2025): Llama with biased projections, or with norms of queries and keys. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { linears, slidingWindow } from "./description.ts";
import { llama } from "./llama.ts";

/** Reads the configuration of a `qwen2` checkpoint. */
export function qwen2(config: ModelConfig): Architecture {
  const base = llama(config);
  const biased = linears("model.layers.{layer}.self_attn", { q: "q_proj", k: "k_proj", v: "v_proj" }, true);
  return { ...base, ...window(config), linears: { ...base.linears, ...biased } };
}

/** Reads the configuration of a `qwen3` checkpoint. */
export function qwen3(config: ModelConfig): Architecture {
  const norm = (name: string) => ({ weight: `model.layers.{layer}.self_attn.${name}.weight` });
  return {
    ...llama(config),
    ...window(config),
    headNorms: { query: norm("q_norm"), key: norm("k_norm"), over: "head" },
  };
}

/** The window's keys mean nothing unless it is switched on. */
function window(config: ModelConfig): Pick<Architecture, "window" | "windowLayers"> {
  if (!config.boolean("use_sliding_window", false)) return {};
  const first = config.integer("max_window_layers", { fallback: 28, min: 0 });
  return slidingWindow(config, (layer) => layer >= first);
}
