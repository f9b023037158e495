/** What a GGUF file says of a model's shape and its rotary positions; what llama.cpp has no word for is refused. */
import { log } from "../../../base/elementary.ts";
import type { Architecture, RotaryScaling } from "../../../model/architecture.ts";
import { inverseFrequencies } from "../../../model/decoder/rotary.ts";
import type { GgufEntry, GgufSource } from "../../../model/gguf/encode.ts";
import type { Model } from "../../../model/model.ts";
import { SchemeError } from "../../error.ts";

/** Names of the architectures in llama.cpp. */
const architectures: Readonly<Record<string, string>> = {
  llama: "llama",
  mistral: "llama",
  qwen2: "qwen2",
  qwen3: "qwen3",
  mixtral: "llama",
  qwen3_moe: "qwen3moe",
};

/** An entry of the metadata. */
export type Entry = readonly [key: string, entry: GgufEntry];

/**
 * The name in llama.cpp of what a model computes.
 *
 * @throws {SchemeError} `combination` naming what it has no name for
 */
export function ggufArchitecture(
  { family, window, windowLayers, maxPositions, layers, experts }: Architecture,
): string {
  if (!Object.hasOwn(architectures, family)) {
    throw new SchemeError(
      "combination",
      `gguf: model_type ${family}: expected ${Object.keys(architectures)}`,
    );
  }
  const name = architectures[family], windowed = windowLayers?.length ?? layers;
  if (window !== undefined && window < maxPositions && windowed > 0) {
    throw new SchemeError(
      "combination",
      `gguf: sliding_window ${window} of ${maxPositions} positions: llama.cpp's ${name} has no window`,
    );
  }
  if (experts !== undefined && (!experts.normalized || experts.denseLayers.length > 0)) {
    const what = experts.normalized
      ? `layers ${experts.denseLayers} without experts`
      : "shares of experts that are not divided by their sum";
    throw new SchemeError("combination", `gguf: ${what}: llama.cpp's ${name} has none`);
  }
  return name;
}

/** Sizes, the norm's constant, rotary positions. */
export function shapeEntries({ name: title, architecture }: Model, name: string): Entry[] {
  const { positions, norm, experts } = architecture;
  const number = (key: string, value: number, type: "u32" | "f32" = "u32"): Entry => [
    `${name}.${key}`,
    { type, value },
  ];
  const sizes: readonly (readonly [key: string, of: keyof Architecture])[] = [
    ["block_count", "layers"],
    ["context_length", "maxPositions"],
    ["embedding_length", "hiddenSize"],
    ["feed_forward_length", "intermediateSize"],
    ["attention.head_count", "heads"],
    ["attention.head_count_kv", "kvHeads"],
    ["attention.key_length", "headDim"],
    ["attention.value_length", "headDim"],
    ["vocab_size", "vocabularySize"],
  ];
  const rotary = positions.kind === "rotary" ? positions : undefined;
  return [
    ["general.architecture", { type: "string", value: name }],
    ["general.name", { type: "string", value: title }],
    ["general.quantization_version", { type: "u32", value: 2 }],
    ...sizes.map(([key, of]) => number(key, Number(architecture[of]))),
    ...experts === undefined ? [] : [
      number("expert_count", experts.count),
      number("expert_used_count", experts.perToken),
      number("expert_feed_forward_length", experts.intermediateSize),
    ],
    number("attention.layer_norm_rms_epsilon", norm.eps, "f32"),
    number("rope.freq_base", rotary?.theta ?? 10000, "f32"),
    number("rope.dimension_count", rotary?.rotaryDim ?? architecture.headDim),
    ...(rotary?.scaling ? scalingEntries(name, rotary.scaling) : []),
  ];
}

function scalingEntries(name: string, scaling: RotaryScaling): Entry[] {
  const key = (part: string) => `${name}.rope.scaling.${part}`;
  const number = (part: string, value: number): Entry => [key(part), { type: "f32", value }];
  const kind = (value: string): Entry => [key("type"), { type: "string", value }];
  // Llama 3.1's stretch has no key: it is a tensor of divisors.
  if (scaling.kind === "llama3") return [];
  if (scaling.kind === "linear") return [kind("linear"), number("factor", scaling.factor)];
  const original: Entry = [key("original_context_length"), { type: "u32", value: scaling.originalPositions }];
  if (scaling.kind === "longrope") {
    return [kind("longrope"), original, number("attn_factor", scaling.attentionFactor)];
  }
  const { factor, betaFast, betaSlow, truncate, attentionFactor } = scaling;
  for (
    const [part, value, only] of [["beta_fast", betaFast, 32], ["beta_slow", betaSlow, 1], [
      "truncate",
      truncate,
      true,
    ]] as const
  ) {
    if (value !== only) {
      throw new SchemeError("combination", `gguf: rope_scaling ${part} is ${value}: llama.cpp takes ${only}`);
    }
  }
  const usual = factor <= 1 ? 1 : 0.1 * log(factor) + 1;
  return [kind("yarn"), number("factor", factor), original, number("attn_factor", attentionFactor / usual)];
}

/** The tensors that stretch rotary frequencies: divisors, one per rotated pair. */
export function scalingTensors({ positions }: Architecture): Map<string, GgufSource> {
  const tensors = new Map<string, GgufSource>();
  if (positions.kind !== "rotary" || positions.scaling === undefined) return tensors;
  const add = (name: string, divisors: Iterable<number>) => {
    const values = Float32Array.from(divisors);
    tensors.set(name, { dtype: "F32", shape: [values.length], bytes: new Uint8Array(values.buffer) });
  };
  const { scaling, ...unscaled } = positions;
  if (scaling.kind === "longrope") {
    add("rope_factors_short.weight", scaling.shortFactor);
    add("rope_factors_long.weight", scaling.longFactor);
  } else if (scaling.kind === "llama3") {
    const stretched = inverseFrequencies(positions);
    add("rope_freqs.weight", inverseFrequencies(unscaled).map((one, i) => one / stretched[i]));
  }
  return tensors;
}
