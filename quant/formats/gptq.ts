/**
 * Safetensors as AutoGPTQ and GPTQModel write and vLLM reads them: for each layer `qweight` (codes along the inputs, in words), `qzeros`
 * (along the outputs), `scales` and `g_idx`, which names the group of each input.
 */
import { isJsonObject, type JsonObject } from "../../base/json.ts";
import { show } from "../../base/show.ts";
import type { Checkpoint } from "../../model/checkpoint/checkpoint.ts";
import { ModelConfig } from "../../model/checkpoint/config.ts";
import { CheckpointError } from "../../model/files/error.ts";
import type { RawTensor } from "../../model/safetensors.ts";
import { requireHalfScales } from "./half.ts";
import { commonShape, ordered, packWords, type QuantizedLayer, transposed } from "./tensors.ts";
import { SchemeError } from "../error.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { grouped } from "./grouped.ts";
import { marlinModules } from "./marlin.ts";
import {
  fieldNotices,
  floatsOf,
  type Found,
  integersOf,
  modulesWith,
  present,
  type QuantizedModule,
  refuse,
  requireShape,
} from "./source.ts";
import { hasPlanes, type Layout, readColumns, readRows, wordsOf } from "./words.ts";

/**
 * Tensors of the quantized layers, and the `quantization_config` that says how to read them. Linear layers that stay `dense` are left out by
 * name under `dynamic`, GPTQModel's settings per module: "-:" and a pattern.
 */
export function gptqTensors(
  quantized: readonly QuantizedLayer[],
  dense: readonly string[],
): { tensors: Map<string, RawTensor>; config: JsonObject } {
  const { bits, groupSize } = commonShape(quantized, "gptq");
  if (![2, 4, 8].includes(bits)) throw new SchemeError("shape", `gptq: ${bits} bits: expected 2, 4 or 8`);
  // The first version of the format stores zero points less one and cannot say 0.
  const offset = quantized.some(({ weight }) => weight.zeros().includes(0)) ? 0 : 1;
  const tensors = new Map<string, RawTensor>();
  for (const { name, weight } of quantized) {
    requireHalfScales("gptq", name, weight);
    const [out, inputs] = weight.shape;
    const { codes, groups, scales, zeros, groupOfColumn } = ordered(weight);
    const perWord = 32 / bits;
    if (inputs % perWord !== 0 || out % perWord !== 0) {
      throw new SchemeError(
        "shape",
        `gptq: ${name} is [${out}, ${inputs}]: expected multiples of ${perWord}`,
      );
    }
    tensors.set(`${name}.qweight`, {
      dtype: "I32",
      shape: [inputs / perWord, out],
      data: packWords(transposed(codes, out, inputs), inputs, out, bits),
    });
    // Zero points are packed along the outputs: words of one group lie side by side.
    const perOutput = packWords(zeros.map((zero) => zero - offset), out, groups, bits);
    tensors.set(`${name}.qzeros`, {
      dtype: "I32",
      shape: [groups, out / perWord],
      data: Int32Array.from(
        perOutput,
        (_, i) => perOutput[i % (out / perWord) * groups + Math.floor(i / (out / perWord))],
      ),
    });
    const half = Float32Array.from(transposed(scales, out, groups));
    tensors.set(`${name}.scales`, { dtype: "F16", shape: [groups, out], data: half });
    tensors.set(`${name}.g_idx`, { dtype: "I32", shape: [inputs], data: groupOfColumn });
  }
  const middle = 2 ** (bits - 1);
  return {
    tensors,
    config: {
      quant_method: "gptq",
      bits,
      group_size: groupSize,
      desc_act: quantized.some(({ weight }) => weight.permutation !== null),
      sym: quantized.every(({ weight }) => weight.zeros().every((zero) => zero === middle)),
      checkpoint_format: offset === 1 ? "gptq" : "gptq_v2",
      lm_head: false,
      ...dense.length > 0 &&
        { dynamic: Object.fromEntries(dense.map((name) => [`-:^${name.replaceAll(".", "\\.")}$`, {}])) },
    },
  };
}

