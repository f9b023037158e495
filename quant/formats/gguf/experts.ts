/** Linear layers of a layer's experts as GGUF has them: one tensor for all, one expert after the other, in blocks of one type. */
import type { Architecture } from "../../../model/architecture.ts";
import type { GgufSource } from "../../../model/gguf/encode.ts";
import { TableWeight } from "../../weights/table.ts";
import { UniformWeight } from "../../weights/uniform.ts";
import { type GgufBlocks, ggufBlocks, isCentered, mxfp4Blocks, nvfp4Blocks } from "./blocks.ts";

/** A linear layer of an expert: its weight where it is quantized, and its values. */
export interface ExpertLayer {
  /** Name in the checkpoint. */
  readonly name: string;
  /** Output and input features. */
  readonly shape: readonly number[];
  /** Codes, where there are some. */
  readonly weight?: UniformWeight | TableWeight;
  /** The float32 values, row-major. */
  values(): Float32Array;
}

/** Index of the expert that a tensor of the checkpoint belongs to; undefined for other tensors. */
export function expertOf({ experts }: Architecture, name: string): number | undefined {
  for (const { weight } of Object.values(experts?.linears ?? {})) {
    const pattern = weight.split(/\{layer\}|\{expert\}/).map((part) => part.replaceAll(".", "\\."));
    const found = new RegExp(`^${pattern[0]}\\d+${pattern[1]}(\\d+)${pattern[2]}$`).exec(name);
    if (found !== null) return Number(found[1]);
  }
  return undefined;
}

/**
 * The one tensor of a role's experts, and what each of them is multiplied by where the blocks have no room for that; `plain` encodes values
 * that have no blocks. Where one expert has no type of the others, all become floats.
 */
export function joinExperts(
  layers: readonly ExpertLayer[],
  plain: (values: Float32Array, shape: readonly number[]) => Omit<GgufSource, "shape">,
): { readonly source: GgufSource; readonly scales?: Float32Array<ArrayBuffer> } {
  const [{ shape }] = layers, whole = [layers.length, ...shape];
  const blocks = blocksOf(layers);
  if (blocks === null) {
    const values = concatenated(layers.map((layer) => layer.values()), (size) => new Float32Array(size));
    return { source: { shape: whole, ...plain(values, [layers.length * shape[0], shape[1]]) } };
  }
  const bytes = concatenated(blocks.map((one) => one.bytes), (size) => new Uint8Array(size));
  const source = { dtype: blocks[0].dtype, shape: whole, bytes };
  const scaled = blocks.some(({ scale }) => scale !== undefined);
  return scaled ? { source, scales: Float32Array.from(blocks, ({ scale = 1 }) => scale) } : { source };
}

/** Blocks of one type for all, or null. */
function blocksOf(layers: readonly ExpertLayer[]): GgufBlocks[] | null {
  const uniform = layers.flatMap(({ weight }) => weight instanceof UniformWeight ? [weight] : []);
  const table = layers.flatMap(({ weight }) => weight instanceof TableWeight ? [weight] : []);
  // One expert whose zero points are the middle by chance has the type of the others all the same.
  const middle = uniform.every(isCentered);
  const ways: (GgufBlocks | null)[][] = uniform.length === layers.length
    ? [uniform.map((weight, i) => ggufBlocks(layers[i].name, weight, middle))]
    : table.length === layers.length
    ? [table.map(mxfp4Blocks), table.map(nvfp4Blocks)]
    : [];
  for (const way of ways) {
    const found = way.filter((one) => one !== null);
    if (found.length === layers.length && found.every(({ dtype }) => dtype === found[0].dtype)) return found;
  }
  return null;
}

function concatenated<T extends Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>(
  parts: readonly ArrayLike<number>[],
  make: (size: number) => T,
): T {
  const all = make(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
