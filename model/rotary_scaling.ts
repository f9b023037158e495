/** Reads `rope_scaling` of config.json: how rotary frequencies are stretched for long contexts. */
import type { RotaryScaling } from "./architecture.ts";
import type { ModelConfig } from "./config.ts";

/** The scaling that a configuration asks for, as a property to spread; none for `"default"` or an absent section. */
export function rotaryScaling(config: ModelConfig): { scaling?: RotaryScaling } {
  const section = config.section("rope_scaling");
  if (section === undefined) return {};
  const kind = section.string(section.has("rope_type") ? "rope_type" : "type");
  if (kind === "default") return {};
  const factor = section.number("factor", { min: 1 });
  if (kind === "linear") return { scaling: { kind, factor } };
  if (kind !== "llama3") return section.fail("rope_type", `"default", "linear" or "llama3"`);
  return {
    scaling: {
      kind,
      factor,
      lowFrequencyFactor: section.number("low_freq_factor", { min: 0 }),
      highFrequencyFactor: section.number("high_freq_factor", { min: 0 }),
      originalPositions: section.integer("original_max_position_embeddings"),
    },
  };
}