/** Fields of `quantization_config` and of `quantize_config.json`. */
const fields = {
  used: [
    ...["bits", "group_size", "desc_act", "sym", "checkpoint_format", "format", "method", "quant_method"],
    ...["lm_head", "dynamic", "is_marlin_format"],
  ],
  // How it was quantized, and how others run it.
  harmless: [
    ...["act_group_aware", "backend", "batch_size", "block_name_to_quantize", "cache_block_outputs"],
    ...["damp_auto_increment", "damp_percent", "dataset", "exllama_config", "max_input_length", "meta"],
    ...["model_file_base_name", "model_name_or_path", "model_seqlen", "modules_in_block_to_quantize"],
    ...["module_name_preceding_first_block", "mse", "pad_token_id", "static_groups", "tokenizer"],
    ...["true_sequential", "use_cuda_fp16", "use_exllama", "disable_exllama", "version", "hyb_act"],
  ],
  refused: { pack_dtype: ["int32"], rotation: [], adapter: [] },
};

/** Settings of one module. */
interface Settings {
  readonly bits: number;
  readonly groupSize: number;
  readonly symmetric: boolean;
}

/**
 * The quantized layers of a GPTQ file. Version 1 stores zero points less one, version 2 as they are, `gptq_p` codes in planes;
 * `marlin` has an order of its own, and before AutoGPTQ 0.8 said so by `is_marlin_format`.
 *
 * @throws {CheckpointError} `config` naming what cannot be read, or where the settings contradict the tensors
 */
export function readGptq(checkpoint: Checkpoint, config: ModelConfig): Found {
  const notices = fieldNotices(config, fields);
  const named = ["checkpoint_format", "format"].filter((key) => config.has(key));
  const accepted = ["gptq", "gptq_v2", "gptq_p", "marlin"];
  const marlin = config.boolean("is_marlin_format", false);
  const [version = marlin ? "marlin" : "gptq", ...others] = named.map((key) =>
    config.string(key, { accepted })
  );
  if (others.some((other) => other !== version)) config.fail("format", `"${version}" as checkpoint_format`);
  if (marlin && version !== "marlin") config.fail("is_marlin_format", `false beside "${version}"`);
  if (version === "marlin") {
    return { modules: marlinModules(checkpoint, config), scheme: config.values, notices };
  }
  const modules = modulesWith(checkpoint, ".qweight").map((name): QuantizedModule => {
    const settings = settingsOf(config, name);
    const wanted = name === "lm_head" && !config.boolean("lm_head", false) && !dynamicRule(config, name);
    if (settings === null || wanted) {
      refuse(
        checkpoint,
        `tensor "${name}.qweight" contradicts ${config.source}, by which ${name} is not quantized`,
      );
    }
    const tensors = present(checkpoint, name, [".qweight", ".qzeros", ".scales", ".g_idx"]);
    const read = () => readModule(checkpoint, name, settings, version);
    return { name, format: `${version} ${settings.bits}`, tensors, read };
  });
  return { modules, scheme: config.values, notices };
}

/** The first rule under `dynamic` whose pattern begins a module's name, as in GPTQModel: null where it leaves the module alone. */
function dynamicRule(config: ModelConfig, name: string): ModelConfig | null | undefined {
  const dynamic = config.section("dynamic");
  for (const [pattern, value] of Object.entries(dynamic?.values ?? {})) {
    const [, sign, rest] = /^([+-]:)?(.*)$/s.exec(pattern) ?? [];
    let expression: RegExp;
    try {
      expression = new RegExp(`^(?:${rest})`);
    } catch {
      throw new CheckpointError(
        "config",
        `${config.source}: dynamic has ${show(pattern)}: expected a pattern`,
      );
    }
    if (!expression.test(name)) continue;
    if (sign === "-:") return null;
    if (!isJsonObject(value)) return dynamic?.fail(pattern, "an object");
    return new ModelConfig(`${config.source}: dynamic: ${pattern}`, value, config.values);
  }
  return undefined;
}

