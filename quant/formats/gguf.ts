/** A model as a GGUF file for llama.cpp: weights whose codes a block type can hold keep them, others become F16. */
import type { Architecture } from "../../model/architecture.ts";
import { encodeF16 } from "../../model/files/dtype.ts";
import { encodeGguf, type GgufEntry, type GgufSource } from "../../model/gguf/encode.ts";
import { ggufName, splitRow } from "../../model/gguf/names.ts";
import { preTokenizers } from "../../model/gguf/pre_tokenizers.ts";
import { isJsonObject, type JsonObject, own } from "../../base/json.ts";
import type { Model } from "../../model/model.ts";
import { inverseFrequencies } from "../../model/decoder/rotary.ts";
import { requireHalf } from "./half.ts";
import { splitTensors } from "./tensors.ts";
import { ggufBlocks } from "./gguf/blocks.ts";
import { SchemeError } from "../error.ts";

/** Names of the architectures in llama.cpp. */
const architectures: Readonly<Record<string, string>> = {
  llama: "llama",
  mistral: "llama",
  qwen2: "qwen2",
  qwen3: "qwen3",
};

/**
 * The pieces of the file. `tokenizer` is the contents of `tokenizer.json`.
 *
 * @throws {SchemeError} `combination` when llama.cpp has no such architecture or tokenizer
 */
export async function encodeModelGguf(
  model: Model,
  tokenizer: JsonObject | undefined,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const { architecture } = model;
  const { family, positions, heads, kvHeads, headDim } = architecture;
  const name = Object.hasOwn(architectures, family) ? architectures[family] : undefined;
  const scaling = positions.kind === "rotary" ? positions.scaling?.kind : undefined;
  if (name === undefined || (scaling !== undefined && scaling !== "llama3" && scaling !== "linear")) {
    throw new SchemeError(
      "combination",
      `gguf: ${family} with rope scaling ${scaling ?? "none"}: expected ${
        Object.keys(architectures)
      } with llama3 or linear`,
    );
  }
  const { quantized, plain } = await splitTensors(model);
  const tensors = new Map<string, GgufSource>();
  // llama.cpp's llama rotates neighbouring rows.
  const arrange = (tensor: string, bytes: Uint8Array): Uint8Array => {
    const role = /\.([qk])_proj\./.exec(tensor)?.[1];
    if (name !== "llama" || role === undefined) return bytes;
    const rows = (role === "q" ? heads : kvHeads) * headDim, width = bytes.length / rows;
    const turned = new Uint8Array(bytes.length);
    for (let row = 0; row < rows; row++) {
      const from = splitRow(row, headDim) * width;
      turned.set(bytes.subarray(from, from + width), row * width);
    }
    return turned;
  };
  const { embedding, head } = architecture;
  const f16 = (tensor: string, values: Float32Array, shape: readonly number[]) => {
    const width = tensor === embedding || tensor === head ? values.length : shape[1];
    return new Uint8Array(encodeF16(requireHalf("gguf", tensor, values, width)).buffer);
  };
  for (const [tensor, { shape, values }] of plain) {
    const vector = shape.length === 1;
    const bytes = vector ? new Uint8Array(Float32Array.from(values).buffer) : f16(tensor, values, shape);
    tensors.set(ggufName(tensor), { dtype: vector ? "F32" : "F16", shape, bytes: arrange(tensor, bytes) });
  }
  for (const { name: layer, weight } of quantized) {
    const tensor = `${layer}.weight`, { shape } = weight;
    const { dtype, bytes } = ggufBlocks(layer, weight) ??
      { dtype: "F16", bytes: f16(tensor, weight.dequantize(), shape) };
    tensors.set(ggufName(tensor), { dtype, shape, bytes: arrange(tensor, bytes) });
  }
  if (scaling === "llama3" && positions.kind === "rotary") {
    const { scaling: _, ...unscaled } = positions;
    const stretched = inverseFrequencies(positions);
    const divisors = Float32Array.from(inverseFrequencies(unscaled), (one, i) => one / stretched[i]);
    const bytes = new Uint8Array(divisors.buffer);
    tensors.set("rope_freqs.weight", { dtype: "F32", shape: [divisors.length], bytes });
  }
  const metadata = new Map([...shapeEntries(model, name), ...tokenizerEntries(model, tokenizer)]);
  return encodeGguf(metadata, tensors);
}

