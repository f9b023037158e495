/** A decoder rotated: norms fused, hidden states and values turned in the weights, the rest online. */
import { hadamard } from "../../kernels/host/hadamard.ts";
import {
  type Architecture,
  layerRoles,
  type LinearRole,
  type NormNames,
  siteOfRole,
  tensorName,
} from "../../model/architecture.ts";
import type { DeviceBuffer } from "../../kernels/device.ts";
import type { OnlineRotations } from "../../model/decoder/rotation.ts";
import { linearKey, type Table } from "../../model/decoder/parameters.ts";
import { denseLinear, type Linear, type Parameter, vectorParameter } from "../../model/decoder/parameter.ts";
import type { Changes, Model } from "../../model/model.ts";
import { SchemeError } from "../error.ts";
import type { Rotation } from "./rotation.ts";

/** What is rotated. */
export interface RotationPlan {
  /** Name of the method, for messages. */
  readonly method: string;
  /** Hidden states: embedding, all that reads the residual stream and all that adds to it. */
  readonly hidden: Rotation | null;
  /** Values of each head of a layer: rows of the value projection, columns of the output projection. */
  readonly values: ((layer: number) => Rotation) | null;
  /** What runs for every token. */
  readonly online: OnlineRotations;
  /** Whether the mean of each embedding row is removed also where the model's norms do not do so (QuaRot's code does). */
  readonly centered?: boolean;
}

/**
 * The rotated model, in float64 up to the weights. Norms with a mean (LayerNorm) become root mean square norms: what adds to the hidden
 * states then has its mean removed, so that theirs is zero.
 *
 * @throws {SchemeError} `combination` where an operation between the rotations does not commute with them
 */
export async function rotateModel(model: Model, plan: RotationPlan, change: unknown): Promise<Model> {
  requireRotatable(model, plan);
  const { architecture, device } = model, rotated = new RotatedWeights(model, plan);
  const linears = new Map<string, Parameter<Linear>>(), vectors = new Map<string, Parameter<DeviceBuffer>>();
  const biases = new Map<string, Float32Array>();
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const role of layerRoles(architecture, layer)) {
      if (plan.hidden === null && !rotated.touches(role)) continue;
      const { name, shape: [out, inputs] } = model.linear(layer, role), key = linearKey(layer, role);
      const values = () => rotated.weight(layer, role), bias = await rotated.bias(layer, role);
      if (bias !== null) biases.set(key, bias);
      const read = bias && (() => Promise.resolve(bias));
      linears.set(key, denseLinear(device, name, [out, inputs], values, read));
    }
    if (plan.hidden === null) continue;
    for (const { weight } of [architecture.attentionNorm, architecture.mlpNorm]) {
      const name = tensorName(weight, layer);
      vectors.set(name, ones(model, name));
    }
  }
  const ends = await rotated.ends(vectors);
  return model.with({ linears, vectors, biases, rotations: plan.online, ...ends, change });
}

function ones({ device, architecture: { hiddenSize } }: Model, name: string): Parameter<DeviceBuffer> {
  return vectorParameter(device, name, () => Promise.resolve(new Float32Array(hiddenSize).fill(1)), [
    hiddenSize,
  ]);
}