function settingsOf(config: ModelConfig, name: string): Settings | null {
  const rule = dynamicRule(config, name);
  if (rule === null) return null;
  const own = rule ?? config;
  const bits = own.integer("bits", { min: 2, max: 8 });
  const groupSize = own.number("group_size", { fallback: 128 });
  if (groupSize !== -1 && !(Number.isInteger(groupSize) && groupSize > 0)) {
    own.fail("group_size", "-1 or an integer from 1");
  }
  return { bits, groupSize, symmetric: own.boolean("sym", false) };
}

async function readModule(
  checkpoint: Checkpoint,
  name: string,
  { bits, groupSize, symmetric }: Settings,
  version: string,
): Promise<StoredWeight> {
  const layout: Layout = version === "gptq_p" && hasPlanes(bits) ? "planes" : "stream";
  if (version !== "gptq_p" && ![2, 3, 4, 8].includes(bits)) {
    refuse(
      checkpoint,
      `${name}: format "${version}" has ${bits} bits: expected 2, 3, 4 or 8, or format "gptq_p"`,
    );
  }
  const [words, out] = checkpoint.shape(`${name}.qweight`);
  const indexed = checkpoint.has(`${name}.g_idx`);
  const inputs = indexed ? checkpoint.shape(`${name}.g_idx`)[0] : words * 32 / bits;
  const why = `${bits} bits in groups of ${groupSize} of ${inputs} inputs`;
  const size = groupSize === -1 ? inputs : Math.min(groupSize, inputs), groups = Math.ceil(inputs / size);
  requireShape(checkpoint, `${name}.qweight`, [wordsOf(inputs, bits, layout), out], why);
  requireShape(checkpoint, `${name}.qzeros`, [groups, wordsOf(out, bits, layout)], why);
  requireShape(checkpoint, `${name}.scales`, [groups, out], why);
  const stored = await integersOf(checkpoint, `${name}.qzeros`);
  const zeros = readRows(version === "gptq" ? plusOne(stored, bits) : stored, groups, bits, out, layout);
  if (version === "gptq" && bits === 3) {
    for (const [i, zero] of zeros.entries()) {
      zeros[i] = (zero + 1) & 7;
    }
  }
  const middle = 2 ** (bits - 1), odd = symmetric ? zeros.find((zero) => zero !== middle) : undefined;
  if (odd !== undefined) {
    refuse(
      checkpoint,
      `sym is true and the format "${version}", but "${name}.qzeros" then has a zero point of ${odd}: expected ${middle}`,
    );
  }
  const codes = readColumns(await integersOf(checkpoint, `${name}.qweight`), out, bits, inputs, layout);
  const index = indexed
    ? await integersOf(checkpoint, `${name}.g_idx`)
    : Int32Array.from({ length: inputs }, (_, column) => Math.floor(column / size));
  const wrong = index.findIndex((group) => group < 0 || group >= groups);
  if (wrong >= 0) {
    refuse(checkpoint, `"${name}.g_idx"[${wrong}] is ${index[wrong]}: expected 0 to ${groups - 1}`);
  }
  const scales = transposed(await floatsOf(checkpoint, `${name}.scales`), groups, out);
  return grouped([out, inputs], bits, codes, scales, transposed(zeros, groups, out), index);
}

/**
 * Zero points with the one added that version 1 takes away: from whole words, so that a 0 borrows from its neighbour. (Of three bits
 * each wraps by itself.)
 */
function plusOne(words: Int32Array, bits: number): Int32Array {
  if (bits === 3) return words;
  const ones = { 2: 0x55555555, 4: 0x11111111, 8: 0x01010101 }[bits] ?? 0;
  return words.map((word) => (word + ones) | 0);
}
