/** Gemma 3, text (Gemma Team, 2025): Gemma 2 with norms of queries and keys; layers with a window rotate by a base of their own. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { slidingWindow } from "./description.ts";
import { rotaryPositions } from "./rotary_scaling.ts";
import { gemmaNorm } from "./gemma.ts";
import { gemma2 } from "./gemma2.ts";

/** Reads the configuration of a `gemma3_text` checkpoint. */
export function gemma3Text(config: ModelConfig): Architecture {
  const base = gemma2(config);
  const pattern = config.integer("sliding_window_pattern", { fallback: 6 });
  const local = config.has("rope_parameters")
    ? rotaryPositions(config, base.headDim, { layers: "sliding_attention" })
    : rotaryPositions(config, base.headDim);
  const theta = config.number("rope_local_base_freq", { fallback: local.theta, min: 1 });
  return {
    ...base,
    ...slidingWindow(config, (layer) => (layer + 1) % pattern !== 0),
    positions: rotaryPositions(config, base.headDim, { theta: 1e6 }),
    // Only the layers that see everything are stretched.
    windowPositions: { kind: "rotary", rotaryDim: base.headDim, layout: "half", theta },
    headNorms: {
      query: gemmaNorm("model.layers.{layer}.self_attn.q_norm"),
      key: gemmaNorm("model.layers.{layer}.self_attn.k_norm"),
      over: "head",
    },
  };
}
