/**
 * Safetensors as the compressed-tensors library and vLLM read them. Integers (`pack-quantized`): for each layer `weight_packed`, codes
 * of 32 / bits inputs in a word, `weight_scale`, `weight_shape`, and `weight_zero_point` where it is not the middle. Floats:
 * `compressed_tensors/floats.ts`.
 */
import { type JsonObject, own } from "../../base/json.ts";
import type { RawTensor } from "../../model/safetensors.ts";
import { requireHalfScales } from "./half.ts";
import { commonShape, ordered, packWords, type QuantizedLayer, transposed } from "./tensors.ts";
import { SchemeError } from "../error.ts";
import type { Checkpoint } from "../../model/checkpoint/checkpoint.ts";
import type { ModelConfig } from "../../model/checkpoint/config.ts";
import {
  floatEndings,
  type FloatLayer,
  floatLayouts,
  floatTensors,
  readFloats,
} from "./compressed_tensors/floats.ts";
import { integerEndings, readIntegers } from "./compressed_tensors/integers.ts";
import { marlin24Endings, readMarlin24 } from "./compressed_tensors/marlin24.ts";
import { readRuntime } from "./compressed_tensors/runtime.ts";
import { type Group, type Settings, settingsOf } from "./compressed_tensors/settings.ts";
import { readSparse, sparseEndings, sparseFormats } from "./compressed_tensors/sparse.ts";
import { type Found, isFloatMatrix, modulesWith, present, type QuantizedModule, refuse } from "./source.ts";

/**
 * Tensors of the quantized layers, all of integers or all of floats, and the `quantization_config` that says how to read them and which
 * linear layers stay `dense`.
 *
 * @throws {SchemeError} `shape` or `combination` where the library cannot say what they are
 */
export function compressedTensors(
  quantized: readonly QuantizedLayer[],
  floats: readonly FloatLayer[],
  dense: readonly string[],
): { tensors: Map<string, RawTensor>; config: JsonObject } {
  if (floats.length > 0) {
    if (quantized.length > 0) {
      const [{ name }] = quantized, [other] = floats;
      throw new SchemeError(
        "combination",
        `compressed-tensors: ${name} has integers, ${other.name} floats: expected one of both`,
      );
    }
    const { tensors, format, weights } = floatTensors(floats);
    return {
      tensors,
      config: configOf(format, dense, { type: "float", symmetric: true, dynamic: false, ...weights }),
    };
  }
  const { bits, groupSize } = commonShape(quantized, "compressed-tensors");
  if (bits !== 4 && bits !== 8) {
    throw new SchemeError("shape", `compressed-tensors: ${bits} bits: expected 4 or 8`);
  }
  const middle = 2 ** (bits - 1), perWord = 32 / bits;
  const symmetric = quantized.every(({ weight }) => weight.zeros().every((zero) => zero === middle));
  const reordered = quantized.find(({ weight }) => weight.permutation !== null);
  if (reordered !== undefined) {
    throw new SchemeError(
      "combination",
      `compressed-tensors: the groups of ${reordered.name} are no neighbours (actOrder), which the library reads no longer: ` +
        `expected groups in order, or format "gptq"`,
    );
  }
  const tensors = new Map<string, RawTensor>();
  for (const { name, weight } of quantized) {
    requireHalfScales("compressed-tensors", name, weight);
    const [out, inputs] = weight.shape;
    const { codes, groups, scales, zeros } = ordered(weight);
    const words = Math.ceil(inputs / perWord);
    // The format's codes are signed and packed with half their range added, which gives ours.
    const packed = packWords(transposed(codes, out, inputs), inputs, out, bits);
    tensors.set(`${name}.weight_packed`, {
      dtype: "I32",
      shape: [out, words],
      data: Int32Array.from(packed, (_, i) => packed[i % words * out + Math.floor(i / words)]),
    });
    tensors.set(`${name}.weight_scale`, {
      dtype: "F16",
      shape: [out, groups],
      data: Float32Array.from(scales),
    });
    tensors.set(`${name}.weight_shape`, {
      dtype: "I64",
      shape: [2],
      data: BigInt64Array.of(BigInt(out), BigInt(inputs)),
    });
    if (!symmetric) {
      const data = packWords(zeros, out, groups, bits);
      tensors.set(`${name}.weight_zero_point`, { dtype: "I32", shape: [data.length / groups, groups], data });
    }
  }
  const weights = {
    num_bits: bits,
    type: "int",
    symmetric,
    strategy: groupSize === -1 ? "channel" : "group",
    group_size: groupSize === -1 ? null : groupSize,
    actorder: null,
    dynamic: false,
  };
  return { tensors, config: configOf("pack-quantized", dense, weights) };
}