function shapeEntries({ name: title, architecture }: Model, name: string): [string, GgufEntry][] {
  const { positions, norm } = architecture;
  const number = (key: string, value: number, type: "u32" | "f32" = "u32"): [string, GgufEntry] => [
    `${name}.${key}`,
    { type, value },
  ];
  const sizes: readonly (readonly [key: string, of: keyof Architecture])[] = [
    ["block_count", "layers"],
    ["context_length", "maxPositions"],
    ["embedding_length", "hiddenSize"],
    ["feed_forward_length", "intermediateSize"],
    ["attention.head_count", "heads"],
    ["attention.head_count_kv", "kvHeads"],
    ["attention.key_length", "headDim"],
    ["attention.value_length", "headDim"],
    ["vocab_size", "vocabularySize"],
  ];
  const rotary = positions.kind === "rotary" ? positions : undefined;
  const linear = rotary?.scaling?.kind === "linear" ? rotary.scaling.factor : undefined;
  return [
    ["general.architecture", { type: "string", value: name }],
    ["general.name", { type: "string", value: title }],
    ["general.quantization_version", { type: "u32", value: 2 }],
    ...sizes.map(([key, of]) => number(key, Number(architecture[of]))),
    number("attention.layer_norm_rms_epsilon", norm.eps, "f32"),
    number("rope.freq_base", rotary?.theta ?? 10000, "f32"),
    number("rope.dimension_count", rotary?.rotaryDim ?? architecture.headDim),
    ...(linear === undefined ? [] : [
      [`${name}.rope.scaling.type`, { type: "string", value: "linear" }] as [string, GgufEntry],
      number("rope.scaling.factor", linear, "f32"),
    ]),
  ];
}

/** The tokenizer as metadata; the contrary of `gguf_tokenizer.ts`. */
function tokenizerEntries(
  { tokenizer, architecture }: Model,
  json: JsonObject | undefined,
): [string, GgufEntry][] {
  const model = own(json ?? {}, "model"), vocabulary = isJsonObject(model) ? own(model, "vocab") : undefined;
  const merges = isJsonObject(model) ? own(model, "merges") : undefined;
  if (json === undefined || !isJsonObject(vocabulary) || !Array.isArray(merges)) return [];
  const pre = JSON.stringify(preTokenizerParts(own(json, "pre_tokenizer")).map(significant));
  const known = [...preTokenizers].find(([, { steps }]) => JSON.stringify(steps.map(significant)) === pre);
  if (known === undefined) {
    throw new SchemeError("combination", `gguf: the pre-tokenizer ${pre} has no name in llama.cpp`);
  }
  const [normal, control, userDefined, unused] = [1, 3, 4, 5];
  const tokens = Array.from({ length: architecture.vocabularySize }, (_, id) => `[PAD${id}]`);
  const types = tokens.map(() => unused);
  for (const [token, id] of Object.entries(vocabulary)) {
    tokens[Number(id)] = token;
    types[Number(id)] = normal;
  }
  const added = own(json, "added_tokens");
  for (const one of Array.isArray(added) ? added : []) {
    tokens[one.id] = one.content;
    types[one.id] = one.special ? control : userDefined;
  }
  const first = tokenizer.encode("a")[0],
    startsWithBos = tokenizer.bos !== undefined && first === tokenizer.bos;
  const { bos, eos, chatTemplate } = tokenizer;
  const texts = merges.map((merge) => Array.isArray(merge) ? merge.join(" ") : String(merge));
  return [
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: known[0] }],
    ["tokenizer.ggml.tokens", { type: "strings", value: tokens }],
    ["tokenizer.ggml.token_type", { type: "i32s", value: types }],
    ["tokenizer.ggml.merges", { type: "strings", value: texts }],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: startsWithBos }],
    ...(bos === undefined
      ? []
      : [["tokenizer.ggml.bos_token_id", { type: "u32", value: bos }] as [string, GgufEntry]]),
    ...(eos === undefined
      ? []
      : [["tokenizer.ggml.eos_token_id", { type: "u32", value: eos }] as [string, GgufEntry]]),
    ...(chatTemplate === undefined
      ? []
      : [["tokenizer.chat_template", { type: "string", value: chatTemplate }] as [string, GgufEntry]]),
  ];
}

function preTokenizerParts(part: unknown): JsonObject[] {
  if (!isJsonObject(part)) return [];
  const children = own(part, "pretokenizers");
  return Array.isArray(children) ? children.filter(isJsonObject) : [part];
}

/** What makes a difference to how text is split. */
function significant(part: JsonObject): unknown[] {
  return ["type", "pattern", "behavior", "individual_digits", "add_prefix_space", "use_regex"].map((key) =>
    own(part, key) ?? null
  );
}
