/**
 * Float weights as compressed-tensors 0.20 stores them: FP8 and MXFP8 as `weight` (`naive-quantized`, `mxfp8-quantized`), NVFP4, MXFP4 and MXFP6
 * packed as `weight_packed` (`nvfp4-pack-quantized`, ...), each with `weight_scale`, and NVFP4 with `weight_global_scale`. Codes and bytes of
 * scales stay as they are; float32 scales stay float32.
 */
import type { JsonObject } from "../../../base/json.ts";
import type { Checkpoint } from "../../../model/checkpoint/checkpoint.ts";
import type { RawTensor } from "../../../model/safetensors.ts";
import { SchemeError } from "../../error.ts";
import { floatBits, floatFormats, type FloatName, floatValues, powerScales } from "../../grids/float.ts";
import { TableWeight } from "../../weights/table.ts";
import { requireNumbers } from "../numbers.ts";
import { floatsOf, rawOf, refuse, requireShape } from "../source.ts";
import type { WeightSettings } from "./settings.ts";

/** A layer under its name in the checkpoint, without `.weight`. */
export interface FloatLayer {
  /** Name of the layer. */
  readonly name: string;
  /** Its weight. */
  readonly weight: TableWeight;
}

/** A format of the library: its name, and what its configuration says of weights. */
interface FloatFormatEntry {
  readonly format: string;
  readonly weights: JsonObject;
}

const equal = (a: Float32Array, b: Float32Array) =>
  a.length === b.length && a.every((x, i) => Object.is(x, b[i]));

/** The element that a weight's codes are, if one. */
export function elementOf({ values }: TableWeight): FloatName | undefined {
  return (Object.keys(floatFormats) as FloatName[]).find((name) =>
    equal(values, floatValues(floatFormats[name]))
  );
}

/** Whether the bytes of a weight's scales are powers of two. */
export function hasPowerScales({ scaleValues }: TableWeight): boolean {
  return scaleValues !== null && equal(scaleValues, powerScales);
}

/**
 * How the library calls a weight.
 *
 * @throws {SchemeError} `shape` where it has no such format
 */
export function formatOf({ name, weight }: FloatLayer): FloatFormatEntry {
  const element = elementOf(weight), { bits, scaleValues, globalScale, shape: [out, inputs] } = weight;
  const [rows, columns] = weight.block, group = { strategy: "group", group_size: columns };
  if (out % rows === 0 && inputs % columns === 0) {
    if (element === "e4m3" && scaleValues === null) {
      return { format: "naive-quantized", weights: fp8Strategy(weight) };
    }
    const mx = rows === 1 && columns === 32 && hasPowerScales(weight);
    const formats = {
      e4m3: "mxfp8-quantized",
      e2m3: "mxfp6-pack-quantized",
      e2m1: "mxfp4-pack-quantized",
    } as const;
    if (mx && (element === "e4m3" || element === "e2m3" || element === "e2m1")) {
      const bytes = { scale_dtype: "torch.uint8", zp_dtype: "torch.uint8" };
      return { format: formats[element], weights: { num_bits: bits, ...group, ...bytes } };
    }
    if (element === "e2m1" && rows === 1 && columns === 16 && globalScale !== null) {
      const bytes = { scale_dtype: "torch.float8_e4m3fn", zp_dtype: "torch.float8_e4m3fn" };
      return {
        format: "nvfp4-pack-quantized",
        weights: { num_bits: 4, ...group, strategy: "tensor_group", ...bytes },
      };
    }
  }
  throw new SchemeError(
    "shape",
    `compressed-tensors: ${name} has ${
      element ?? "a table"
    } in blocks of ${rows} x ${columns} of [${out}, ${inputs}]: expected E4M3 ` +
      "with float32 scales, E4M3, E2M3 or E2M1 in blocks of 32 with powers of two, or NVFP4 in blocks of 16, all blocks whole",
  );
}

function fp8Strategy({ block: [rows, columns], shape: [out, inputs] }: TableWeight): JsonObject {
  const base = { num_bits: 8 };
  if (columns < inputs) {
    return rows === 1
      ? { ...base, strategy: "group", group_size: columns }
      : { ...base, strategy: "block", block_structure: [rows, columns] };
  }
  if (rows === 1) return { ...base, strategy: "channel" };
  return rows === out
    ? { ...base, strategy: "tensor" }
    : { ...base, strategy: "block", block_structure: [rows, columns] };
}

/**
 * Tensors of float layers, and the `quantization_config` that says how to read them.
 *
 * @throws {SchemeError} `shape` or `combination` where the library has no such format, or layers differ in it
 */
