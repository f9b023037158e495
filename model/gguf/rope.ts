/** Rotary positions of GGUF files by llama.cpp's rules, as the `rope_scaling` of a configuration. */
import { log } from "../../base/elementary.ts";
import { CheckpointError } from "../files/error.ts";
import type { GgufFile } from "./file.ts";
import type { Metadata } from "./metadata.ts";

/** Tensors that are read here. */
export const ropeTensors: readonly string[] = [
  "rope_freqs.weight",
  "rope_factors_short.weight",
  "rope_factors_long.weight",
];

/**
 * `rope_theta`, `partial_rotary_factor` and `rope_scaling`. The kind is linear unless the file names another; a factor without a kind
 * counts, and `rope.scale_linear` is its name in files before November 2023. Divisors of the frequencies lie in tensors
 * (`rope_freqs`: Llama 3.1's stretch; `rope_factors_short` and `_long`) and come on top of a factor.
 *
 * @throws {CheckpointError} `config` naming the key, `shape` naming the tensor
 */
export async function ropeValues(
  file: GgufFile,
  metadata: Metadata,
  headDim: number,
  positions: number,
): Promise<Record<string, unknown>> {
  const rotated = metadata.integer("rope.dimension_count", headDim, headDim);
  if (rotated % 2 !== 0) metadata.fail("rope.dimension_count", "even");
  const theta = metadata.number("rope.freq_base", 1, 2 ** 53, 10000);
  const scaling = await scalingOf(file, metadata, rotated, positions);
  return {
    rope_theta: theta,
    // Families have shares of their own where a configuration does not say.
    partial_rotary_factor: rotated / headDim,
    ...(scaling && { rope_scaling: scaling }),
    // Where it goes before a family's default.
    ...(scaling && { original_max_position_embeddings: scaling["original_max_position_embeddings"] ?? null }),
  };
}

async function scalingOf(
  file: GgufFile,
  metadata: Metadata,
  rotated: number,
  positions: number,
): Promise<Record<string, unknown> | undefined> {
  const kind = metadata.value("rope.scaling.type") ?? "linear";
  if (kind !== "linear" && kind !== "yarn" && kind !== "none" && kind !== "longrope") {
    metadata.fail("rope.scaling.type", `"none", "linear", "yarn" or "longrope"`);
  }
  const old = metadata.number("rope.scale_linear", 0, 2 ** 20, 1);
  const stated = metadata.number("rope.scaling.factor", 0, 2 ** 20, old);
  // Zero says nothing; without a kind of scaling nothing is scaled.
  const factor = stated === 0 || kind === "none" ? 1 : stated;
  const magnitude = metadata.number("rope.scaling.attn_factor", 1e-6, 2 ** 20, 1);
  const original = metadata.number("rope.scaling.original_context_length", 1, 2 ** 53, positions);
  const short = await divisors(file, ["rope_factors_short.weight", "rope_freqs.weight"], rotated);
  const long = await divisors(file, ["rope_factors_long.weight", "rope_freqs.weight"], rotated);
  if (file.tensors.has(ropeTensors[0]) && file.tensors.has(ropeTensors[1])) {
    throw new CheckpointError(
      "tensor",
      `${file.path}: tensors "${ropeTensors[0]}" and "${ropeTensors[1]}": expected one`,
    );
  }
  if (kind === "yarn") {
    for (const name of ropeTensors) {
      if (file.tensors.has(name)) {
        metadata.fail("rope.scaling.type", `anything but yarn beside a tensor "${name}"`);
      }
    }
    return yarn(metadata, factor, magnitude, original);
  }
  if ((short === undefined) !== (long === undefined)) {
    throw new CheckpointError(
      "tensor",
      `${file.path}: no tensor "rope_factors_${
        short === undefined ? "short" : "long"
      }.weight" beside the other`,
    );
  }
  if (short === undefined && factor === 1 && magnitude === 1) return undefined;
  if (short === undefined && magnitude === 1) return { rope_type: "linear", factor };
  const times = (list: readonly number[] = Array(rotated / 2).fill(1)) => list.map((one) => one * factor);
  return {
    rope_type: "longrope",
    short_factor: times(short),
    long_factor: times(long),
    attention_factor: magnitude,
    original_max_position_embeddings: original,
  };
}

/** YaRN; its magnitude is `0.1 ln(factor) + 1`, times the file's own. */
function yarn(
  metadata: Metadata,
  factor: number,
  magnitude: number,
  original: number,
): Record<string, unknown> {
  const usual = factor <= 1 ? 1 : 0.1 * log(factor) + 1;
  // Converters copy another magnitude of the configuration to this key, which llama.cpp does not read.
  const copied = metadata.number("rope.scaling.yarn_attn_factor", 0, 2 ** 20, usual);
  if (Math.abs(copied - usual) > 1e-6 * usual) {
    metadata.fail("rope.scaling.yarn_attn_factor", `${usual}, as the factor ${factor} gives`);
  }
  return {
    rope_type: "yarn",
    factor,
    original_max_position_embeddings: original,
    beta_fast: metadata.number("rope.scaling.yarn_beta_fast", 1e-6, 2 ** 20, 32),
    beta_slow: metadata.number("rope.scaling.yarn_beta_slow", 1e-6, 2 ** 20, 1),
    attention_factor: usual * magnitude,
  };
}

/** The divisors of the first of these tensors that is there. */
async function divisors(
  file: GgufFile,
  names: readonly string[],
  rotated: number,
): Promise<number[] | undefined> {
  const name = names.find((one) => file.tensors.has(one));
  if (name === undefined) return undefined;
  const values = Array.from(await file.read(name));
  if (values.length !== rotated / 2) {
    throw new CheckpointError(
      "shape",
      `${file.path}: tensor "${name}" has ${values.length} values: expected ${rotated / 2}`,
    );
  }
  if (values.every((value) => value > 0 && Number.isFinite(value))) return values;
  throw new CheckpointError("nan", `${file.path}: tensor "${name}" must hold finite numbers over 0`);
}
