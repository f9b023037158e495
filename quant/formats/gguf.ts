/** A model as a GGUF file for llama.cpp: weights whose codes a block type can hold keep them, others become F16 or F32. */
import { recipeKey } from "./recipe.ts";
import { encodeF16 } from "../../model/files/dtype.ts";
import { encodeGguf, type GgufSource } from "../../model/gguf/encode.ts";
import { ggufName, splitRow } from "../../model/gguf/names.ts";
import type { JsonObject } from "../../base/json.ts";
import { heldWeight, type StoredWeight } from "../../model/checkpoint/stored.ts";
import type { Model } from "../../model/model.ts";
import { ggufBlocks, mxfp4Blocks, nvfp4Blocks } from "./gguf/blocks.ts";
import { ggufArchitecture, scalingTensors, shapeEntries } from "./gguf/entries.ts";
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
  const name = ggufArchitecture(model.architecture);
  const metadata = new Map([...shapeEntries(model, name), ...await tokenizerEntries(model, tokenizer)]);
  if (recipe !== undefined) metadata.set(recipeKey, { type: "string", value: recipe });
  const { quantized: integers, floats, plain: unquantized } = await splitTensors(model);
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
  // Matrices whose values float16 holds are written in it.
  const plain = (tensor: string, values: Float32Array, shape: readonly number[]) => {
    const width = tensor === embedding || tensor === head ? values.length : shape[1];
    const isHalf = shape.length > 1 && lostInHalf(values, width) === undefined;
    const stored = isHalf ? encodeF16(Float32Array.from(values)) : Float32Array.from(values);
    return { dtype: isHalf ? "F16" : "F32", bytes: new Uint8Array(stored.buffer) };
  };
  const put = (tensor: string, shape: readonly number[], { dtype, bytes }: Omit<GgufSource, "shape">) =>
    tensors.set(ggufName(tensor), { dtype, shape, bytes: arrange(tensor, bytes) });
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
  for (const [tensor, { shape, values }] of parts.plain) {
    const blocks = blocksOf(tensor, ends.get(tensor));
    // llama.cpp multiplies only linear layers of decoder layers by a scale beside them.
    put(tensor, shape, blocks?.scale === undefined && blocks || plain(tensor, values, shape));
  }
  for (const { name: layer, weight } of parts.quantized) {
    const tensor = `${layer}.weight`, { shape } = weight;
    const blocks = blocksOf(layer, weight);
    put(tensor, shape, blocks ?? plain(tensor, weight.dequantize(), shape));
    if (blocks?.scale === undefined) continue;
    const scale = new Uint8Array(Float32Array.of(blocks.scale).buffer);
    tensors.set(ggufName(`${layer}.weight`).replace(/weight$/, "scale"), {
      dtype: "F32",
      shape: [1],
      bytes: scale,
    });
  }
  for (const [tensor, source] of scalingTensors(model.architecture)) tensors.set(tensor, source);
  return { pieces: encodeGguf(metadata, tensors), verify: (path) => verifyGguf(path, model, parts) };
}