export function floatTensors(
  layers: readonly FloatLayer[],
): { tensors: Map<string, RawTensor>; format: string; weights: JsonObject } {
  const [first] = layers, entry = formatOf(first);
  const tensors = new Map<string, RawTensor>();
  for (const layer of layers) {
    const { name, weight } = layer, { shape: [out, inputs], bits, scales, block, globalScale } = weight;
    const own = formatOf(layer);
    if (JSON.stringify(own) !== JSON.stringify(entry)) {
      const words = [own, entry].map(({ format, weights }) => `${format} by ${String(weights.strategy)}`);
      throw new SchemeError(
        "combination",
        `compressed-tensors: ${name} is ${words[0]}, ${first.name} ${
          words[1]
        }: expected one format of all layers`,
      );
    }
    const codes = bits === 8 ? weight.codes() : Uint8Array.from(weight.packed);
    tensors.set(`${name}.${bits === 8 ? "weight" : "weight_packed"}`, {
      dtype: bits === 8 ? "F8_E4M3" : "U8",
      shape: [out, inputs * bits / 8],
      data: Uint8Array.from(codes),
    });
    const grid = own.weights.strategy === "tensor" ? [1] : [out / block[0], inputs / block[1]];
    const dtype = scales instanceof Float32Array ? "F32" : hasPowerScales(weight) ? "U8" : "F8_E4M3";
    const data = scales instanceof Float32Array ? Float32Array.from(scales) : Uint8Array.from(scales);
    tensors.set(`${name}.weight_scale`, { dtype, shape: grid, data });
    if (own.format.startsWith("nvfp4") && globalScale !== null) {
      tensors.set(`${name}.weight_global_scale`, {
        dtype: "F32",
        shape: [1],
        data: Float32Array.of(globalScale),
      });
    }
  }
  return { tensors, format: entry.format, weights: entry.weights };
}

/** Element, endings of tensors and scales of each layout. */
interface FloatLayout {
  readonly element: FloatName;
  readonly scales: "floats" | "powers" | "e4m3";
}

const layouts: Readonly<Record<string, FloatLayout>> = {
  "float-quantized": { element: "e4m3", scales: "floats" },
  "naive-quantized": { element: "e4m3", scales: "floats" },
  "nvfp4-pack-quantized": { element: "e2m1", scales: "e4m3" },
  "mxfp4-pack-quantized": { element: "e2m1", scales: "powers" },
  "mxfp6-pack-quantized": { element: "e2m3", scales: "powers" },
  "mxfp8-quantized": { element: "e4m3", scales: "powers" },
};

/** Layouts of floats that are read. */
export const floatLayouts: readonly string[] = Object.keys(layouts);

/** The endings of a module's tensors. */
export const floatEndings = [".weight_packed", ".weight_scale", ".weight_global_scale"];

const scaleTable = floatValues(floatFormats.e4m3);

/**
 * A weight of floats: codes and bytes of scales as they are.
 *
 * @throws {CheckpointError} `shape`, `dtype`, `nan` or `config` naming the tensor
 */
export async function readFloats(
  checkpoint: Checkpoint,
  module: string,
  format: string,
  settings: WeightSettings,
): Promise<TableWeight> {
  const { element, scales: kind } = layouts[format], { strategy } = settings;
  const values = floatValues(floatFormats[element]), bits = floatBits(floatFormats[element]);
  if (settings.bits !== bits || !settings.symmetric) {
    refuse(
      checkpoint,
      `${module}: format "${format}" with ${settings.bits} bits: expected ${bits}, symmetric`,
    );
  }
  const source = checkpoint.has(`${module}.weight_packed`) ? `${module}.weight_packed` : `${module}.weight`;
  const { data: codes, shape: [out, width] } = await rawOf(checkpoint, source, [
    bits === 8 ? "F8_E4M3" : "U8",
  ]);
  const inputs = width * 8 / bits, [rows, columns] = blockOf(settings, out, inputs);
  const grid = strategy === "tensor" ? [1] : [Math.ceil(out / rows), Math.ceil(inputs / columns)];
  requireShape(checkpoint, `${module}.weight_scale`, grid, `strategy "${strategy}" of [${out}, ${inputs}]`);
  const parts = {
    shape: [out, inputs] as const,
    bits,
    values,
    block: [rows, columns] as const,
    packed: codes as Uint8Array,
  };
  if (bits === 8) requireNumbers(checkpoint, source, codes as Uint8Array, values);
  const name = `${module}.weight_scale`;
  if (kind === "floats") return new TableWeight({ ...parts, scales: await floatsOf(checkpoint, name) });
  const { data } = await rawOf(checkpoint, name, kind === "powers" ? ["U8", "F8_E8M0"] : ["F8_E4M3"]);
  const scales = data as Uint8Array;
  if (kind === "powers") {
    requireNumbers(checkpoint, name, scales, powerScales);
    return new TableWeight({ ...parts, scales, scaleValues: powerScales });
  }
  requireNumbers(checkpoint, name, scales, scaleTable);
  const [globalScale] = await floatsOf(checkpoint, `${module}.weight_global_scale`);
  if (!(globalScale > 0)) {
    refuse(checkpoint, `"${module}.weight_global_scale" is ${globalScale}: expected over 0`);
  }
  const scaleValues = scaleTable.map((scale) => scale / globalScale);
  return new TableWeight({ ...parts, scales, scaleValues, globalScale });
}

/** Rows and columns that share a scale. */
function blockOf(
  { strategy, groupSize, block }: WeightSettings,
  out: number,
  inputs: number,
): readonly [number, number] {
  if (strategy === "tensor") return [out, inputs];
  return block ?? [1, groupSize ?? inputs];
}
