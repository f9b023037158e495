/** Reads how rotary positions are configured, as transformers 4 and as transformers 5 write it. */
import type { Positions, RotaryScaling } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";

type Rotary = Extract<Positions, { kind: "rotary" }>;

/** What a family knows about its rotary positions when the configuration does not say. */
export interface RotaryDefaults {
  /** Pairs of dimensions that rotate together (default `half`). */
  readonly layout?: Rotary["layout"];
  /** Share of a head's dimensions that rotate (default 1). */
  readonly fraction?: number;
  /** Base of the frequencies (default 10000). */
  readonly theta?: number;
  /** Which layers are meant, where `rope_parameters` tells them apart. */
  readonly layers?: "full_attention" | "sliding_attention";
}

/**
 * The rotary positions of heads of `headDim` dimensions.
 *
 * @throws {CheckpointError} code `config`, naming the key
 */
export function rotaryPositions(config: ModelConfig, headDim: number, defaults: RotaryDefaults = {}): Rotary {
  const { layout = "half", layers = "full_attention" } = defaults;
  const nested = config.section("rope_parameters");
  const parameters = nested?.has(layers) ? nested.section(layers) : nested;
  const where = parameters ?? config;
  // GPT-NeoX spells both its own way.
  const baseKey = config.has("rotary_emb_base") ? "rotary_emb_base" : "rope_theta";
  const theta = where.number(parameters ? "rope_theta" : baseKey, {
    fallback: defaults.theta ?? 10000,
    min: 1,
  });
  const shareKey = config.has("rotary_pct") ? "rotary_pct" : "partial_rotary_factor";
  const fraction = (parameters?.has("partial_rotary_factor") ? parameters : config).number(
    parameters?.has("partial_rotary_factor") ? "partial_rotary_factor" : shareKey,
    { fallback: defaults.fraction ?? 1, min: 0, max: 1 },
  );
  const scaling = rotaryScaling(config, parameters ?? config.section("rope_scaling"));
  const rotaryDim = Math.floor(headDim * fraction);
  return { kind: "rotary", theta, rotaryDim, layout, ...(scaling && { scaling }) };
}

function rotaryScaling(config: ModelConfig, section: ModelConfig | undefined): RotaryScaling | undefined {
  const key = section?.has("rope_type") ? "rope_type" : "type";
  if (section === undefined || !section.has(key)) return undefined;
  const kind = section.string(key);
  // Dynamic scaling begins beyond the positions that this decoder allows.
  if (kind === "default" || kind === "dynamic") return undefined;
  const original = () => {
    const own = section.has("original_max_position_embeddings") ? section : config;
    const has = own.has("original_max_position_embeddings");
    return own.integer(has ? "original_max_position_embeddings" : "max_position_embeddings");
  };
  if (kind === "longrope" || kind === "su") return longRope(config, section, original());
  const factor = section.number("factor", { min: 1 });
  if (kind === "linear") return { kind, factor };
  if (kind === "yarn") {
    const magnitude = (scale: number) => factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
    const scaled = section.has("mscale") && section.has("mscale_all_dim")
      ? magnitude(section.number("mscale")) / magnitude(section.number("mscale_all_dim"))
      : magnitude(1);
    return {
      kind,
      factor,
      originalPositions: original(),
      betaFast: section.number("beta_fast", { fallback: 32 }),
      betaSlow: section.number("beta_slow", { fallback: 1 }),
      truncate: section.boolean("truncate", true),
      attentionFactor: section.number("attention_factor", { fallback: scaled, min: 0 }),
    };
  }
  if (kind !== "llama3") {
    return section.fail(key, `"default", "linear", "dynamic", "yarn", "longrope" or "llama3"`);
  }
  return {
    kind,
    factor,
    lowFrequencyFactor: section.number("low_freq_factor", { min: 0 }),
    highFrequencyFactor: section.number("high_freq_factor", { min: 0 }),
    originalPositions: section.integer("original_max_position_embeddings"),
  };
}

/** LongRoPE (Ding et al., 2024), as Phi-3 uses it: a divisor for each pair, another set for long sequences. */
function longRope(config: ModelConfig, section: ModelConfig, originalPositions: number): RotaryScaling {
  const divisors = (key: string): number[] => {
    const list = section.list(key) ?? section.fail(key, "a list of numbers");
    return list.map((value) =>
      typeof value === "number" && value > 0 ? value : section.fail(key, "positive numbers")
    );
  };
  const factor = section.number("factor", {
    fallback: config.integer("max_position_embeddings") / originalPositions,
  });
  const attentionFactor = section.number("attention_factor", {
    fallback: factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalPositions)),
    min: 0,
  });
  const shortFactor = divisors("short_factor"), longFactor = divisors("long_factor");
  return { kind: "longrope", shortFactor, longFactor, originalPositions, attentionFactor };
}
