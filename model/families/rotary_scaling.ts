/** Reads how rotary positions are configured, as transformers 4 and as transformers 5 write it. */
import { log } from "../../base/elementary.ts";
import type { Positions, RotaryScaling } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { divisors, rotarySection, rotatedChannels, scalingKind } from "../checkpoint/rotary_sections.ts";

type Rotary = Extract<Positions, { kind: "rotary" }>;

/** How a family spells its rotary positions. */
export interface RotaryKeys {
  /** Pairs of dimensions that rotate together (default `half`). */
  readonly layout?: Rotary["layout"];
  /** The key of the frequencies' base outside of the section (default `rope_theta`; 10000 when absent). */
  readonly theta?: string;
  /** The key of the share of a head's dimensions that rotate (default `partial_rotary_factor`; 1 when absent). */
  readonly share?: string;
}

/**
 * The rotary positions of heads of `headDim` dimensions, the same in all layers.
 *
 * @throws {CheckpointError} code `config`, naming the key
 */
export function rotaryPositions(config: ModelConfig, headDim: number, keys: RotaryKeys = {}): Rotary {
  const section = rotarySection(config);
  const stated = config.has("original_max_position_embeddings");
  // What stands outside of the section goes first.
  return sectionPositions(config, stated ? config : section, section, headDim, keys);
}

/**
 * The rotary positions that one section describes; `original` is where the positions before stretching are stated.
 *
 * @throws {CheckpointError} code `config`, naming the key
 */
export function sectionPositions(
  config: ModelConfig,
  original: ModelConfig | undefined,
  section: ModelConfig | undefined,
  headDim: number,
  { layout = "half", theta: base = "rope_theta", share = "partial_rotary_factor" }: RotaryKeys = {},
): Rotary {
  const theta = section?.has("rope_theta")
    ? section.number("rope_theta", { min: 1 })
    : config.number(base, { fallback: 10000, min: 1 });
  const rotaryDim = rotatedChannels(config, section, headDim, share);
  const key = "original_max_position_embeddings";
  const originalPositions = original?.has(key)
    ? original.integer(key)
    : config.integer("max_position_embeddings", { fallback: 2048 });
  const scaling = section && rotaryScaling(config, section, originalPositions, rotaryDim);
  return { kind: "rotary", theta, rotaryDim, layout, ...(scaling && { scaling }) };
}

function rotaryScaling(
  config: ModelConfig,
  section: ModelConfig,
  originalPositions: number,
  rotaryDim: number,
): RotaryScaling | undefined {
  const kind = scalingKind(section, config.has("model_type") ? config.modelType : "");
  // Dynamic scaling begins beyond the positions that this decoder allows.
  if (kind === "default" || kind === "dynamic") return undefined;
  if (kind === "longrope") return longRope(config, section, originalPositions, rotaryDim);
  const factor = section.number("factor", { min: Number.MIN_VALUE });
  if (kind === "linear") return { kind, factor };
  if (kind === "yarn") {
    const magnitude = (scale: number) => factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1;
    // In all of these zero counts as absent.
    const or = (key: string, other: number) => section.number(key, { fallback: other }) || other;
    const [scale, all] = [or("mscale", 0), or("mscale_all_dim", 0)];
    const scaled = scale !== 0 && all !== 0 ? magnitude(scale) / magnitude(all) : magnitude(1);
    return {
      kind,
      factor,
      originalPositions,
      betaFast: or("beta_fast", 32),
      betaSlow: or("beta_slow", 1),
      truncate: section.boolean("truncate", true),
      attentionFactor: section.number("attention_factor", { fallback: scaled, min: 0 }),
    };
  }
  if (kind !== "llama3") {
    const key = section.has("rope_type") ? "rope_type" : "type";
    return section.fail(key, `"default", "linear", "dynamic", "yarn", "longrope" or "llama3"`);
  }
  return {
    kind,
    factor,
    lowFrequencyFactor: section.number("low_freq_factor", { min: 0 }),
    highFrequencyFactor: section.number("high_freq_factor", { min: 0 }),
    originalPositions,
  };
}

/** LongRoPE (Ding et al., 2024), as Phi-3 uses it: a divisor for each pair, another set for long sequences. */
function longRope(
  config: ModelConfig,
  section: ModelConfig,
  originalPositions: number,
  rotaryDim: number,
): RotaryScaling {
  const factor = section.number("factor", {
    fallback: config.integer("max_position_embeddings") / originalPositions,
  });
  const attentionFactor = section.number("attention_factor", {
    fallback: factor <= 1 ? 1 : Math.sqrt(1 + log(factor) / log(originalPositions)),
    min: 0,
  });
  const shortFactor = divisors(section, "short_factor", rotaryDim);
  const longFactor = divisors(section, "long_factor", rotaryDim);
  return { kind: "longrope", shortFactor, longFactor, originalPositions, attentionFactor };
}
