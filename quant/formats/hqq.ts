/**
 * Safetensors as HQQ writes them, read: beside the codes `W_q` of each layer lie its scales, real zero points and settings, each a tensor.
 * Rows of the matrix of groups that lie a part of all rows apart share a word, the first part in its high bits.
 */
import { decodeUtf8 } from "../../base/json.ts";
import { show } from "../../base/show.ts";
import type { Checkpoint } from "../../model/checkpoint/checkpoint.ts";
import type { ModelConfig } from "../../model/checkpoint/config.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { RealZeroWeight } from "../weights/real_zero.ts";
import {
  bytesOf,
  fieldNotices,
  floatsOf,
  type Found,
  modulesWith,
  rawOf,
  refuse,
  requireShape,
} from "./source.ts";

/** Of `quantization_config`, which transformers writes and HQQ's own files do not have: the tensors say all of it. */
const fields = { used: ["quant_method"], harmless: ["quant_config", "skip_modules"] };

/** Bits of a code and codes of a word. */
const packings: Readonly<Record<string, { readonly bits: number; readonly perWord: number }>> = {
  "8bit_u8": { bits: 8, perWord: 1 },
  "4bit_u8": { bits: 4, perWord: 2 },
  "3bit_32": { bits: 3, perWord: 10 },
  "2bit_u8": { bits: 2, perWord: 4 },
  "1bit_u8": { bits: 1, perWord: 8 },
};

/** Endings of a layer's tensors that are read, and of those that say how it was made. */
const endings = [
  ...["W_q", "scale", "zero", "shape", "nbits", "group_size", "axis", "packing"],
  ...["quant_scale", "quant_zero", "view_as_float", "channel_wise"],
  ...["compute_dtype", "encoded_state_dict", "offload_meta", "optimize", "round_zero", "stores_quant_config"],
  "unpack_view_dtype",
].map((name) => `.${name}`);

/**
 * The quantized layers of a file of HQQ.
 *
 * @throws {CheckpointError} `config`, `shape` or `dtype` naming the tensor
 */
export function readHqq(checkpoint: Checkpoint, config: ModelConfig): Found {
  const notices = fieldNotices(config, fields);
  const modules = modulesWith(checkpoint, ".W_q").map((name) => ({
    name,
    format: "hqq",
    tensors: endings.map((ending) => name + ending).filter((one) => checkpoint.has(one)),
    read: () => readModule(checkpoint, name),
  }));
  return { modules, scheme: { ...config.values, quant_method: "hqq" }, notices };
}

/** The codes `[rows, columns]` of words that hold as many of them as HQQ puts into one: the first rows in their high bits. */
export function unpackHqq(
  packed: ArrayLike<number>,
  rows: number,
  columns: number,
  bits: number,
): Uint8Array {
  const perWord = bits === 3 ? 10 : 8 / bits, words = Math.ceil(rows / perWord), mask = 2 ** bits - 1;
  return Uint8Array.from({ length: rows * columns }, (_, i) => {
    const row = Math.floor(i / columns), part = Math.floor(row / words);
    return (packed[(row % words) * columns + i % columns] >> (bits * (perWord - 1 - part))) & mask;
  });
}

async function readModule(checkpoint: Checkpoint, module: string): Promise<StoredWeight> {
  const number = async (name: string, fallback?: number) => {
    const tensor = `${module}.${name}`;
    if (!checkpoint.has(tensor) && fallback !== undefined) return fallback;
    return Number((await rawOf(checkpoint, tensor, ["I32", "I64", "U8", "BOOL"])).data[0]);
  };
  for (
    const [name, only] of [["quant_scale", 0], ["quant_zero", 0], ["view_as_float", 0], [
      "channel_wise",
      1,
    ]] as const
  ) {
    const value = await number(name, only);
    if (value !== only) {
      refuse(checkpoint, `"${module}.${name}" is ${value}: expected ${only}, other values are not read`);
    }
  }
  const { data: sizes } = await rawOf(checkpoint, `${module}.shape`, ["I64", "I32"]);
  const [out = 0, inputs = 0] = Array.from(sizes as BigInt64Array, Number), count = out * inputs;
  const axis = await number("axis"), groupSize = await number("group_size", axis === 1 ? inputs : out);
  const packing = decodeUtf8(bytesOf((await rawOf(checkpoint, `${module}.packing`, ["U8"])).data).slice());
  if (!Object.hasOwn(packings, packing) || packings[packing].bits !== await number("nbits")) {
    const known = Object.keys(packings).join(", ");
    refuse(checkpoint, `"${module}.packing" is ${show(packing)}: expected one of ${known}, as nbits says`);
  }
  if (axis !== 0 && axis !== 1) refuse(checkpoint, `"${module}.axis" is ${axis}: expected 0 or 1`);
  if (!(groupSize > 0) || count % groupSize !== 0) {
    refuse(checkpoint, `"${module}.group_size" is ${groupSize}: expected a divisor of ${count} weights`);
  }
  const { bits, perWord } = packings[packing], groups = count / groupSize;
  const [rows, columns] = axis === 1 ? [groups, groupSize] : [groupSize, groups];
  const words = Math.ceil(rows / perWord),
    why = `${bits} bits in groups of ${groupSize} of [${out}, ${inputs}]`;
  requireShape(checkpoint, `${module}.W_q`, [words, columns], why);
  for (const name of ["scale", "zero"]) {
    requireShape(checkpoint, `${module}.${name}`, axis === 1 ? [groups, 1] : [1, groups], why);
  }
  const { data } = await rawOf(checkpoint, `${module}.W_q`, packing === "3bit_32" ? ["I32"] : ["U8"]);
  const codes = unpackHqq(data as ArrayLike<number>, rows, columns, bits);
  return new RealZeroWeight({
    shape: [out, inputs],
    bits,
    groupSize,
    axis,
    codes,
    scales: await floatsOf(checkpoint, `${module}.scale`),
    zeros: await floatsOf(checkpoint, `${module}.zero`),
    precision: checkpoint.dtype(`${module}.scale`) === "F32" ? "float32" : "float16",
  });
}
