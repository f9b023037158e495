/** How linear layers and norms lie in a checkpoint: fused, transposed, offset or absent tensors become plain ones. */
import { exp } from "../../base/elementary.ts";
import {
  type Architecture,
  type HeadNorms,
  type LinearNames,
  type NormNames,
  type StateSpace,
  tensorName,
} from "../architecture.ts";
import type { Weights } from "../checkpoint/weights.ts";

/** Reads values when called; what it needs of the checkpoint is checked before. */
export type Reader = () => Promise<Float32Array>;

/** The weight `[out, in]` of a linear layer, cut out of the tensor that holds it. */
export function linearWeight(
  weights: Weights,
  { weight, rows, transposed }: LinearNames,
  layer: number,
  [out, inputs]: readonly [out: number, inputs: number],
): Reader {
  const name = tensorName(weight, layer);
  const stored = rows === undefined ? out : rows.groups * rows.size;
  weights.requireShape(name, transposed ? [inputs, stored] : [stored, inputs]);
  return async () => {
    const values = await weights.tensor(name);
    return cut(transposed ? transpose(values, inputs, stored) : values, inputs, rows);
  };
}

/** The bias of a linear layer of `out` features, or null. */
export function linearBias(
  weights: Weights,
  { bias, rows }: LinearNames,
  layer: number,
  out: number,
): Reader | null {
  if (bias === undefined) return null;
  const name = tensorName(bias, layer);
  weights.requireShape(name, [rows === undefined ? out : rows.groups * rows.size]);
  return async () => cut(await weights.tensor(name), 1, rows);
}

/** The weight of a norm, as it multiplies. */
export function normWeight(
  weights: Weights,
  { weight, stored }: NormNames,
  layer: number,
  width: number,
): Reader {
  if (stored === "nothing") return () => Promise.resolve(new Float32Array(width).fill(1));
  const name = tensorName(weight, layer);
  weights.requireShape(name, [width]);
  if (stored === undefined) return () => weights.tensor(name);
  return async () => (await weights.tensor(name)).map((value) => value + 1);
}

/** The weight of a norm of queries or keys: of one head, of all heads, or of each head in turn. */
export function headNormWeight(
  weights: Weights,
  names: NormNames,
  layer: number,
  architecture: Architecture,
  of: "query" | "key",
): Reader {
  const { heads, kvHeads, headDim, headNorms } = architecture;
  const count = of === "query" ? heads : kvHeads;
  if (headNorms?.over === "token") return normWeight(weights, names, layer, count * headDim);
  if (!hasOwnHeads(names)) return normWeight(weights, names, layer, headDim);
  const parts = Array.from({ length: count }, (_, head) => {
    const weight = names.weight.replace("{head}", String(head));
    return normWeight(weights, { ...names, weight }, layer, headDim);
  });
  return async () => {
    const all = new Float32Array(count * headDim);
    for (const [head, part] of parts.entries()) all.set(await part(), head * headDim);
    return all;
  };
}

/** What a state-space mixer computes with, as it computes with it: taps `[taps, inner]` and A itself, whose logarithm is stored. */
export function stateSpaceTensors(
  weights: Weights,
  { innerSize, stateSize, taps, tensors: { kernel, kernelBias, decay, skip } }: StateSpace,
  layer: number,
): (readonly [template: string, length: number, values: Reader])[] {
  const reader = (template: string, shape: readonly number[]): Reader => {
    const name = tensorName(template, layer);
    weights.requireShape(name, shape);
    return () => weights.tensor(name);
  };
  const channels = reader(kernel, [innerSize, 1, taps]);
  const logarithms = reader(decay, [innerSize, stateSize]);
  const negative = async () => (await logarithms()).map((value) => -exp(value));
  return [
    [kernel, taps * innerSize, async () => transpose(await channels(), innerSize, taps)],
    ...kernelBias === undefined ? [] : [[kernelBias, innerSize, reader(kernelBias, [innerSize])] as const],
    [decay, innerSize * stateSize, negative],
    [skip, innerSize, reader(skip, [innerSize])],
  ];
}

/** Whether each head has a weight of its own. */
export function hasOwnHeads({ weight }: HeadNorms["query"]): boolean {
  return weight.includes("{head}");
}

function cut(
  values: Float32Array,
  width: number,
  rows: LinearNames["rows"],
): Float32Array {
  if (rows === undefined) return values;
  const { groups, size, start, count } = rows;
  const part = new Float32Array(groups * count * width);
  for (let group = 0; group < groups; group++) {
    const from = (group * size + start) * width;
    part.set(values.subarray(from, from + count * width), group * count * width);
  }
  return part;
}

function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) turned[j * rows + i] = values[i * columns + j];
  }
  return turned;
}
