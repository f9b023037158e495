/** SmolLM 3 (Hugging Face, 2025): Llama with tied embeddings in which every fourth layer knows no positions. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { head, slidingWindow } from "./description.ts";
import { llama } from "./llama.ts";

/** Reads the configuration of a `smollm3` checkpoint. */
export function smollm3(config: ModelConfig): Architecture {
  const base = llama(config);
  const interval = config.integer("no_rope_layer_interval", { fallback: 4 });
  // The key is misnamed: 1 stands for a layer that does rotate.
  const rotates = config.list("no_rope_layers") ??
    Array.from({ length: base.layers }, (_, layer) => Number((layer + 1) % interval !== 0));
  const unrotatedLayers = rotates.flatMap((one, layer) => one === 0 ? [layer] : []);
  const windowed = config.boolean("use_sliding_window", false);
  return {
    ...base,
    ...head(config, "model.embed_tokens.weight", { tied: true }),
    unrotatedLayers,
    ...(windowed ? slidingWindow(config, (layer) => unrotatedLayers.includes(layer)) : {}),
  };
}
