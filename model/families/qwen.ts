/** Qwen 2 (Yang et al., 2024) and Qwen 3 (2025): Llama with biased projections, or with norms of queries and keys. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { linears, windowedLayers } from "./description.ts";
import { llama } from "./llama.ts";

/** Reads the configuration of a `qwen2` checkpoint. */
export function qwen2(config: ModelConfig): Architecture {
  const base = llama(config), block = "model.layers.{layer}.self_attn";
  const attention = linears(block, { q: "q_proj", k: "k_proj", v: "v_proj", o: "o_proj" }, ["q", "k", "v"]);
  return { ...base, ...qwenWindow(config), linears: { ...base.linears, ...attention } };
}

/** Reads the configuration of a `qwen3` checkpoint; `window` reads which layers have one. */
export function qwen3(config: ModelConfig, window = qwenWindow): Architecture {
  const norm = (name: string) => ({ weight: `model.layers.{layer}.self_attn.${name}.weight` });
  return {
    ...llama(config),
    ...window(config),
    headNorms: { query: norm("q_norm"), key: norm("k_norm"), over: "head" },
  };
}

/** The window's keys mean nothing unless it is switched on. */
function qwenWindow(config: ModelConfig): Pick<Architecture, "window" | "windowLayers"> {
  const windowed = config.boolean("use_sliding_window") && config.has("sliding_window");
  if (!windowed && config.list("layer_types")?.includes("sliding_attention")) {
    config.fail("use_sliding_window", "true with a sliding_window: layer_types has sliding_attention");
  }
  if (!windowed) return {};
  const first = config.integer("max_window_layers", { min: 0 });
  return windowedLayers(config, (layer) => layer >= first);
}
