/**
 * Matrices of GGUF files whose blocks have a kernel, as they are stored: an even grid around a middle with a scale for 32 weights, or codes
 * into a table. Values are those of `model/gguf/types`, to the bit; all other types are dequantized when a layer is loaded.
 */
import type { JsonObject } from "../../../base/json.ts";
import type { Checkpoint } from "../../../model/checkpoint/checkpoint.ts";
import type { StoredWeight } from "../../../model/checkpoint/stored.ts";
import { requireFinite } from "../../../model/checkpoint/weights.ts";
import { floatFormats, floatValues } from "../../grids/float.ts";
import { packBits } from "../../grids/bits.ts";
import { floatTypes } from "../../weights/sizes.ts";
import { TableWeight } from "../../weights/table.ts";
import { UniformWeight } from "../../weights/uniform.ts";
import { leftInFile } from "../source.ts";

type Shape = readonly [rows: number, columns: number];
type Read = (bytes: Uint8Array, shape: Shape) => UniformWeight | TableWeight;

const bits = new DataView(new ArrayBuffer(2));

/** The float16 that each block of `size` bytes begins with. */
function scalesOf(bytes: Uint8Array, size: number): Float32Array {
  return Float32Array.from({ length: bytes.length / size }, (_, i) => {
    bits.setUint16(0, bytes[i * size] | bytes[i * size + 1] << 8);
    return bits.getFloat16(0);
  });
}

/** Codes of 4 bits from byte `first` of each block on: of each `group` weights the first half in the low bits, the others in the high ones. */
function nibbles(bytes: Uint8Array, size: number, first: number, group = 32): Uint8Array {
  const perBlock = 2 * (size - first), half = group / 2;
  const codes = new Uint8Array(bytes.length / size * perBlock);
  for (let i = 0; i < codes.length; i++) {
    const within = i % perBlock, place = within % group;
    const byte = bytes[Math.floor(i / perBlock) * size + first + (within - place) / 2 + place % half];
    codes[i] = place < half ? byte & 15 : byte >> 4;
  }
  return codes;
}

const q4_0: Read = (bytes, shape) =>
  new UniformWeight({
    ...{ shape, bits: 4, groupSize: 32, zeros: 8 },
    codes: nibbles(bytes, 18, 2),
    scales: scalesOf(bytes, 18),
  });

const q5_0: Read = (bytes, shape) => {
  const low = new Uint8Array(bytes.length / 22 * 16);
  for (let block = 0; block * 22 < bytes.length; block++) {
    low.set(bytes.subarray(block * 22 + 6, block * 22 + 22), block * 16);
  }
  const codes = nibbles(low, 16, 0);
  for (let i = 0; i < codes.length; i++) {
    const byte = bytes[Math.floor(i / 32) * 22 + 2 + (i >> 3 & 3)];
    codes[i] |= (byte >> (i & 7) & 1) << 4;
  }
  return new UniformWeight({
    ...{ shape, bits: 5, groupSize: 32, zeros: 16 },
    codes,
    scales: scalesOf(bytes, 22),
  });
};

const q8_0: Read = (bytes, shape) => {
  const codes = new Uint8Array(bytes.length / 34 * 32);
  for (let i = 0; i < codes.length; i++) codes[i] = bytes[(i >> 5) * 34 + 2 + (i & 31)] ^ 128;
  return new UniformWeight({
    ...{ shape, bits: 8, groupSize: 32, zeros: 128 },
    codes,
    scales: scalesOf(bytes, 34),
  });
};

/** ggml's `kvalues_iq4nl`. */
const normal = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

const iq4Nl: Read = (bytes, shape) => {
  const scales = scalesOf(bytes, 18);
  return new TableWeight({
    ...{ shape, bits: 4, values: Float32Array.from(normal), block: [1, 32] },
    packed: packBits(nibbles(bytes, 18, 2), 4),
    scales,
    scaleBytes: 2 * scales.length,
  });
};