/** What stands in the way of a rotation, by name. */
function requireRotatable(model: Model, { method, hidden, values, online }: RotationPlan): void {
  const { architecture, interventions, cacheFactory, rotations } = model;
  const {
    norm,
    normPlace,
    outputNorms,
    embeddingNorm,
    embeddingProjection,
    finalNorm,
    headNorms,
    clip,
    family,
  } = architecture;
  const quantized = Array.from({ length: architecture.layers }, (_, layer) => layer).some((layer) =>
    layerRoles(architecture, layer).some((role) => {
      const { stored, isOriginal } = model.linear(layer, role);
      // What a file stores in codes has values like any other.
      return stored !== undefined && !isOriginal;
    })
  );
  const twice = (["heads", "down", "keys"] as const).find((one) => online[one] && rotations[one]);
  const reason = architecture.experts !== undefined
    ? "it has a mixture of experts"
    : quantized || interventions.length > 0 || cacheFactory !== null
    ? "it is quantized already"
    : twice !== undefined
    ? `its ${twice} are rotated already`
    : values !== null && clip !== undefined
    ? "its values are clamped, which no rotation of them preserves"
    : hidden === null
    ? null
    : normPlace !== undefined || outputNorms !== undefined
    ? "a norm acts on what its blocks add, and its factors cannot be fused"
    : embeddingNorm !== undefined
    ? "its embedding has a norm of its own"
    : embeddingProjection !== undefined || finalNorm === null
    ? "its embedding has projections of its own, or its head no norm"
    : norm.kind === "layer" && headNorms !== undefined
    ? "its queries and keys have a norm that removes their mean"
    : null;
  if (reason === null) return;
  throw new SchemeError("combination", `${method}: ${model.name} (${family}) cannot be rotated: ${reason}`);
}

/** Weights and biases as the rotations leave them, computed when they are read. */
class RotatedWeights {
  readonly #embedding: Table["values"];

  constructor(private readonly model: Model, private readonly plan: RotationPlan) {
    let values: Promise<Float32Array> | undefined;
    this.#embedding = () =>
      values ??= this.#table(() => model.embedding.values(), this.#centers || !!plan.centered);
  }

