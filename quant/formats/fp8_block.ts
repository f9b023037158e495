/**
 * Fine-grained FP8 as DeepSeek-V3 is published and transformers writes it, read: `weight` of E4M3 and `weight_scale_inv`, by which it is
 * multiplied despite the name, a scale for each block of rows and columns.
 */
import type { Checkpoint } from "../../model/checkpoint/checkpoint.ts";
import type { ModelConfig } from "../../model/checkpoint/config.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { floatFormats, floatValues, powerScales } from "../grids/float.ts";
import { TableWeight } from "../weights/table.ts";
import { requireNumbers } from "./numbers.ts";
import {
  fieldNotices,
  floatsOf,
  type Found,
  type InputRule,
  modulesWith,
  type QuantizedModule,
  rawOf,
  refuse,
  requireShape,
} from "./source.ts";

const fields = {
  used: ["quant_method", "activation_scheme", "weight_block_size", "modules_to_not_convert", "scale_fmt"],
  harmless: ["dequantize"],
  refused: { fmt: ["e4m3"], expert_dtype: ["fp8"], modules_to_convert: [] },
};

/**
 * The quantized layers of a file of fine-grained FP8.
 *
 * @throws {CheckpointError} `config` naming the setting, `shape`, `dtype` or `nan` naming the tensor
 */
export async function readFp8Block(checkpoint: Checkpoint, config: ModelConfig): Promise<Found> {
  const notices = fieldNotices(config, fields);
  const block = blockSize(config), skipped = (config.list("modules_to_not_convert") ?? []).map(String);
  const scheme = config.string("activation_scheme", {
    fallback: "dynamic",
    accepted: ["dynamic", "static"],
  });
  const powers = config.string("scale_fmt", { fallback: "float", accepted: ["float", "ue8m0"] }) === "ue8m0";
  const names = modulesWith(checkpoint, ".weight_scale_inv");
  const inputs = new Map<string, InputRule>(), others: string[] = [];
  for (const name of names) {
    if (skipped.some((one) => name === one || name.startsWith(`${one}.`) || name.endsWith(`.${one}`))) {
      refuse(
        checkpoint,
        `tensor "${name}.weight_scale_inv" contradicts ${config.source}: modules_to_not_convert`,
      );
    }
    const settings = { num_bits: 8, type: "float", symmetric: true };
    if (scheme === "dynamic") {
      const grouped = block === null ? { strategy: "token" } : { strategy: "group", group_size: block[1] };
      inputs.set(name, { settings: { ...settings, ...grouped, dynamic: true, powers } });
      continue;
    }
    const [scale] = await floatsOf(checkpoint, `${name}.activation_scale`);
    others.push(`${name}.activation_scale`);
    inputs.set(name, { settings: { ...settings, strategy: "tensor", dynamic: false }, scale });
  }
  const modules = names.map((name): QuantizedModule => ({
    name,
    format: "fp8-block 8",
    tensors: [`${name}.weight`, `${name}.weight_scale_inv`],
    read: () => readModule(checkpoint, name, block),
  }));
  return { modules, scheme: config.values, notices, others, runtime: { inputs } };
}

function blockSize(config: ModelConfig): readonly [number, number] | null {
  const list = config.list("weight_block_size");
  if (list === undefined) return null;
  const [rows, columns] = list.map(Number), sizes = [rows, columns];
  if (list.length !== 2 || !sizes.every((size) => Number.isInteger(size) && size > 0)) {
    return config.fail("weight_block_size", "two integers from 1");
  }
  return [rows, columns];
}

async function readModule(
  checkpoint: Checkpoint,
  name: string,
  block: readonly [number, number] | null,
): Promise<StoredWeight> {
  const { data, shape: [out, inputs] } = await rawOf(checkpoint, `${name}.weight`, ["F8_E4M3"]);
  const source = `${name}.weight_scale_inv`, [rows, columns] = block ?? [out, inputs];
  const grid = block === null
    ? checkpoint.shape(source)
    : [Math.ceil(out / rows), Math.ceil(inputs / columns)];
  requireShape(checkpoint, source, grid, `blocks of ${rows} x ${columns} of [${out}, ${inputs}]`);
  const values = floatValues(floatFormats.e4m3), packed = data as Uint8Array;
  requireNumbers(checkpoint, `${name}.weight`, packed, values);
  const parts = { shape: [out, inputs] as const, bits: 8, values, block: [rows, columns] as const, packed };
  if (checkpoint.dtype(source) !== "F8_E8M0") {
    return new TableWeight({ ...parts, scales: await floatsOf(checkpoint, source) });
  }
  const scales = (await rawOf(checkpoint, source, ["F8_E8M0"])).data as Uint8Array;
  requireNumbers(checkpoint, source, scales, powerScales);
  return new TableWeight({ ...parts, scales, scaleValues: powerScales });
}
