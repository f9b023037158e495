/** What all checkpoint formats of quantized models share: the tensors that stay as they are, and the quantized weights. */
import {
  layerLinears,
  type LinearNames,
  type LinearRole,
  type NormNames,
  tensorName,
} from "../../model/architecture.ts";
import { architectureOf } from "../../model/families.ts";
import type { Model } from "../../model/model.ts";
import { TableWeight } from "../weights/table.ts";
import { UniformWeight } from "../weights/uniform.ts";
import { heldWeightOf } from "../weights/linear.ts";
import { sizes } from "../weights/sizes.ts";
import { SchemeError } from "../error.ts";

/** A quantized linear layer under its name in the checkpoint, without `.weight`. */
export interface QuantizedLayer {
  /** Name of the layer, such as `model.layers.0.self_attn.q_proj`. */
  readonly name: string;
  /** What it does. */
  readonly role: LinearRole;
  /** Its weight. */
  readonly weight: UniformWeight;
}

/** A linear layer of codes into a table, under its name in the checkpoint, without `.weight`. */
export interface TableLayer extends Omit<QuantizedLayer, "weight"> {
  /** Its weight. */
  readonly weight: TableWeight;
}

/** Values of a tensor in float32. */
export interface PlainTensor {
  /** Dimensions. */
  readonly shape: readonly number[];
  /** Values, row-major. */
  readonly values: Float32Array;
}

/**
 * Splits a model into quantized layers, of integers and of codes into a table, and plain tensors, by their names in the checkpoint;
 * `dense` names the linear layers among the plain ones, without `.weight`. Models with `experts` are refused unless the format has them.
 *
 * @throws {SchemeError} `combination` when the model computes something that no checkpoint can say, `method` when a weight
 * is stored in codes that the formats do not have
 */
export async function splitTensors(
  model: Model,
  experts = false,
): Promise<
  { quantized: QuantizedLayer[]; floats: TableLayer[]; plain: Map<string, PlainTensor>; dense: string[] }
> {
  requirePlain(model, experts);
  const { architecture, checkpoint } = model;
  const plain = new Map<string, PlainTensor>();
  const quantized: QuantizedLayer[] = [], floats: TableLayer[] = [], dense: string[] = [];
  const taken = new Set<string>();
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const { role, expert } of layerLinears(architecture, layer)) {
      const names = expert === undefined
        ? architecture.linears[role]
        : architecture.experts?.linears[role as "gate" | "up" | "down"];
      if (names === undefined) continue;
      const name = tensorName(names.weight, layer).replace("{expert}", String(expert));
      const parameter = model.linear(layer, role, expert);
      const packed = await heldWeightOf(model, layer, role, expert);
      taken.add(name);
      if (packed === undefined) {
        plain.set(name, { shape: parameter.shape, values: await parameter.values() });
        dense.push(name.replace(/\.weight$/, ""));
      } else if (packed instanceof UniformWeight) {
        quantized.push({ name: name.replace(/\.weight$/, ""), role, weight: packed });
      } else if (packed instanceof TableWeight) {
        floats.push({ name: name.replace(/\.weight$/, ""), role, weight: packed });
      } else {
        throw new SchemeError(
          "method",
          `${name}: its codes are neither integers nor floats with one scale per group`,
        );
      }
      const bias = expert === undefined ? await model.bias(layer, role)?.() : undefined;
      if (names.bias !== undefined && bias !== undefined) {
        const at = tensorName(names.bias, layer);
        taken.add(at);
        plain.set(at, { shape: [bias.length], values: bias });
      }
    }
    const norms = [architecture.attentionNorm, architecture.mlpNorm];
    for (const norm of norms) await addNorm(model, norm, layer, plain, taken);
  }
  await addEnds(model, plain, taken);
  // Buffers of old checkpoints, tied matrices that are there twice, layers beyond the model's: nobody would read them.
  const used = new Set(sizes(model).parts.map((part) => part.name));
  for (const name of checkpoint.names()) {
    if (taken.has(name) || !used.has(name)) continue;
    plain.set(name, { shape: checkpoint.shape(name), values: await checkpoint.tensor(name) });
  }
  return { quantized, floats, plain, dense };
}

/** The embedding, the last norm and the output projection as they are by now: rotations and schemes of the ends change them. */
async function addEnds(
  model: Model,
  plain: Map<string, PlainTensor>,
  taken: Set<string>,
): Promise<void> {
  const { architecture, embedding, head } = model;
  plain.set(architecture.embedding, { shape: embedding.shape, values: await embedding.values() });
  taken.add(architecture.embedding);
  if (architecture.finalNorm !== null) await addNorm(model, architecture.finalNorm, 0, plain, taken);
  if (architecture.head === architecture.embedding) return;
  plain.set(architecture.head, { shape: head.shape, values: await head.values() });
  taken.add(architecture.head);
}

async function addNorm(
  model: Model,
  { weight, bias, stored }: NormNames,
  layer: number,
  plain: Map<string, PlainTensor>,
  taken: Set<string>,
): Promise<void> {
  for (const template of [weight, bias]) {
    if (template === undefined) continue;
    const name = tensorName(template, layer);
    const values = await model.vector(name).values();
    taken.add(name);
    // Smoothing changes what OLMo does not store: its norms cannot hold it.
    if (stored === "nothing") {
      if (values.some((value) => value !== 1)) {
        throw new SchemeError("combination", `${name} was smoothed, but the checkpoint has no such tensor`);
      }
      continue;
    }
    const shifted = stored === "minusOne" ? values.map((value) => value - 1) : values;
    plain.set(name, { shape: [values.length], values: shifted });
  }
}

