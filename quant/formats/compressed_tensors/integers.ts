/** Integers of compressed-tensors, read: packed in words (`pack-quantized`), or one a byte (`int-quantized`, `naive-quantized`). */
import type { Checkpoint } from "../../../model/checkpoint/checkpoint.ts";
import { CheckpointError } from "../../../model/files/error.ts";
import type { StoredWeight } from "../../../model/decoder/parameter.ts";
import { UniformWeight } from "../../weights/uniform.ts";
import { grouped } from "../grouped.ts";
import { floatsOf, integersOf, rawOf, refuse, requireShape } from "../source.ts";
import { type Layout, readColumns, readRows, wordsOf } from "../words.ts";
import type { WeightSettings } from "./settings.ts";

/** The endings of a module's tensors. */
export const integerEndings = [
  ...[".weight_packed", ".weight_scale", ".weight_zero_point", ".weight_shape", ".weight_g_idx"],
];

/**
 * A weight of integers. Codes and zero points are stored with half of their range added where they are packed, and as they are in bytes.
 *
 * @throws {CheckpointError} `shape`, `dtype` or `config` naming the tensor
 */
export async function readIntegers(
  checkpoint: Checkpoint,
  module: string,
  settings: WeightSettings,
): Promise<StoredWeight> {
  const { bits, strategy, symmetric } = settings, middle = 2 ** (bits - 1);
  const packed = checkpoint.has(`${module}.weight_packed`);
  const [out, inputs] = packed ? await shapeOf(checkpoint, module) : checkpoint.shape(`${module}.weight`);
  if (strategy !== "group" && strategy !== "channel" && strategy !== "tensor") {
    refuse(
      checkpoint,
      `${module}: integers by strategy "${strategy}": expected "group", "channel" or "tensor"`,
    );
  }
  const groupSize = settings.groupSize ?? inputs, groups = Math.ceil(inputs / groupSize);
  const shared = strategy === "tensor" ? [1] : [out, groups];
  const why = `${bits} bits by strategy "${strategy}" of [${out}, ${inputs}]`;
  requireShape(checkpoint, `${module}.weight_scale`, shared, why);
  const codes = packed
    ? await packedCodes(checkpoint, `${module}.weight_packed`, [out, inputs], bits)
    : await byteCodes(checkpoint, `${module}.weight`, bits);
  const scales = await floatsOf(checkpoint, `${module}.weight_scale`);
  const zeros = await zerosOf(checkpoint, module, settings, [out, groups], shared);
  if (symmetric && zeros.some((zero) => zero !== middle)) {
    refuse(checkpoint, `${module}: symmetric is true, but "${module}.weight_zero_point" is not 0`);
  }
  if (strategy === "tensor") {
    return new UniformWeight({ shape: [out, inputs], bits, groupSize: out * inputs, codes, scales, zeros });
  }
  const index = await groupIndex(checkpoint, module, inputs, groupSize, groups);
  return grouped([out, inputs], bits, codes, scales, zeros, index);
}

async function shapeOf(checkpoint: Checkpoint, module: string): Promise<[number, number]> {
  const { data } = await rawOf(checkpoint, `${module}.weight_shape`, ["I64", "I32"]);
  const [out, inputs] = Array.from(data, Number), sizes = [out, inputs];
  if (data.length !== 2 || sizes.some((size) => !Number.isSafeInteger(size) || size < 1 || size > 2 ** 24)) {
    throw new CheckpointError(
      "shape",
      `${checkpoint.directory}: tensor "${module}.weight_shape" is [${sizes}]: expected output and input features`,
    );
  }
  return [out, inputs];
}

/**
 * The layout of words, told by their number: since 0.10 or so codes of 3, 5, 6 and 7 bits are one stream, before that words held whole
 * codes.
 */
function layoutOf(checkpoint: Checkpoint, name: string, words: number, count: number, bits: number): Layout {
  const stream = wordsOf(count, bits, "stream"), fields = wordsOf(count, bits, "fields");
  if (words === stream && (words !== fields || 32 % bits === 0 || words === 1)) return "stream";
  if (words === fields && words !== stream) return "fields";
  const reason = words === stream
    ? "which two layouts of the format share"
    : `but ${count} codes of ${bits} bits take ${stream}, or ${fields} with whole codes in a word`;
  throw new CheckpointError(
    "shape",
    `${checkpoint.directory}: tensor "${name}" has ${words} words, ${reason}`,
  );
}

async function packedCodes(
  checkpoint: Checkpoint,
  name: string,
  [out, inputs]: readonly [number, number],
  bits: number,
): Promise<Uint8Array> {
  const [rows, words = 0] = checkpoint.shape(name);
  requireShape(checkpoint, name, [out, words], `an output of ${out} features`);
  const layout = layoutOf(checkpoint, name, words, inputs, bits);
  return readRows(await integersOf(checkpoint, name), rows, bits, inputs, layout);
}

/** Signed codes of a byte each, with half of their range added. */
async function byteCodes(checkpoint: Checkpoint, name: string, bits: number): Promise<Uint8Array> {
  const { data } = await rawOf(checkpoint, name, ["I8"]), middle = 2 ** (bits - 1);
  const codes = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const code = Number(data[i]) + middle;
    if (code < 0 || code >= 2 * middle) {
      refuse(
        checkpoint,
        `"${name}"[${i}] is ${data[i]}: expected ${-middle} to ${middle - 1}, as num_bits is ${bits}`,
      );
    }
    codes[i] = code;
  }
  return codes;
}

/** Zero points `[out, groups]`: packed along the outputs, or of a byte each. */
async function zerosOf(
  checkpoint: Checkpoint,
  module: string,
  { bits, symmetric }: WeightSettings,
  [out, groups]: readonly [number, number],
  shared: readonly number[],
): Promise<Uint8Array> {
  const name = `${module}.weight_zero_point`;
  if (!checkpoint.has(name)) {
    if (!symmetric) refuse(checkpoint, `${module}: symmetric is false, but there is no tensor "${name}"`);
    return new Uint8Array(shared.reduce((a, b) => a * b)).fill(2 ** (bits - 1));
  }
  if (checkpoint.dtype(name) === "I8") {
    requireShape(checkpoint, name, shared, "a zero point for each scale");
    return await byteCodes(checkpoint, name, bits);
  }
  const [words = 0] = checkpoint.shape(name);
  requireShape(checkpoint, name, [words, groups], `${groups} groups`);
  const layout = layoutOf(checkpoint, name, words, out, bits);
  const perGroup = readColumns(await integersOf(checkpoint, name), groups, bits, out, layout);
  return Uint8Array.from(perGroup, (_, i) => perGroup[i % groups * out + Math.floor(i / groups)]);
}

/** The group of each input. -1 everywhere is how the library says that there is no index. */
async function groupIndex(
  checkpoint: Checkpoint,
  module: string,
  inputs: number,
  groupSize: number,
  groups: number,
): Promise<Int32Array> {
  const name = `${module}.weight_g_idx`;
  const inOrder = () => Int32Array.from({ length: inputs }, (_, column) => Math.floor(column / groupSize));
  if (!checkpoint.has(name)) return inOrder();
  requireShape(checkpoint, name, [inputs], `${inputs} inputs`);
  const index = await integersOf(checkpoint, name);
  if (index.every((group) => group === -1)) return inOrder();
  const wrong = index.findIndex((group) => group < 0 || group >= groups);
  if (wrong >= 0) refuse(checkpoint, `"${name}"[${wrong}] is ${index[wrong]}: expected 0 to ${groups - 1}`);
  return index;
}
