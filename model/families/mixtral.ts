/** Mixtral (Jiang et al., 2024): Mistral with a mixture of experts, whose shares are those of the chosen experts alone. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { mistral } from "./mistral.ts";

/** Reads the configuration of a `mixtral` checkpoint. */
export function mixtral(config: ModelConfig): Architecture {
  const base = mistral(config);
  const { q, k, v, o } = base.linears;
  const block = "model.layers.{layer}.block_sparse_moe";
  const expert = (name: string) => ({ weight: `${block}.experts.{expert}.${name}.weight` });
  const count = config.integer("num_local_experts");
  return {
    ...base,
    linears: { q, k, v, o },
    experts: {
      count,
      perToken: config.integer("num_experts_per_tok", { max: count }),
      normalized: true,
      intermediateSize: base.intermediateSize,
      router: `${block}.gate.weight`,
      linears: { gate: expert("w1"), up: expert("w3"), down: expert("w2") },
      denseLayers: [],
    },
  };
}
