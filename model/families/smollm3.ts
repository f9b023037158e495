/** SmolLM 3 (Hugging Face, 2025): Llama with tied embeddings in which every fourth layer knows no positions. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { windowedLayers } from "./description.ts";
import { llama } from "./llama.ts";

/** Reads the configuration of a `smollm3` checkpoint. */
export function smollm3(config: ModelConfig): Architecture {
  const base = llama(config);
  const interval = config.integer("no_rope_layer_interval");
  // The key is misnamed: 1 stands for a layer that does rotate.
  const rotates = config.list("no_rope_layers") ??
    Array.from({ length: base.layers }, (_, layer) => Number((layer + 1) % interval !== 0));
  const unrotatedLayers = rotates.flatMap((one, layer) => one === 0 && layer < base.layers ? [layer] : []);
  if (rotates.length < base.layers || !rotates.every((one) => one === 0 || one === 1)) {
    config.fail("no_rope_layers", `a list of 0 or 1 for each of ${base.layers} layers`);
  }
  const windowed = config.boolean("use_sliding_window") && config.has("sliding_window");
  return {
    ...base,
    unrotatedLayers,
    // layer_types goes before the switch.
    ...windowedLayers(config, (layer) => windowed && unrotatedLayers.includes(layer)),
  };
}
