/**
 * Scales of whole tensors: beside the weight of a linear layer may lie `blk.0.ffn_up.scale`, one number or one an expert, by which
 * llama.cpp multiplies what the layer gives (how its converter stores NVIDIA's NVFP4 checkpoints, whose second scale the blocks
 * have no room for). `input_scale` beside it is for devices that round activations to 4 bits; nothing here does.
 */
import { CheckpointError } from "../files/error.ts";

/** Scales by the weight that they belong to. */
export interface TensorScales {
  /** For the name of a weight its scales' name and number. */
  readonly scales: ReadonlyMap<string, { readonly tensor: string; readonly count: number }>;
  /** Tensors that are read here, or known to be without effect. */
  readonly known: ReadonlySet<string>;
  /** What is not used, in sentences. */
  readonly notices: readonly string[];
}

const linear = /^(blk\.\d+\.(?:attn_(?:q|k|v|qkv|output)|ffn_(?:gate|up|down)(?:_exps)?))\.(input_)?scale$/;

/**
 * Finds the scales of a file.
 *
 * @throws {CheckpointError} `shape` for a scale that is neither one number nor one an expert
 */
export function tensorScales(
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  path: string,
): TensorScales {
  const scales = new Map<string, { tensor: string; count: number }>(), known = new Set<string>();
  const inputs: string[] = [];
  for (const [tensor, { shape }] of tensors) {
    const [, layer, input] = linear.exec(tensor) ?? [];
    const weight = tensors.get(`${layer}.weight`);
    if (layer === undefined || weight === undefined) continue;
    const count = shape.reduce((product, size) => product * size, 1);
    const experts = layer.endsWith("_exps") ? weight.shape[0] : 1;
    if (shape.length > 1 || (count !== 1 && count !== experts)) {
      const expected = experts === 1 ? "[1]" : `[1] or [${experts}]`;
      throw new CheckpointError(
        "shape",
        `${path}: tensor "${tensor}" has shape [${shape}]: expected ${expected}, a scale of "${layer}.weight"`,
      );
    }
    known.add(tensor);
    if (input === undefined) scales.set(`${layer}.weight`, { tensor, count });
    else inputs.push(tensor);
  }
  const [first, ...others] = inputs;
  const more = others.length === 0 ? " is" : ` and ${others.length} others are`;
  const notices = first === undefined
    ? []
    : [`${path}: tensor "${first}"${more} not used: activations are not rounded as it would have them`];
  return { scales, known, notices };
}

/** Multiplies slices of a weight's first axis, from slice `start` on, by their scales: by the one, or each by its own. */
export function multiplyScales(
  values: Float32Array,
  scales: Float32Array,
  start: number,
  count: number,
): void {
  const size = values.length / count;
  for (let i = 0; i < values.length; i++) {
    values[i] *= scales.length === 1 ? scales[0] : scales[start + Math.floor(i / size)];
  }
}
