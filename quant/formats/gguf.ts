/** A model as a GGUF file for llama.cpp: weights whose codes a block type can hold keep them, others become F16 or F32. */
import { recipeKey } from "./recipe.ts";
import { encodeF16 } from "../../model/files/dtype.ts";
import { encodeGguf, type GgufSource } from "../../model/gguf/encode.ts";
import { ggufFamilies } from "../../model/gguf/families.ts";
import { ggufName, splitRow } from "../../model/gguf/names.ts";
import type { JsonObject } from "../../base/json.ts";
import { heldWeight, type StoredWeight } from "../../model/checkpoint/stored.ts";
import type { Model } from "../../model/model.ts";
import { ggufBlocks, mxfp4Blocks, nvfp4Blocks } from "./gguf/blocks.ts";
import { ggufArchitecture, scalingTensors, shapeEntries } from "./gguf/entries.ts";
import { type ExpertLayer, expertOf, joinExperts } from "./gguf/experts.ts";
import { tokenizerEntries } from "./gguf/tokenizer.ts";
import { verifyGguf } from "./gguf/verify.ts";
import { lostInHalf } from "./half.ts";
import { splitTensors } from "./tensors.ts";
import { TableWeight } from "../weights/table.ts";
import { UniformWeight } from "../weights/uniform.ts";

/** A file to be written, and the check that it was written as it was meant. */
export interface EncodedGguf {
  /** The file's bytes, in order. */
  readonly pieces: Uint8Array<ArrayBuffer>[];
  /** Reads the file at a path back and compares. */
  readonly verify: (path: string) => Promise<void>;
}

/**
 * The pieces of the file. `tokenizer` is the contents of `tokenizer.json`; the file carries `recipe`.
 *
 * @throws {SchemeError} `combination` when llama.cpp has no such architecture, window, scaling or tokenizer; `values` naming the tensor
 * whose scales float16 does not hold
 */
export async function encodeModelGguf(
  model: Model,
  tokenizer: JsonObject | undefined,
  recipe?: string,
): Promise<EncodedGguf> {
  const { heads, kvHeads, headDim, embedding, head } = model.architecture;
  const name = ggufArchitecture(model.architecture), family = ggufFamilies[name];
  const metadata = new Map([...shapeEntries(model, name), ...await tokenizerEntries(model, tokenizer)]);
  if (recipe !== undefined) metadata.set(recipeKey, { type: "string", value: recipe });
  const { quantized: integers, floats, plain: unquantized } = await splitTensors(model, true);
  const parts = { quantized: [...integers, ...floats], plain: unquantized };
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
  const isRouter = (tensor: string) => ggufName(tensor, family).endsWith(".ffn_gate_inp.weight");
  // Matrices whose values float16 holds are written in it.
  const plain = (tensor: string, values: Float32Array, shape: readonly number[]) => {
    const width = tensor === embedding || tensor === head ? values.length : shape[1];
    // Routers stay as they are: what they round decides between experts.
    const isHalf = shape.length > 1 && !isRouter(tensor) && lostInHalf(values, width) === undefined;
    const stored = isHalf ? encodeF16(Float32Array.from(values)) : Float32Array.from(values);
    return { dtype: isHalf ? "F16" : "F32", bytes: new Uint8Array(stored.buffer) };
  };
  const put = (tensor: string, shape: readonly number[], { dtype, bytes }: Omit<GgufSource, "shape">) =>
    tensors.set(ggufName(tensor, family), { dtype, shape, bytes: arrange(tensor, bytes) });
  const blocksOf = (name: string, weight: StoredWeight | undefined) =>
    weight instanceof UniformWeight
      ? ggufBlocks(name, weight)
      : weight instanceof TableWeight
      ? mxfp4Blocks(weight) ?? nvfp4Blocks(weight)
      : null;
  const ends = new Map<string, StoredWeight>();
  for (const [tensor, { stored }] of [[head, model.head], [embedding, model.embedding]] as const) {
    if (stored !== undefined) ends.set(tensor, await heldWeight(stored));
  }
  const putScales = (tensor: string, values: Float32Array<ArrayBuffer>) =>
    tensors.set(ggufName(tensor, family).replace(/weight$/, "scale"), {
      dtype: "F32",
      shape: [values.length],
      bytes: new Uint8Array(values.buffer),
    });
  // The experts of one role of one layer, in order, by the name of the first.
  const experts = new Map<string, ExpertLayer[]>();
  const isExperts = (layer: ExpertLayer): boolean => {
    const index = expertOf(model.architecture, layer.name);
    if (index === undefined) return false;
    const key = ggufName(layer.name, family), own = experts.get(key) ?? [];
    own[index] = layer;
    experts.set(key, own);
    return true;
  };
  for (const [tensor, { shape, values }] of parts.plain) {
    if (isExperts({ name: tensor, shape, values: () => values })) continue;
    const blocks = blocksOf(tensor, ends.get(tensor));
    // llama.cpp multiplies only linear layers of decoder layers by a scale beside them.
    put(tensor, shape, blocks?.scale === undefined && blocks || plain(tensor, values, shape));
  }
  for (const { name: layer, weight } of parts.quantized) {
    const tensor = `${layer}.weight`, { shape } = weight;
    if (isExperts({ name: tensor, shape, weight, values: () => weight.dequantize() })) continue;
    const blocks = blocksOf(layer, weight);
    put(tensor, shape, blocks ?? plain(tensor, weight.dequantize(), shape));
    if (blocks?.scale !== undefined) putScales(tensor, Float32Array.of(blocks.scale));
  }
  for (const [joined, layers] of experts) {
    const { name: first } = layers[0];
    const { source, scales } = joinExperts(layers, (values, shape) => plain(first, values, shape));
    tensors.set(joined, source);
    if (scales !== undefined) putScales(first, scales);
  }
  for (const [tensor, source] of scalingTensors(model.architecture)) tensors.set(tensor, source);
  return { pieces: encodeGguf(metadata, tensors), verify: (path) => verifyGguf(path, model, parts) };
}
