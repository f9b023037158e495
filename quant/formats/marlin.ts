/**
 * The order in which MARLIN's CUDA kernel reads 4-bit weights, and QQQ's after it: tiles of 16 inputs by 16 outputs, four of
 * them permuted together so that each thread of a warp finds the weights of its tensor-core fragment in consecutive
 * words, and eight nibbles of a word in the order in which two masks take them out. And the checkpoints in it that AutoGPTQ and vLLM
 * read (`checkpoint_format: "marlin"`): `B` and `s` of every linear layer.
 */
import type { JsonObject } from "../../base/json.ts";
import type { Checkpoint } from "../../model/checkpoint/checkpoint.ts";
import type { ModelConfig } from "../../model/checkpoint/config.ts";
import type { RawTensor } from "../../model/safetensors.ts";
import { SchemeError } from "../error.ts";
import { UniformWeight } from "../weights/uniform.ts";
import { requireHalfScales } from "./half.ts";
import {
  floatsOf,
  integersOf,
  modulesWith,
  present,
  type QuantizedModule,
  refuse,
  requireShape,
} from "./source.ts";
import { commonShape, type QuantizedLayer } from "./tensors.ts";

/**
 * Whose nibbles: MARLIN's, offset by 8 (`"marlin"`), or those of QQQ, two's complement per row (`"channel"`) or offset by 8 in groups
 * (`"group"`).
 */
export type NibbleKind = "marlin" | "channel" | "group";

const interleaved = {
  marlin: [0, 2, 4, 6, 1, 3, 5, 7],
  channel: [4, 0, 5, 1, 6, 2, 7, 3],
  group: [0, 2, 4, 6, 1, 3, 5, 7],
} as const;

/** Inputs of a fragment: the rows of a tile that a lane holds, of float16 (m16n8k16) or of int8 fragments. */
const inputsOf = {
  marlin: (lane: number) => [0, 1, 8, 9].map((r) => 2 * (lane % 4) + r),
  channel: (lane: number) => [0, 1, 2, 3].map((r) => 4 * (lane % 4) + r),
  group: (lane: number) => [0, 1, 2, 3].map((r) => 4 * (lane % 4) + r),
} as const;

/** Where each of 1024 weights (four tiles) comes from. */
export function tilePermutation(kind: NibbleKind): Int32Array {
  const permutation: number[] = [];
  for (let lane = 0; lane < 32; lane++) {
    const fragment = [0, 1].flatMap((block) =>
      inputsOf[kind](lane).map((input) => 16 * input + Math.floor(lane / 4) + 8 * block)
    );
    for (let tile = 0; tile < 4; tile++) {
      permutation.push(...interleaved[kind].map((i) => fragment[i] + 256 * tile));
    }
  }
  return Int32Array.from(permutation);
}

const shapes = [[64, 256], [128, 128], [128, 64], [64, 128]];

function requireTiles(out: number, inputs: number): void {
  if (shapes.some(([a, b]) => inputs % a === 0 && out % b === 0)) return;
  throw new SchemeError(
    "shape",
    `a weight of ${out} x ${inputs} has no kernel layout: expected 64 x 128 tiles`,
  );
}

/** Index of the code `[out, in]` that stands at each place before the permutation of tiles. */
function* tiles(out: number, inputs: number): Generator<number> {
  for (let k = 0; k < inputs; k += 16) {
    for (let n = 0; n < out; n += 16) {
      for (let row = 0; row < 16; row++) {
        for (let column = 0; column < 16; column++) yield (n + column) * inputs + k + row;
      }
    }
  }
}

/**
 * Signed codes `[out, in]` as words `[in / 16, 2 * out]`.
 *
 * @throws {SchemeError} `shape` unless both sizes are multiples of 64 and one of them is a multiple of 128, or outputs
 * of 256
 */
export function packNibbles(codes: Int8Array, out: number, inputs: number, kind: NibbleKind): Uint32Array {
  requireTiles(out, inputs);
  const tiled = Uint8Array.from(tiles(out, inputs), (i) => kind === "channel" ? codes[i] & 15 : codes[i] + 8);
  const permutation = tilePermutation(kind), words = new Uint32Array(tiled.length / 8);
  for (let i = 0; i < tiled.length; i++) {
    const nibble = tiled[i - i % 1024 + permutation[i % 1024]];
    words[i >> 3] |= nibble << (4 * (i & 7));
  }
  return words;
}

/**
 * Signed codes `[out, in]` of words `[in / 16, 2 * out]`: the inverse of {@linkcode packNibbles}.
 *
 * @throws {SchemeError} `shape` for sizes that have no tiles, and if the words do not hold as many codes
 */
