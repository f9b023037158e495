/** Where a configuration says how positions rotate: one walk, for the check of the file and for the families that read it. */
import type { ModelConfig } from "./config.ts";

/** Kinds of layers that can have a section of their own. */
export const layerKinds = ["full_attention", "sliding_attention"] as const;

/** A kind of layer, as `layer_types` names it. */
export type LayerKind = typeof layerKinds[number];

/** The section that counts, as in transformers 5: `rope_scaling` where it says anything, or else `rope_parameters`. */
export function rotarySection(config: ModelConfig): ModelConfig | undefined {
  return ["rope_scaling", "rope_parameters"].map((key) => config.section(key))
    .find((section) => section !== undefined && Object.keys(section.values).length > 0);
}

/** The parts of a section for kinds of layers; none where it speaks of all layers. */
export function kindSections(section: ModelConfig | undefined): Partial<Record<LayerKind, ModelConfig>> {
  return Object.fromEntries(layerKinds.flatMap((kind) => {
    const inner = section?.section(kind);
    return inner === undefined ? [] : [[kind, inner]];
  }));
}

/**
 * How a section stretches the frequencies: its `rope_type`, or `type` in older files. Phi 3 means LongRoPE by its first names.
 *
 * @throws {CheckpointError} `config`, when it has a factor and no type
 */
export function scalingKind(section: ModelConfig | undefined, modelType = ""): string {
  if (section === undefined) return "default";
  const key = section.has("rope_type") ? "rope_type" : "type";
  // transformers takes no scaling then, and passes the factor over.
  if (!section.has(key) && section.has("factor")) section.fail("rope_type", "stated beside a factor");
  const kind = section.string(key, { fallback: "default" });
  return modelType === "phi3" && (kind === "su" || kind === "yarn") ? "longrope" : kind;
}

/**
 * The channels of a head that rotate; `share` is the key of their share outside of the section.
 *
 * @throws {CheckpointError} `config`, where they are no pairs
 */
export function rotatedChannels(
  config: ModelConfig,
  section: ModelConfig | undefined,
  headDim: number,
  share: string,
): number {
  const [where, key] = section?.has("partial_rotary_factor")
    ? [section, "partial_rotary_factor"] as const
    : [config, share] as const;
  const channels = Math.floor(headDim * where.number(key, { fallback: 1, min: 0, max: 1 }));
  if (channels > 0 && channels % 2 === 0) return channels;
  if (channels === headDim) config.fail("head_dim", `even where it rotates, it is ${headDim}`);
  return where.fail(key, `a share of ${headDim} channels that is even and not none`);
}

/** The divisors of LongRoPE, one for each pair of channels. */
export function divisors(section: ModelConfig, key: string, channels: number): number[] {
  const list = section.list(key), pairs = channels / 2;
  if (list?.length !== pairs) section.fail(key, `a list of ${pairs} numbers, one per rotated pair`);
  return list.map((value) =>
    typeof value === "number" && value > 0 ? value : section.fail(key, "a list of numbers over 0")
  );
}

/** Fields of a section. */
export const sectionFields = {
  used: [
    ...["attention_factor", "beta_fast", "beta_slow", "factor", "high_freq_factor", "long_factor"],
    ...["low_freq_factor", "mscale", "mscale_all_dim", "original_max_position_embeddings"],
    ...["partial_rotary_factor", "rope_theta", "rope_type", "short_factor", "truncate", "type"],
    ...layerKinds,
  ],
};
