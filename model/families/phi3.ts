/** Phi 3 and 4 (Abdin et al., 2024): Llama with fused projections, a window, and LongRoPE. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { fusedQkv, named, slidingWindow } from "./description.ts";
import { llama } from "./llama.ts";

/** Reads the configuration of a `phi3` checkpoint. */
export function phi3(config: ModelConfig): Architecture {
  const base = llama(config), { intermediateSize: count } = base;
  const gateUp = named("model.layers.{layer}.mlp.gate_up_proj", false);
  return {
    ...base,
    ...slidingWindow(config),
    linears: {
      ...base.linears,
      ...fusedQkv(named("model.layers.{layer}.self_attn.qkv_proj", false), base),
      gate: { ...gateUp, rows: { groups: 1, size: 2 * count, start: 0, count } },
      up: { ...gateUp, rows: { groups: 1, size: 2 * count, start: count, count } },
    },
  };
}