function configOf(format: string, dense: readonly string[], weights: JsonObject): JsonObject {
  return {
    quant_method: "compressed-tensors",
    format,
    quantization_status: "compressed",
    global_compression_ratio: null,
    kv_cache_scheme: null,
    ignore: ["lm_head", ...dense],
    config_groups: {
      group_0: { targets: ["Linear"], input_activations: null, output_activations: null, weights },
    },
  };
}

/** Layouts of integers that are read. */
const integerLayouts = ["pack-quantized", "int-quantized", "naive-quantized", "marlin-24"];

/**
 * The quantized layers of a file of compressed-tensors, of versions 0.9 to 0.20.
 *
 * @throws {CheckpointError} `config` naming the format or setting that cannot be read, or where it contradicts the tensors
 */
export async function readCompressedTensors(checkpoint: Checkpoint, config: ModelConfig): Promise<Found> {
  const settings = settingsOf(config), { sparsity, notices } = settings;
  const dense = [null, "dense", ...sparseFormats];
  if (!dense.includes(sparsity)) {
    refuse(
      checkpoint,
      `sparsity_config has format "${sparsity}", which is not read: expected ${sparseFormats.join(", ")}`,
    );
  }
  const sparse = modulesWith(checkpoint, ".bitmask").map((name): QuantizedModule => {
    if (sparsity === null || settings.groupOf(name)?.weights) {
      refuse(checkpoint, `${name} is sparse and quantized: expected one of both, and sparsity_config`);
    }
    const tensors = present(checkpoint, name, sparseEndings);
    return { name, format: sparsity, tensors, read: () => readSparse(checkpoint, name) };
  });
  const names = new Set(
    [".weight_packed", ".weight_scale"].flatMap((ending) => modulesWith(checkpoint, ending)),
  );
  const quantized = [...names].map((name) =>
    quantizedModule(checkpoint, config, name, settings.groupOf(name))
  );
  requireQuantized(checkpoint, settings);
  const { runtime, tensors: others } = await readRuntime(checkpoint, settings, [...names]);
  return { modules: [...quantized, ...sparse], scheme: config.values, others, notices, runtime };
}

function quantizedModule(
  checkpoint: Checkpoint,
  config: ModelConfig,
  name: string,
  group: Group | null,
): QuantizedModule {
  if (group?.weights === undefined || group.weights === null) {
    refuse(
      checkpoint,
      `tensor "${name}.weight_scale" contradicts ${config.source}, by which ${name} is not quantized`,
    );
  }
  const { format, weights } = group, isFloat = weights.type === "float";
  const known = isFloat ? floatLayouts : integerLayouts;
  if (!known.includes(format)) {
    refuse(
      checkpoint,
      `${name} has format "${format}" of ${isFloat ? "floats" : "integers"}, which is not read: expected ${
        known.join(", ")
      }`,
    );
  }
  if (format === "marlin-24") {
    return {
      name,
      format: `${format} ${weights.bits}`,
      tensors: present(checkpoint, name, marlin24Endings),
      read: () => readMarlin24(checkpoint, name, weights, own(config.values, "version")),
    };
  }
  const endings = [".weight", ...isFloat ? floatEndings : integerEndings];
  return {
    name,
    format: `${format} ${weights.bits}`,
    tensors: present(checkpoint, name, endings),
    read: () =>
      isFloat ? readFloats(checkpoint, name, format, weights) : readIntegers(checkpoint, name, weights),
  };
}

/** Layers that are meant by name, or are linear by all conventions, and hold floats: the settings are not the file's. */
function requireQuantized(checkpoint: Checkpoint, settings: Settings): void {
  for (const name of modulesWith(checkpoint, ".weight")) {
    if (!isFloatMatrix(checkpoint, `${name}.weight`)) continue;
    const isLayer = /\.\d+\..*(?:_proj|\.fc\d)$/.test(name), group = settings.groupOf(name, !isLayer);
    if (group === null || group.weights === null) continue;
    refuse(checkpoint, `${name} is to be quantized (${group.format}), but "${name}.weight" holds floats`);
  }
}
