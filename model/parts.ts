/** The parameters of a model: which tensors its architecture needs of a checkpoint, checked but not read. */
import type { Device, DeviceBuffer } from "../kernels/device.ts";
import { alibiSlopes } from "./alibi.ts";
import {
  type Architecture,
  hasExperts,
  layerRoles,
  type LinearRole,
  linearShape,
  type NormNames,
  tensorName,
} from "./architecture.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { LoadedExperts } from "./experts.ts";
import { headNormWeight, linearBias, linearWeight, normWeight, type Reader } from "./layout.ts";
import { denseLinear, type Linear, type Parameter, vectorParameter } from "./parameter.ts";
import { rotaryTable } from "./rotary.ts";

/** The key of a linear layer: `"3.down"`, or `"3.7.down"` of expert 7. */
export function linearKey(layer: number, role: LinearRole, expert?: number): string {
  return expert === undefined ? `${layer}.${role}` : `${layer}.${expert}.${role}`;
}

/** What models made from one another share. */
export interface Parts {
  /** Linear layers by `linearKey`. */
  readonly linears: ReadonlyMap<string, Parameter<Linear>>;
  /** Vectors by checkpoint name. */
  readonly vectors: ReadonlyMap<string, Parameter<DeviceBuffer>>;
  /** Replaced biases by `linearKey`. */
  readonly biases: ReadonlyMap<string, Float32Array>;
  /** What no method replaces, by name: output projection, projections of the embedding, routers. */
  readonly fixed: ReadonlyMap<string, Parameter<Linear>>;
  /** Tables of positions by name. */
  readonly tables: ReadonlyMap<string, Parameter<DeviceBuffer>>;
}

/** Names of {@linkcode Parts.fixed} and {@linkcode Parts.tables}. */
export const fixedNames = {
  head: "head",
  into: "embedding.into",
  out: "embedding.out",
  router: (layer: number): string => `${layer}.router`,
  rotary: "rotary",
  longRotary: "rotary.long",
  windowRotary: "rotary.window",
  slopes: "slopes",
  ones: "ones",
} as const;