export function unpackNibbles(words: Uint32Array, out: number, inputs: number, kind: NibbleKind): Int8Array {
  requireTiles(out, inputs);
  if (8 * words.length !== out * inputs) {
    throw new SchemeError(
      "shape",
      `${words.length} words: expected ${out * inputs / 8} for ${out} x ${inputs} codes`,
    );
  }
  const permutation = tilePermutation(kind),
    tiled = new Int8Array(out * inputs),
    codes = new Int8Array(out * inputs);
  for (let i = 0; i < tiled.length; i++) {
    const nibble = words[i >> 3] >>> (4 * (i & 7)) & 15;
    tiled[i - i % 1024 + permutation[i % 1024]] = kind === "channel" ? nibble << 28 >> 28 : nibble - 8;
  }
  let place = 0;
  for (const i of tiles(out, inputs)) codes[i] = tiled[place++];
  return codes;
}

/** A weight as MARLIN stores it: `B` and `s` of its `Layer`. */
export interface MarlinTensors {
  /** Output and input features. */
  readonly shape: readonly [out: number, inputs: number];
  /** Words of eight codes, `[in / 16, 2 * out]`. */
  readonly words: Uint32Array;
  /** Float16 scales in the kernel's order, `[in / groupSize, out]`. */
  readonly scales: Float16Array;
}

/** Where each of a run of scales comes from: 64 of groups, 32 of whole rows. */
export function scalePermutation(groups: boolean): number[] {
  const [eight, four] = [Array.from({ length: 8 }, (_, i) => i), [0, 1, 2, 3]];
  return groups
    ? eight.flatMap((i) => eight.map((j) => i + 8 * j))
    : four.flatMap((i) => [0, 1, 8, 9, 16, 17, 24, 25].map((j) => 2 * i + j));
}

/** As in the original, a single group of 128 counts as a whole row. */
function orderOfScales(groupSize: number, inputs: number): number[] {
  return scalePermutation(groupSize !== inputs);
}

/** The sizes that the original's `Layer` accepts. */
function fitsMarlin(out: number, inputs: number): boolean {
  return inputs % 128 === 0 && out % 256 === 0 && out * inputs > 0;
}

function requireMarlin(out: number, inputs: number): void {
  if (fitsMarlin(out, inputs)) return;
  throw new SchemeError("shape", `marlin: a weight of ${out} x ${inputs}: expected multiples of 256 x 128`);
}

/**
 * A weight of symmetric 4-bit codes with the zero at 8, per row or in groups of 128, as MARLIN's kernel reads it. Codes stay as they are.
 *
 * @throws {SchemeError} `shape` for other sizes or groups, `method` for other codes, `values` for a scale that float16 cannot hold exactly
 * to its 11 bits
 */
export function packMarlin(weight: UniformWeight): MarlinTensors {
  const { shape: [out, inputs], groupSize, bits, permutation } = weight;
  requireMarlin(out, inputs);
  if (groupSize !== 128 && groupSize !== inputs) {
    throw new SchemeError(
      "shape",
      `marlin: groupSize is ${groupSize}: expected 128 or whole rows of ${inputs}`,
    );
  }
  if (bits !== 4 || permutation !== null || weight.zeros().some((zero) => zero !== 8)) {
    throw new SchemeError(
      "method",
      "marlin: expected 4-bit codes with the zero at 8, in the weight's own order of columns",
    );
  }
  const codes = Int8Array.from(weight.codes(), (code) => code - 8), groups = inputs / groupSize;
  const order = orderOfScales(groupSize, inputs), scales = new Float16Array(groups * out);
  for (let i = 0; i < scales.length; i++) {
    const from = i - i % order.length + order[i % order.length];
    const scale = weight.scales[from % out * groups + Math.floor(from / out)];
    scales[i] = scale;
    if (!Number.isFinite(scales[i]) || Math.abs(scale) < 2 ** -14) {
      throw new SchemeError("values", `marlin: the scale ${scale} of row ${from % out} is beyond float16`);
    }
  }
  return { shape: [out, inputs], words: packNibbles(codes, out, inputs, "marlin"), scales };
}

/**
 * Reads what {@linkcode packMarlin}, or the original's `Layer.pack`, wrote.
 *
 * @throws {SchemeError} `shape` if words and scales do not fit the sizes
 */
