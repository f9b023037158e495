/**
 * Safetensors as AutoAWQ writes them (`gemm`), read: for each layer `qweight` and `qzeros`, words of eight outputs in an order of their
 * own, and `scales`, each `[inputs or groups, outputs]`.
 */
import type { Checkpoint } from "../../model/checkpoint/checkpoint.ts";
import type { ModelConfig } from "../../model/checkpoint/config.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { UniformWeight } from "../weights/uniform.ts";
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
import { transposed } from "./tensors.ts";

const fields = {
  used: ["bits", "group_size", "quant_method", "version", "format", "modules_to_not_convert", "zero_point"],
  // How others run it, and names that AutoAWQ's own file gives the same settings.
  harmless: ["backend", "do_fuse", "exllama_config", "fuse_max_seq_len", "modules_to_fuse", "meta"],
  refused: { pack_dtype: ["int32"] },
};

/** The output that nibble `k` of a word belongs to, lowest first. */
const order = [0, 2, 4, 6, 1, 3, 5, 7];

/**
 * The quantized layers of an AWQ file.
 *
 * @throws {CheckpointError} `config` naming the version or setting that cannot be read
 */
export function readAwq(checkpoint: Checkpoint, config: ModelConfig): Found {
  const notices = fieldNotices(config, fields);
  const version = config.has("format") ? "format" : "version";
  const name = config.string(version, { fallback: "gemm" }).toLowerCase();
  if (name !== "gemm") config.fail(version, '"gemm", the only layout of AWQ that is read here');
  if (config.integer("bits", { fallback: 4 }) !== 4) config.fail("bits", "4, the only width of the format");
  if (!config.boolean("zero_point", true)) config.fail("zero_point", "true");
  const size = config.number("group_size", { fallback: 128 });
  if (size !== -1 && !(Number.isInteger(size) && size > 0)) {
    config.fail("group_size", "-1 or an integer from 1");
  }
  const skipped = (config.list("modules_to_not_convert") ?? []).map(String);
  const modules = modulesWith(checkpoint, ".qweight").map((name): QuantizedModule => {
    if (skipped.some((one) => name.includes(one))) {
      refuse(checkpoint, `tensor "${name}.qweight" contradicts ${config.source}: modules_to_not_convert`);
    }
    const tensors = present(checkpoint, name, [".qweight", ".qzeros", ".scales"]);
    return { name, format: "awq 4", tensors, read: () => readModule(checkpoint, name, size) };
  });
  return { modules, scheme: config.values, notices };
}

async function readModule(checkpoint: Checkpoint, name: string, size: number): Promise<StoredWeight> {
  const [inputs, words] = checkpoint.shape(`${name}.qweight`), out = words * 8;
  const groupSize = size === -1 ? inputs : size, groups = Math.ceil(inputs / groupSize);
  const why = `4 bits in groups of ${groupSize} of ${inputs} inputs`;
  requireShape(checkpoint, `${name}.qzeros`, [groups, words], why);
  requireShape(checkpoint, `${name}.scales`, [groups, out], why);
  if (inputs % groupSize !== 0) {
    refuse(checkpoint, `${name}: group_size ${groupSize} does not divide its ${inputs} inputs`);
  }
  const codes = nibbles(await integersOf(checkpoint, `${name}.qweight`));
  const zeros = nibbles(await integersOf(checkpoint, `${name}.qzeros`));
  const scales = await floatsOf(checkpoint, `${name}.scales`);
  return new UniformWeight({
    shape: [out, inputs],
    bits: 4,
    groupSize,
    codes: transposed(codes, inputs, out),
    scales: transposed(scales, groups, out),
    zeros: transposed(zeros, groups, out),
  });
}

/** The eight codes of each word, in the order of outputs. */
function nibbles(words: Int32Array): Uint8Array {
  const codes = new Uint8Array(words.length * 8);
  for (const [i, word] of words.entries()) {
    for (const [k, output] of order.entries()) codes[8 * i + output] = (word >>> (4 * k)) & 15;
  }
  return codes;
}