/** Lists the parameters of an architecture and checks their shapes; nothing is read. */
export function partsOf(architecture: Architecture, checkpoint: Checkpoint, device: Device): Parts {
  const linears = new Map<string, Parameter<Linear>>(), fixed = new Map<string, Parameter<Linear>>();
  const vectors = new Map<string, Parameter<DeviceBuffer>>(),
    tables = new Map<string, Parameter<DeviceBuffer>>();
  const { vocabularySize, hiddenSize, headDim, positions, maxPositions, embeddingProjection } = architecture;
  const plain = (tensor: string, shape: readonly number[]): Reader => {
    checkpoint.requireShape(tensor, shape);
    return () => checkpoint.tensor(tensor);
  };
  const vector = (name: string, length: number, values: Reader) =>
    vectors.set(name, vectorParameter(device, name, values, [length]));
  const norm = (names: NormNames | null | undefined, layer = 0) => {
    if (!names) return;
    const { weight, bias } = names;
    vector(tensorName(weight, layer), hiddenSize, normWeight(checkpoint, names, layer, hiddenSize));
    if (bias === undefined) return;
    const name = tensorName(bias, layer);
    vector(name, hiddenSize, plain(name, [hiddenSize]));
  };
  const dense = (tensor: string, shape: readonly [number, number], bias: Reader | null = null) =>
    denseLinear(device, tensor, shape, plain(tensor, shape), bias);

  for (let layer = 0; layer < architecture.layers; layer++) {
    norm(architecture.attentionNorm, layer);
    norm(architecture.mlpNorm, layer);
    norm(architecture.outputNorms?.attention, layer);
    norm(architecture.outputNorms?.mlp, layer);
    for (const operand of ["query", "key"] as const) {
      const names = architecture.headNorms?.[operand];
      if (names === undefined) continue;
      const values = headNormWeight(checkpoint, names, layer, architecture, operand);
      const count = operand === "query" ? architecture.heads : architecture.kvHeads;
      const perHead = architecture.headNorms?.over === "head" && !names.weight.includes("{head}");
      vector(tensorName(names.weight, layer), perHead ? headDim : count * headDim, values);
    }
    for (const role of layerRoles(architecture, layer)) {
      const names = architecture.linears[role];
      if (names === undefined) continue;
      const shape = linearShape(architecture, role), name = tensorName(names.weight, layer);
      const weight = linearWeight(checkpoint, names, layer, shape);
      const bias = linearBias(checkpoint, names, layer, shape[0]);
      linears.set(linearKey(layer, role), denseLinear(device, name, shape, weight, bias));
    }
    if (architecture.experts !== undefined && hasExperts(architecture, layer)) {
      const { count, intermediateSize, router, linears: names } = architecture.experts;
      fixed.set(fixedNames.router(layer), dense(tensorName(router, layer), [count, hiddenSize]));
      for (let expert = 0; expert < count; expert++) {
        for (const role of ["gate", "up", "down"] as const) {
          const name = tensorName(names[role].weight, layer).replace("{expert}", String(expert));
          const shape: readonly [number, number] = role === "down"
            ? [hiddenSize, intermediateSize]
            : [intermediateSize, hiddenSize];
          linears.set(linearKey(layer, role, expert), dense(name, shape));
        }
      }
    }
  }
  norm(architecture.embeddingNorm);
  norm(architecture.finalNorm);
  const width = embeddingProjection?.size ?? hiddenSize;
  plain(architecture.embedding, [vocabularySize, width]);
  if (embeddingProjection !== undefined) {
    fixed.set(fixedNames.into, dense(embeddingProjection.into, [hiddenSize, width]));
    fixed.set(fixedNames.out, dense(embeddingProjection.out, [width, hiddenSize]));
  }
  const { headBias } = architecture;
  const bias = headBias === undefined ? null : plain(headBias, [vocabularySize]);
  fixed.set(fixedNames.head, dense(architecture.head, [vocabularySize, width], bias));

  if (positions.kind === "learned") plain(positions.tensor, [maxPositions + positions.offset, hiddenSize]);
  const table = (name: string, length: number, values: () => Float32Array) =>
    tables.set(name, vectorParameter(device, name, () => Promise.resolve(values()), [length]));
  if (positions.kind === "rotary") {
    const { rotaryDim, scaling } = positions;
    table(fixedNames.rotary, maxPositions * rotaryDim, () => rotaryTable(positions, maxPositions));
    if (scaling?.kind === "longrope" && scaling.originalPositions < maxPositions) {
      const length = maxPositions * rotaryDim;
      table(fixedNames.longRotary, length, () => rotaryTable(positions, maxPositions, true));
    }
  }
  const { windowPositions, headNorms } = architecture;
  if (windowPositions !== undefined) {
    const length = maxPositions * windowPositions.rotaryDim;
    table(fixedNames.windowRotary, length, () => rotaryTable(windowPositions, maxPositions));
  }
  if (positions.kind === "alibi") {
    table(fixedNames.slopes, architecture.heads, () => alibiSlopes(architecture.heads, positions.scale));
  }
  if (headNorms?.query.weight.includes("{head}")) {
    table(fixedNames.ones, headDim, () => new Float32Array(headDim).fill(1));
  }
  return { linears, vectors, biases: new Map(), fixed, tables };
}

/** The experts of a layer, loaded one at a time. */
export async function loadExperts(
  { fixed, linears }: Parts,
  layer: number,
): Promise<LoadedExperts | undefined> {
  const router = fixed.get(fixedNames.router(layer));
  if (router === undefined) return undefined;
  const get = (expert: number, role: LinearRole): Promise<Linear> => {
    const found = linears.get(linearKey(layer, role, expert));
    if (found === undefined) throw new RangeError(`unreachable: expert ${expert} is listed with its router`);
    return found.load();
  };
  return {
    router: await router.load(),
    async load(expert) {
      const [gate, up, down] = await Promise.all(
        (["gate", "up", "down"] as const).map((role) => get(expert, role)),
      );
      return { gate, up, down };
    },
  };
}
