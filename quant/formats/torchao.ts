/**
 * Safetensors as transformers writes models of torchao, read: the file's metadata name the class of each tensor, and its parts are
 * `_weight_qdata`, `_weight_scale` and `_weight_zero_point`.
 */
import { isJsonObject, type JsonObject, own, parseJson } from "../../base/json.ts";
import { show } from "../../base/show.ts";
import type { Checkpoint } from "../../model/checkpoint/checkpoint.ts";
import type { ModelConfig } from "../../model/checkpoint/config.ts";
import { decodeBf16, encodeBf16 } from "../../model/files/dtype.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { floatFormats, floatValues } from "../grids/float.ts";
import { DecodedWeight } from "../weights/decoded.ts";
import { requireNumbers } from "./numbers.ts";
import { fieldNotices, floatsOf, type Found, present, rawOf, refuse, requireShape } from "./source.ts";

const fields = {
  used: ["quant_method"],
  // The metadata of the tensors say what was made of it.
  harmless: [
    "quant_type",
    "modules_to_not_convert",
    "include_input_output_embeddings",
    "untie_embedding_weights",
  ],
};

/** Classes of tensors that are read, and the type of their codes. */
const classes: Readonly<Record<string, "I8" | "F8_E4M3">> = {
  Int8Tensor: "I8",
  IntxUnpackedToInt8Tensor: "I8",
  Float8Tensor: "F8_E4M3",
};

/** Keys of a class's data that ask for inputs to be rounded, too. */
const roundedInputs = ["act_quant_kwargs", "activation_quantization"];

/**
 * The quantized layers of a file of torchao.
 *
 * @throws {CheckpointError} `config` naming the class of a tensor that is not read
 */
export function readTorchAo(checkpoint: Checkpoint, config: ModelConfig): Found {
  const notices = fieldNotices(config, fields), metadata: string[] = ["tensor_names"];
  const modules = [];
  for (const [tensor, text] of checkpoint.metadata ?? []) {
    if (!text.startsWith("{")) continue;
    const value = jsonOf(text), kind = isJsonObject(value) ? own(value, "_type") : undefined;
    if (!isJsonObject(value) || typeof kind !== "string") continue;
    metadata.push(tensor);
    if (kind === "Tensor") continue;
    if (!Object.hasOwn(classes, kind) || !tensor.endsWith(".weight")) {
      refuse(
        checkpoint,
        `${tensor} is torchao's ${kind}, which is not read: expected ${Object.keys(classes).join(", ")}`,
      );
    }
    const name = tensor.replace(/\.weight$/, ""), own_ = own(value, "_data");
    const data = isJsonObject(own_) ? own_ : {};
    for (const key of roundedInputs) {
      const asked = own(data, key) ?? null;
      if (asked !== null) {
        refuse(
          checkpoint,
          `${tensor} has ${key} ${show(asked)}: expected null, inputs of torchao are not rounded here`,
        );
      }
    }
    const tensors = present(checkpoint, name, ["._weight_qdata", "._weight_scale", "._weight_zero_point"]);
    modules.push({
      name,
      format: `torchao ${kind}`,
      tensors,
      read: () => readModule(checkpoint, name, classes[kind], data),
    });
  }
  return { modules, scheme: config.values, notices, metadata };
}

function jsonOf(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

/** How a class rounds what it dequantizes. */
function roundingOf(
  checkpoint: Checkpoint,
  name: string,
  data: JsonObject,
): (values: Float32Array) => Float32Array {
  const dtype = own(data, "dtype"), type = isJsonObject(dtype) ? own(dtype, "_data") : undefined;
  if (type === "bfloat16") return (values) => decodeBf16(encodeBf16(values));
  if (type === "float16") return (values) => values.map(Math.f16round);
  if (type === "float32") return (values) => values;
  return refuse(checkpoint, `${name} has dtype ${show(type)}: expected "bfloat16", "float16" or "float32"`);
}

async function readModule(
  checkpoint: Checkpoint,
  name: string,
  type: "I8" | "F8_E4M3",
  data: JsonObject,
): Promise<StoredWeight> {
  const prefix = `${name}._weight_`, round = roundingOf(checkpoint, name, data);
  const { data: codes, shape: [out, inputs] } = await rawOf(checkpoint, `${prefix}qdata`, [type]);
  const block = own(data, "block_size"), [rows, columns] = Array.isArray(block) ? block.map(Number) : [];
  if (!(rows > 0 && columns > 0) || out % rows !== 0 || inputs % columns !== 0) {
    refuse(checkpoint, `${name} has block_size ${show(block)}: expected divisors of [${out}, ${inputs}]`);
  }
  const grid = [out / rows, inputs / columns], why = `block_size [${rows}, ${columns}]`;
  requireShape(checkpoint, `${prefix}scale`, grid, why);
  const scales = await floatsOf(checkpoint, `${prefix}scale`);
  let zeros: ArrayLike<number> | null = null;
  if (checkpoint.has(`${prefix}zero_point`)) {
    requireShape(checkpoint, `${prefix}zero_point`, grid, why);
    zeros = (await rawOf(checkpoint, `${prefix}zero_point`, ["I8"])).data as Int8Array;
  }
  const values = type === "I8" ? null : floatValues(floatFormats.e4m3);
  if (values !== null) requireNumbers(checkpoint, `${prefix}qdata`, codes as Uint8Array, values);
  const parts = present(checkpoint, name, ["._weight_qdata", "._weight_scale", "._weight_zero_point"]);
  const byteLength = parts.reduce((sum, one) => sum + checkpoint.storage(one).bytes, 0);
  return new DecodedWeight([out, inputs], byteLength, () => {
    const weight = new Float32Array(out * inputs), perRow = inputs / columns;
    for (let i = 0; i < weight.length; i++) {
      const group = Math.floor(Math.floor(i / inputs) / rows) * perRow + Math.floor(i % inputs / columns);
      const code = Number(codes[i]);
      weight[i] = (values === null ? code - (zeros?.[group] ?? 0) : values[code]) * scales[group];
    }
    return round(weight);
  });
}
