/** Gemma 3, text (Gemma Team, 2025): Gemma 2 with norms of queries and keys; layers with a window rotate by a base of their own. */
import type { Architecture } from "../architecture.ts";
import { ModelConfig } from "../checkpoint/config.ts";
import { kindSections, type LayerKind } from "../checkpoint/rotary_sections.ts";
import { windowedLayers } from "./description.ts";
import { sectionPositions } from "./rotary_scaling.ts";
import { gemmaNorm } from "./gemma.ts";
import { gemma2 } from "./gemma2.ts";

/** Reads the configuration of a `gemma3_text` checkpoint. */
export function gemma3Text(config: ModelConfig): Architecture {
  const base = gemma2(config);
  const pattern = config.integer("sliding_window_pattern");
  const positions = (kind: LayerKind, theta: string) => {
    const section = kindSection(config, kind);
    return sectionPositions(config, section, section, base.headDim, { theta });
  };
  const windowPositions = positions("sliding_attention", "rope_local_base_freq");
  if (windowPositions.scaling?.kind === "longrope") {
    config.fail("rope_parameters", "without longrope in sliding_attention");
  }
  return {
    ...base,
    ...windowedLayers(config, (layer) => (layer + 1) % pattern !== 0),
    positions: positions("full_attention", "rope_theta"),
    windowPositions,
    headNorms: {
      query: gemmaNorm("model.layers.{layer}.self_attn.q_norm"),
      key: gemmaNorm("model.layers.{layer}.self_attn.k_norm"),
      over: "head",
    },
  };
}

/** What `rope_parameters` says of a kind of layer; `rope_scaling` is of those alone that see everything. */
function kindSection(config: ModelConfig, kind: LayerKind): ModelConfig | undefined {
  const parameters = config.section("rope_parameters"), scaling = config.section("rope_scaling");
  // Version 4 of transformers reads its type, version 5 passes it over.
  if (scaling?.has("type") === true && !scaling.has("rope_type")) {
    config.fail("rope_scaling", "rope_type for type");
  }
  const kinds = kindSections(parameters);
  if (parameters !== undefined && Object.keys(parameters.values).some((key) => !(key in kinds))) {
    config.fail("rope_parameters", "an object of full_attention and sliding_attention");
  }
  const values = { ...kinds[kind]?.values, ...kind === "full_attention" ? scaling?.values : {} };
  const section = new ModelConfig(`${config.source}: ${kind}`, values);
  // transformers looks for it outside of the parts, where it cannot stand.
  if (section.has("truncate") && !section.boolean("truncate")) section.fail("truncate", "true");
  return section;
}