  get #architecture(): Architecture {
    return this.model.architecture;
  }

  /** Whether norms remove a mean. */
  get #centers(): boolean {
    return this.#architecture.norm.kind === "layer";
  }

  /** Whether a role has something to do with values or online rotations. */
  touches(role: LinearRole): boolean {
    const { values, online } = this.plan;
    return (role === "v" || role === "o") && values !== null || role === "o" && !!online.heads ||
      role === "down" && !!online.down;
  }

  async weight(layer: number, role: LinearRole): Promise<Float32Array> {
    const { heads, kvHeads, headDim, hiddenSize, intermediateSize } = this.#architecture;
    const { hidden, values, online } = this.plan;
    const parameter = this.model.linear(layer, role), [out, inputs] = parameter.shape;
    const weight = Float64Array.from(await parameter.values());
    const norm = this.#normOf(role);
    if (norm !== undefined) multiplyColumns(weight, await this.#vector(norm.weight, layer));
    if (hidden !== null && this.#reads(role)) hidden.apply(weight, out);
    if (role === "o") {
      values?.(layer).apply(weight, out * heads);
      if (online.heads) hadamard(weight, { rows: out, size: heads, stride: headDim });
    }
    if (role === "down" && online.down) hadamard(weight, { rows: out, size: intermediateSize });
    if (hidden !== null && !this.#reads(role)) {
      if (this.#centers) removeMean(weight, 1, hiddenSize, inputs);
      hidden.apply(weight, 1, inputs);
    }
    if (role === "v") values?.(layer).apply(weight, kvHeads, inputs);
    return Float32Array.from(weight);
  }

  async bias(layer: number, role: LinearRole): Promise<Float32Array | null> {
    const shift = this.#normOf(role)?.bias, own = await this.model.bias(layer, role)?.();
    if (own === undefined && shift === undefined) return null;
    const { kvHeads } = this.#architecture, { hidden, values } = this.plan;
    const parameter = this.model.linear(layer, role), [out] = parameter.shape;
    const bias = Float64Array.from(own ?? new Float64Array(out));
    if (shift !== undefined) addProduct(bias, await parameter.values(), await this.#vector(shift, layer));
    if (hidden !== null && !this.#reads(role)) {
      if (this.#centers) removeMean(bias, 1, out, 1);
      hidden.apply(bias, 1);
    }
    if (role === "v") values?.(layer).apply(bias, kvHeads);
    return Float32Array.from(bias);
  }

  /** Embedding, positions, final norm and output projection; and what the decoder then computes. */
  async ends(vectors: Map<string, Parameter<DeviceBuffer>>): Promise<Partial<Changes>> {
    const { hidden } = this.plan, { model } = this, { head, headBias, positions } = model;
    const { finalNorm, hiddenSize, norm } = this.#architecture;
    if (hidden === null || finalNorm === null) return {};
    const name = tensorName(finalNorm.weight, 0),
      tied = this.#architecture.head === this.#architecture.embedding;
    vectors.set(name, ones(model, name));
    const values = async () => {
      const weight = Float64Array.from(await head.values());
      multiplyColumns(weight, await this.#vector(finalNorm.weight, 0));
      hidden.apply(weight, weight.length / hiddenSize);
      return Float32Array.from(weight);
    };
    const sums = Float64Array.from(await headBias?.() ?? new Float64Array(head.shape[0]));
    if (finalNorm.bias !== undefined) {
      addProduct(sums, await head.values(), await this.#vector(finalNorm.bias, 0));
    }
    const bias = finalNorm.bias === undefined && headBias === null ? null : Float32Array.from(sums);
    const learned = positions && await this.#table(positions, this.#centers);
    const readBias = bias && (() => Promise.resolve(bias));
    const headName = tied ? "lm_head.weight" : head.name, [rows, columns] = head.shape;
    const { name: embeddingName, shape } = model.embedding;
    return {
      embedding: { name: embeddingName, shape, values: this.#embedding },
      head: denseLinear(model.device, headName, [rows, columns], values, readBias),
      ...readBias && { headBias: readBias },
      ...learned && { positions: () => Promise.resolve(learned) },
      architecture: {
        ...this.#architecture,
        norm: { ...norm, kind: "rms" },
        head: headName,
        attentionNorm: withoutBias(this.#architecture.attentionNorm),
        mlpNorm: withoutBias(this.#architecture.mlpNorm),
        finalNorm: withoutBias(finalNorm),
      },
    };
  }

  /** Rows of hidden states, rotated. */
  async #table(read: () => Promise<Float32Array>, centered: boolean): Promise<Float32Array> {
    const { hiddenSize } = this.#architecture, rows = Float64Array.from(await read());
    if (centered) removeMean(rows, rows.length / hiddenSize, hiddenSize, 1);
    this.plan.hidden?.apply(rows, rows.length / hiddenSize);
    return Float32Array.from(rows);
  }

  /** Whether a linear layer reads hidden states; the others add to them. */
  #reads(role: LinearRole): boolean {
    const site = siteOfRole(role);
    return site === "attention" || site === "mlp";
  }

  /** The norm that is fused into a linear layer. */
  #normOf(role: LinearRole): NormNames | undefined {
    if (this.plan.hidden === null || !this.#reads(role)) return undefined;
    const { attentionNorm, mlpNorm } = this.#architecture;
    return siteOfRole(role) === "attention" ? attentionNorm : mlpNorm;
  }

  #vector(template: string, layer: number): Promise<Float32Array> {
    return this.model.vector(tensorName(template, layer)).values();
  }
}

function withoutBias({ bias: _, ...norm }: NormNames): NormNames {
  return norm;
}

/** `w[i, j] *= factors[j]` */
function multiplyColumns(weight: Float64Array, factors: Float32Array): void {
  for (let k = 0; k < weight.length; k++) weight[k] *= factors[k % factors.length];
}

/** `y += W x` */
function addProduct(y: Float64Array, weight: Float32Array, x: Float32Array): void {
  for (let k = 0; k < weight.length; k++) y[Math.floor(k / x.length)] += weight[k] * x[k % x.length];
}

/** Makes the mean of each vector of a `[rows, size, stride]` array zero. */
export function removeMean(x: Float64Array, rows: number, size: number, stride: number): void {
  for (let row = 0; row < rows; row++) {
    for (let inner = 0; inner < stride; inner++) {
      const start = row * size * stride + inner;
      let sum = 0;
      for (let i = 0; i < size; i++) sum += x[start + i * stride];
      for (let i = 0; i < size; i++) x[start + i * stride] -= sum / size;
    }
  }
}
