/**
 * Safetensors as transformers writes models of bitsandbytes, read: NF4 and FP4 (two codes a byte, the first in the high bits, `absmax` of
 * each block, which may be quantized itself), and the rows of LLM.int8().
 */
import { decodeUtf8, isJsonObject, type JsonObject, own, parseJson } from "../../base/json.ts";
import { show } from "../../base/show.ts";
import type { Checkpoint } from "../../model/checkpoint/checkpoint.ts";
import type { ModelConfig } from "../../model/checkpoint/config.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { DecodedWeight } from "../weights/decoded.ts";
import { Int8Weight } from "../weights/int8.ts";
import { TableWeight } from "../weights/table.ts";
import {
  fieldNotices,
  floatsOf,
  type Found,
  type InputRule,
  modulesWith,
  present,
  type QuantizedModule,
  rawOf,
  refuse,
  requireShape,
} from "./source.ts";

const fields = {
  used: [
    ...["quant_method", "load_in_4bit", "load_in_8bit", "bnb_4bit_quant_type", "llm_int8_threshold"],
    ...["bnb_4bit_quant_storage", "llm_int8_skip_modules"],
  ],
  // How it was quantized, which the tensors say too, and how it is run.
  harmless: [
    ...["_load_in_4bit", "_load_in_8bit", "bnb_4bit_compute_dtype", "bnb_4bit_use_double_quant"],
    ...["llm_int8_enable_fp32_cpu_offload"],
  ],
  refused: { llm_int8_has_fp16_weight: [false] },
};

/** The name of the JSON text beside a weight of 4 bits. */
const statePattern = /^(.*)\.weight\.quant_state\.bitsandbytes__(nf4|fp4)$/;

/**
 * The quantized layers of a file of bitsandbytes.
 *
 * @throws {CheckpointError} `config` naming the setting, or where it contradicts the tensors
 */