export function readMarlin({ shape: [out, inputs], words, scales }: MarlinTensors): UniformWeight {
  requireMarlin(out, inputs);
  const groups = scales.length / out, groupSize = inputs / groups;
  if (groups !== 1 && groupSize !== 128) {
    throw new SchemeError(
      "shape",
      `marlin: ${scales.length} scales: expected ${out}, or ${out * inputs / 128} in groups of 128`,
    );
  }
  const signed = unpackNibbles(words, out, inputs, "marlin"), order = orderOfScales(groupSize, inputs);
  const own = new Float32Array(scales.length);
  for (let i = 0; i < scales.length; i++) {
    const from = i - i % order.length + order[i % order.length];
    own[from % out * groups + Math.floor(from / out)] = scales[i];
  }
  const codes = Uint8Array.from(signed, (code) => code + 8);
  return new UniformWeight({ shape: [out, inputs], bits: 4, groupSize, codes, scales: own, zeros: 8 });
}

/**
 * Tensors of a checkpoint in MARLIN's order, and the `quantization_config` by which AutoGPTQ and vLLM know it. The format has no list of
 * layers that stay floats.
 *
 * @throws {SchemeError} `method`, `shape` or `values`, naming the layer that the format cannot hold
 */
export function marlinTensors(
  quantized: readonly QuantizedLayer[],
  dense: readonly string[],
): { tensors: Map<string, RawTensor>; config: JsonObject } {
  if (dense.length > 0) {
    throw new SchemeError(
      "method",
      `marlin: ${dense[0]} is not quantized: expected codes in all linear layers`,
    );
  }
  const { groupSize } = commonShape(quantized, "marlin"), tensors = new Map<string, RawTensor>();
  for (const { name, weight } of quantized) {
    requireHalfScales("marlin", name, weight);
    const { shape: [out, inputs], words, scales } = packed(name, weight);
    const signed = Int32Array.from(words, (word) => word | 0);
    tensors.set(`${name}.B`, { dtype: "I32", shape: [inputs / 16, 2 * out], data: signed });
    const data = Float32Array.from(scales);
    tensors.set(`${name}.s`, { dtype: "F16", shape: [scales.length / out, out], data });
  }
  return {
    tensors,
    config: {
      ...{ quant_method: "gptq", bits: 4, group_size: groupSize, desc_act: false, sym: true, lm_head: false },
      ...{ checkpoint_format: "marlin", is_marlin_format: true },
    },
  };
}

function packed(name: string, weight: UniformWeight): MarlinTensors {
  try {
    return packMarlin(weight);
  } catch (error) {
    if (!(error instanceof SchemeError)) throw error;
    throw new SchemeError(error.code, `${name}: ${error.message}`, { cause: error });
  }
}

/**
 * The quantized layers of a checkpoint in MARLIN's order.
 *
 * @throws {CheckpointError} `config` where the settings say what the order cannot hold, `shape` where they contradict the tensors
 */
export function marlinModules(checkpoint: Checkpoint, config: ModelConfig): QuantizedModule[] {
  config.integer("bits", { min: 4, max: 4 });
  const groupSize = config.number("group_size", { fallback: -1 });
  if (groupSize !== -1 && groupSize !== 128) config.fail("group_size", "-1 or 128 in MARLIN's order");
  if (config.boolean("desc_act", false)) config.fail("desc_act", "false in MARLIN's order");
  if (!config.boolean("sym", true)) config.fail("sym", "true in MARLIN's order");
  return modulesWith(checkpoint, ".B").map((name) => {
    if (name === "lm_head" && !config.boolean("lm_head", false)) {
      refuse(
        checkpoint,
        `tensor "lm_head.B" contradicts ${config.source}, by which lm_head is not quantized`,
      );
    }
    return {
      name,
      format: "marlin 4",
      tensors: present(checkpoint, name, [".B", ".s", ".workspace"]),
      read: () => marlinModule(checkpoint, name, groupSize),
    };
  });
}

async function marlinModule(checkpoint: Checkpoint, name: string, groupSize: number): Promise<UniformWeight> {
  const [rows, columns] = checkpoint.shape(`${name}.B`), out = columns / 2, inputs = 16 * rows;
  if (!fitsMarlin(out, inputs)) {
    refuse(checkpoint, `"${name}.B" is [${rows}, ${columns}]: expected multiples of 8 x 512`);
  }
  const groups = groupSize === -1 ? 1 : inputs / groupSize;
  requireShape(checkpoint, `${name}.s`, [groups, out], `group_size ${groupSize} of ${inputs} inputs`);
  const words = Uint32Array.from(await integersOf(checkpoint, `${name}.B`), (word) => word >>> 0);
  const scales = new Float16Array(await floatsOf(checkpoint, `${name}.s`));
  return readMarlin({ shape: [out, inputs], words, scales });
}