const e2m1 = floatValues(floatFormats.e2m1);

/** E2M1 codes; ggml does not tell -0 from 0. */
function tiny(codes: Uint8Array): Uint8Array {
  return packBits(codes.map((code) => code === 8 ? 0 : code), 4);
}

const mxfp4: Read = (bytes, shape) => {
  const scales = Uint8Array.from({ length: bytes.length / 17 }, (_, i) => bytes[17 * i]);
  // 2^128 is no float32, half of it and twice the codes are.
  const twice = scales.includes(255) ? 2 : 1;
  return new TableWeight({
    ...{ shape, bits: 4, values: e2m1.map((value) => value * twice), block: [1, 32] },
    packed: tiny(nibbles(bytes, 17, 1)),
    scales,
    scaleValues: Float32Array.from(
      { length: 256 },
      (_, e) => e === 255 && twice === 1 ? NaN : 2 ** (e - 127) / twice,
    ),
  });
};

const e4m3 = floatValues(floatFormats.e4m3);

const nvfp4: Read = (bytes, shape) =>
  new TableWeight({
    ...{ shape, bits: 4, values: e2m1, block: [1, 16] },
    packed: tiny(nibbles(bytes, 36, 4, 16)),
    scales: Uint8Array.from({ length: bytes.length / 9 }, (_, i) => bytes[36 * (i >> 2) + (i & 3)]),
    // Unsigned: the bit of the sign is not looked at, and what would be no number counts as 0.
    scaleValues: Float32Array.from({ length: 256 }, (_, byte) => byte === 127 ? 0 : e4m3[byte & 127]),
  });

/** By type. */
const readers: Readonly<Record<string, Read>> = {
  Q4_0: q4_0,
  Q5_0: q5_0,
  Q8_0: q8_0,
  IQ4_NL: iq4Nl,
  MXFP4: mxfp4,
  NVFP4: nvfp4,
};

/** The weight that blocks of a type are, or null where no kernel multiplies them. */
export function ggufWeight(
  type: string,
  bytes: Uint8Array,
  shape: Shape,
): UniformWeight | TableWeight | null {
  return Object.hasOwn(readers, type) ? readers[type](bytes, shape) : null;
}

/** How many tensors of the model have which type; undefined where all are floats. */
function schemeOf(checkpoint: Checkpoint): JsonObject | undefined {
  const tensors: Record<string, number> = {};
  for (const name of checkpoint.names().sort()) {
    const { format } = checkpoint.storage(name);
    tensors[format] = (tensors[format] ?? 0) + 1;
  }
  const isFloat = Object.keys(tensors).every((format) => floatTypes.includes(format));
  return isFloat ? undefined : { quant_method: "gguf", tensors };
}

/** A GGUF file's checkpoint that says of matrices what they are stored as, where there is a kernel for it; their codes stay in the file. */
export function withGgufBlocks(checkpoint: Checkpoint): Checkpoint {
  const known = new Map<string, StoredWeight | undefined>();
  const find = (name: string): StoredWeight | undefined => {
    const found = checkpoint.blocks?.(name), [rows, columns, ...others] = checkpoint.shape(name);
    if (found === undefined || others.length > 0 || !Object.hasOwn(readers, found.type)) return undefined;
    const read = async () => {
      const weight = readers[found.type](await found.read(), [rows, columns]);
      const { scales } = weight, where = `${checkpoint.directory}: the scales of "${name}"`;
      if (scales instanceof Float32Array) requireFinite(scales, where);
      return weight;
    };
    return leftInFile(name, { shape: [rows, columns], byteLength: checkpoint.storage(name).bytes }, read);
  };
  const scheme = schemeOf(checkpoint);
  return {
    ...checkpoint,
    ...scheme && { scheme },
    stored(name) {
      if (!known.has(name)) known.set(name, checkpoint.has(name) ? find(name) : undefined);
      return known.get(name);
    },
  };
}