/** What a model computes beside its parameters, which no format of weights says. */
export function onlinePart({ rotations, interventions, cacheFactory }: Model): string | null {
  const turned = Object.entries(rotations).filter(([, on]) => on).map(([name]) => name);
  return turned.length > 0
    ? `a Hadamard transform runs for every token (${
      turned.join(", ")
    }): expected a rotation of hidden states alone`
    : interventions.length > 0
    ? "activations or attention operands are quantized on the fly"
    : cacheFactory !== null
    ? "its cache is quantized"
    : null;
}

function requirePlain(model: Model, experts: boolean): void {
  const { name, architecture, checkpoint, headBias } = model;
  const fused = (Object.values(architecture.linears) as LinearNames[]).some((one) =>
    one.rows ?? one.transposed
  );
  const renormed = architectureOf(checkpoint.config).norm.kind !== architecture.norm.kind;
  const tied = architecture.head === architecture.embedding;
  const split = tied && model.embedding.stored !== model.head.stored;
  const reason = onlinePart(model) ??
    (renormed || headBias !== null && architecture.headBias === undefined
      ? "its norms remove no mean any more, which its family cannot say"
      : split
      ? "its embedding is quantized apart from the output projection that shares it"
      : architecture.experts && !experts
      ? "it is a mixture of experts"
      : fused
      ? `the weights of ${architecture.family} are stored fused or transposed`
      : null);
  if (reason !== null) throw new SchemeError("combination", `${name} cannot be exported: ${reason}`);
}

/** Words of 32 bits that hold `bits`-bit values, the first in the low bits, column by column of a `[rows, columns]` matrix. */
export function packWords(
  values: Uint8Array,
  rows: number,
  columns: number,
  bits: number,
): Int32Array<ArrayBuffer> {
  const perWord = 32 / bits, words = Math.ceil(rows / perWord);
  const packed = new Int32Array(words * columns);
  for (let row = 0; row < rows; row++) {
    const word = Math.floor(row / perWord), shift = bits * (row % perWord);
    for (let column = 0; column < columns; column++) {
      packed[word * columns + column] |= values[row * columns + column] << shift;
    }
  }
  return packed;
}

/** `[columns, rows]` of `[rows, columns]`. */
export function transposed<T extends Uint8Array | Float32Array>(values: T, rows: number, columns: number): T {
  const turned = values.slice() as T;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) turned[j * rows + i] = values[i * columns + j];
  }
  return turned;
}

/** A weight's parts in the weight's own column order, with scales and zero points `[out, groups]`. */
export interface OrderedWeight {
  /** Codes `[out, in]`. */
  readonly codes: Uint8Array;
  /** Columns that share a scale; all of a row's where one scale is shared by all weights. */
  readonly groupSize: number;
  /** Groups of a row. */
  readonly groups: number;
  /** `[out, groups]` */
  readonly scales: Float32Array;
  /** `[out, groups]` */
  readonly zeros: Uint8Array;
  /** The group of each column. */
  readonly groupOfColumn: Int32Array<ArrayBuffer>;
}

/** Undoes the permutation of a weight's columns; groups are then no longer neighbours. */
export function ordered(weight: UniformWeight): OrderedWeight {
  const [rows, columns] = weight.shape;
  const groupSize = Math.min(weight.groupSize, columns), groups = columns / groupSize;
  const stored = weight.codes(), zeros = weight.zeros();
  const codes = new Uint8Array(stored.length), groupOfColumn = new Int32Array(columns);
  for (let j = 0; j < columns; j++) {
    const column = weight.permutation?.[j] ?? j;
    groupOfColumn[column] = Math.floor(j / groupSize);
    for (let row = 0; row < rows; row++) codes[row * columns + column] = stored[row * columns + j];
  }
  const count = rows * groups;
  const one = weight.scales.length === 1 && count > 1;
  return {
    codes,
    groupSize,
    groups,
    scales: one ? new Float32Array(count).fill(weight.scales[0]) : weight.scales,
    zeros: one ? new Uint8Array(count).fill(zeros[0]) : zeros,
    groupOfColumn,
  };
}

/** The one number of bits and group size of all quantized layers. */
export function commonShape(
  quantized: readonly QuantizedLayer[],
  format: string,
): { bits: number; groupSize: number } {
  const [first] = quantized;
  if (first === undefined) throw new SchemeError("combination", `${format}: no weight is quantized`);
  const sizeOf = ({ weight }: QuantizedLayer) => weight.groupSize >= weight.shape[1] ? -1 : weight.groupSize;
  for (const layer of quantized) {
    if (layer.weight.bits !== first.weight.bits || sizeOf(layer) !== sizeOf(first)) {
      throw new SchemeError(
        "combination",
        `${format}: ${layer.name} has other bits or groups than ${first.name}`,
      );
    }
  }
  return { bits: first.weight.bits, groupSize: sizeOf(first) };
}