export function readBitsAndBytes(checkpoint: Checkpoint, config: ModelConfig): Found {
  const notices = fieldNotices(config, fields);
  const four = config.boolean("load_in_4bit", false), eight = config.boolean("load_in_8bit", false);
  const type = config.string("bnb_4bit_quant_type", { fallback: "fp4", accepted: ["nf4", "fp4"] });
  const skipped = (config.list("llm_int8_skip_modules") ?? []).map(String);
  const requireSaid = (name: string, ending: string, said: boolean) => {
    if (said && !skipped.some((one) => name === one || name.endsWith(`.${one}`))) return;
    refuse(
      checkpoint,
      `tensor "${name}${ending}" contradicts ${config.source}, by which ${name} is not such a weight`,
    );
  };
  const modules: QuantizedModule[] = [];
  for (const state of checkpoint.names()) {
    const [, name, kind] = statePattern.exec(state) ?? [];
    if (name === undefined) continue;
    requireSaid(name, state.slice(name.length), four && kind === type);
    const endings = ["", ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"];
    const tensors = [...present(checkpoint, `${name}.weight`, endings), state];
    modules.push({ name, format: `${kind} 4`, tensors, read: () => readFour(checkpoint, name, state, kind) });
  }
  const rows = modulesWith(checkpoint, ".SCB"), inputs = new Map<string, InputRule>();
  // 0 means that no feature is kept apart; the rounding of inputs remains.
  const threshold = config.number("llm_int8_threshold", { fallback: 6, min: 0 });
  for (const name of rows) {
    requireSaid(name, ".SCB", eight);
    inputs.set(name, { settings: { llmInt8: threshold } });
    const tensors = present(checkpoint, name, [".weight", ".SCB", ".weight_format"]);
    modules.push({ name, format: "int8 8", tensors, read: () => readEight(checkpoint, name) });
  }
  return { modules, scheme: config.values, notices, ...inputs.size > 0 && { runtime: { inputs } } };
}

/** The JSON text beside a weight. */
async function stateOf(checkpoint: Checkpoint, name: string): Promise<JsonObject> {
  const { data } = await rawOf(checkpoint, name, ["U8"]);
  let json: unknown;
  try {
    json = parseJson(decodeUtf8(data as Uint8Array<ArrayBuffer>));
  } catch (error) {
    refuse(checkpoint, `tensor "${name}": ${(error as Error).message}`);
  }
  return isJsonObject(json) ? json : refuse(checkpoint, `tensor "${name}": expected a JSON object`);
}

async function readFour(
  checkpoint: Checkpoint,
  module: string,
  stateName: string,
  kind: string,
): Promise<StoredWeight> {
  const state = await stateOf(checkpoint, stateName), weight = `${module}.weight`;
  const shape = own(state, "shape"), size = Number(own(state, "blocksize"));
  const [out, inputs] = Array.isArray(shape) ? shape.map(Number) : [];
  if (own(state, "quant_type") !== kind || !(out > 0 && inputs > 0 && size > 0) || !Number.isInteger(size)) {
    refuse(
      checkpoint,
      `tensor "${stateName}" is ${show(state)}: expected quant_type "${kind}", blocksize, shape`,
    );
  }
  const count = out * inputs, blocks = Math.ceil(count / size), why = `${count} codes in blocks of ${size}`;
  const { data } = await rawOf(checkpoint, weight, ["U8"]);
  requireShape(checkpoint, weight, [Math.ceil(count / 2), 1], why);
  requireShape(checkpoint, `${weight}.quant_map`, [16], "4 bits");
  requireShape(checkpoint, `${weight}.absmax`, [blocks], why);
  const values = await floatsOf(checkpoint, `${weight}.quant_map`);
  const scales = await absmaxOf(checkpoint, weight, state, blocks);
  const stored = present(checkpoint, weight, ["", ".absmax", ".nested_absmax", ".nested_quant_map"]);
  const byteLength = stored.reduce((sum, name) => sum + checkpoint.storage(name).bytes, 0);
  // High bits first: a stream of codes has its first one in the low bits.
  const packed = Uint8Array.from(data as Uint8Array, (byte) => byte >> 4 | (byte & 15) << 4);
  if (inputs % size === 0) {
    const scaleBytes = byteLength - packed.byteLength;
    return new TableWeight({
      shape: [out, inputs],
      bits: 4,
      values,
      block: [1, size],
      packed,
      scales,
      scaleBytes,
    });
  }
  return new DecodedWeight([out, inputs], byteLength, () =>
    Float32Array.from({ length: count }, (_, i) => {
      return values[packed[i >> 1] >> (i % 2 * 4) & 15] * scales[Math.floor(i / size)];
    }));
}

/** The largest magnitude of each block; where it is quantized itself, each step is rounded to float32. */
async function absmaxOf(
  checkpoint: Checkpoint,
  weight: string,
  state: JsonObject,
  blocks: number,
): Promise<Float32Array> {
  if (!checkpoint.has(`${weight}.nested_absmax`)) return await floatsOf(checkpoint, `${weight}.absmax`);
  const size = Number(own(state, "nested_blocksize")), offset = Number(own(state, "nested_offset"));
  if (!(size > 0) || !Number.isInteger(size) || !Number.isFinite(offset)) {
    refuse(checkpoint, `"${weight}" is quantized twice: expected nested_blocksize and nested_offset`);
  }
  requireShape(checkpoint, `${weight}.nested_absmax`, [Math.ceil(blocks / size)], `blocks of ${size}`);
  requireShape(checkpoint, `${weight}.nested_quant_map`, [256], "8 bits");
  const { data } = await rawOf(checkpoint, `${weight}.absmax`, ["U8"]);
  const values = await floatsOf(checkpoint, `${weight}.nested_quant_map`);
  const scales = await floatsOf(checkpoint, `${weight}.nested_absmax`), shift = Math.fround(offset);
  return Float32Array.from(data as Uint8Array, (code, i) => {
    return Math.fround(values[code] * scales[Math.floor(i / size)]) + shift;
  });
}

async function readEight(checkpoint: Checkpoint, module: string): Promise<StoredWeight> {
  const { data, shape: [out, inputs] } = await rawOf(checkpoint, `${module}.weight`, ["I8"]);
  requireShape(checkpoint, `${module}.SCB`, [out], `${out} rows`);
  const format = `${module}.weight_format`;
  const order = checkpoint.has(format) ? Number((await rawOf(checkpoint, format, ["U8"])).data[0]) : 0;
  if (order !== 0) refuse(checkpoint, `"${format}" is ${order}: expected 0, rows in order`);
  const maxima = await floatsOf(checkpoint, `${module}.SCB`);
  return new Int8Weight([out, inputs], { codes: data as Int8Array, maxima });
}
