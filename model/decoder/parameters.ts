/** The parameters of a model: which tensors its architecture needs of a checkpoint, checked but not read; a layer of them loaded. */
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import { alibiSlopes } from "./alibi.ts";
import {
  type Architecture,
  hasExperts,
  layerRoles,
  type LinearRole,
  linearShape,
  type NormNames,
  type StateSpace,
  tensorName,
} from "../architecture.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import {
  headNormWeight,
  linearBias,
  linearWeight,
  normWeight,
  type Reader,
  stateSpaceTensors,
} from "./tensors.ts";
import { ModelError } from "../error.ts";
import {
  denseLinear,
  type Linear,
  type Parameter,
  storedLinear,
  type StoredWeight,
  vectorParameter,
} from "./parameter.ts";
import { rotaryTable } from "./rotary.ts";
import type { LoadedExperts, LoadedLayer, LoadedNorm } from "./context.ts";

/** The key of a linear layer: `"3.down"`, or `"3.7.down"` of expert 7. */
export function linearKey(layer: number, role: LinearRole, expert?: number): string {
  return expert === undefined ? `${layer}.${role}` : `${layer}.${expert}.${role}`;
}

/** A matrix whose rows are looked up on the host. */
export interface Table {
  /** Name in the checkpoint. */
  readonly name: string;
  /** Rows and columns: `[vocabulary, width]`. */
  readonly shape: readonly [rows: number, columns: number];
  /** The float32 values, row-major. */
  values(): Promise<Float32Array>;
  /** What the values are stored as, where that is not float32. */
  readonly stored?: StoredWeight;
  /** Whether the values are the checkpoint's. */
  readonly isOriginal?: boolean;
}

/** What models made from one another share. */
export interface ModelParameters {
  /** Linear layers by `linearKey`. */
  readonly linears: ReadonlyMap<string, Parameter<Linear>>;
  /** Vectors by checkpoint name. */
  readonly vectors: ReadonlyMap<string, Parameter<DeviceBuffer>>;
  /** Replaced biases by `linearKey`. */
  readonly biases: ReadonlyMap<string, Float32Array>;
  /** Linear layers outside of the decoder layers, by name: output projection, projections of the embedding, routers. */
  readonly fixed: ReadonlyMap<string, Parameter<Linear>>;
  /** Tables of positions by name. */
  readonly tables: ReadonlyMap<string, Parameter<DeviceBuffer>>;
  /** Token embeddings on the host. */
  readonly embedding: Table;
  /** Learned position embeddings on the host, for models that have them. */
  readonly positions?: () => Promise<Float32Array>;
  /** The bias of the output projection, if there is one. */
  readonly headBias: (() => Promise<Float32Array>) | null;
}

/** Names of {@linkcode ModelParameters.fixed} and {@linkcode ModelParameters.tables}. */
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
export function parametersOf(
  architecture: Architecture,
  checkpoint: Checkpoint,
  device: Device,
): ModelParameters {
  const listing = new Listing(architecture, checkpoint, device);
  for (let layer = 0; layer < architecture.layers; layer++) listing.layer(layer);
  listing.tables();
  return { ...listing.maps, ...listing.ends(), biases: new Map() };
}

class Listing {
  readonly maps = {
    linears: new Map<string, Parameter<Linear>>(),
    vectors: new Map<string, Parameter<DeviceBuffer>>(),
    fixed: new Map<string, Parameter<Linear>>(),
    tables: new Map<string, Parameter<DeviceBuffer>>(),
  };

  constructor(
    private readonly architecture: Architecture,
    private readonly checkpoint: Checkpoint,
    private readonly device: Device,
  ) {}

  layer(layer: number): void {
    const { architecture, checkpoint } = this;
    this.#norm(architecture.attentionNorm, layer);
    this.#norm(architecture.mlpNorm, layer);
    this.#norm(architecture.outputNorms?.attention, layer);
    this.#norm(architecture.outputNorms?.mlp, layer);
    for (const operand of ["query", "key"] as const) {
      const names = architecture.headNorms?.[operand];
      if (names === undefined) continue;
      const values = headNormWeight(checkpoint, names, layer, architecture, operand);
      const count = operand === "query" ? architecture.heads : architecture.kvHeads;
      const perHead = architecture.headNorms?.over === "head" && !names.weight.includes("{head}");
      this.#vector(tensorName(names.weight, layer), (perHead ? 1 : count) * architecture.headDim, values);
    }
    for (const role of layerRoles(architecture, layer)) {
      const names = architecture.linears[role];
      if (names === undefined) continue;
      const shape = linearShape(architecture, role), name = tensorName(names.weight, layer);
      const weight = linearWeight(checkpoint, names, layer, shape);
      const bias = linearBias(checkpoint, names, layer, shape[0]);
      const stored = names.rows ?? names.transposed ? undefined : checkpoint.stored?.(name);
      const linear = stored === undefined
        ? denseLinear(this.device, name, shape, weight, bias)
        : storedLinear(this.device, name, stored, bias);
      this.maps.linears.set(linearKey(layer, role), linear.asOriginal());
    }
    if (hasExperts(architecture, layer)) this.#experts(layer);
    if (architecture.stateSpace !== undefined) this.#stateSpace(architecture.stateSpace, layer);
  }

  #stateSpace(shape: StateSpace, layer: number): void {
    for (const [template, length, values] of stateSpaceTensors(this.checkpoint, shape, layer)) {
      this.#vector(tensorName(template, layer), length, values);
    }
  }

  #experts(layer: number): void {
    const { experts, hiddenSize } = this.architecture;
    if (experts === undefined) return;
    const { count, intermediateSize, router, linears } = experts;
    this.maps.fixed.set(
      fixedNames.router(layer),
      this.#dense(tensorName(router, layer), [count, hiddenSize]),
    );
    for (let expert = 0; expert < count; expert++) {
      for (const role of ["gate", "up", "down"] as const) {
        const name = tensorName(linears[role].weight, layer).replace("{expert}", String(expert));
        const shape: readonly [number, number] = role === "down"
          ? [hiddenSize, intermediateSize]
          : [intermediateSize, hiddenSize];
        this.maps.linears.set(linearKey(layer, role, expert), this.#dense(name, shape));
      }
    }
  }

  /** From ids to hidden states, and from hidden states to logits. */
  ends(): Pick<ModelParameters, "embedding" | "positions" | "headBias"> {
    const { architecture, maps: { fixed } } = this;
    const { vocabularySize, hiddenSize, maxPositions, embeddingProjection, positions, headBias } =
      architecture;
    this.#norm(architecture.embeddingNorm);
    this.#norm(architecture.finalNorm);
    const width = embeddingProjection?.size ?? hiddenSize;
    const name = architecture.embedding, shape = [vocabularySize, width] as const;
    const stored = this.checkpoint.stored?.(name);
    const embedding = { name, shape, values: once(this.#plain(name, shape)), stored, isOriginal: true };
    if (embeddingProjection !== undefined) {
      fixed.set(fixedNames.into, this.#dense(embeddingProjection.into, [hiddenSize, width]));
      fixed.set(fixedNames.out, this.#dense(embeddingProjection.out, [width, hiddenSize]));
    }
    const bias = headBias === undefined ? null : this.#plain(headBias, [vocabularySize]);
    fixed.set(fixedNames.head, this.#dense(architecture.head, shape, bias));
    if (positions.kind !== "learned") return { embedding, headBias: bias };
    const learned = [maxPositions + positions.offset, hiddenSize];
    return { embedding, headBias: bias, positions: once(this.#plain(positions.tensor, learned)) };
  }

  tables(): void {
    const { positions, windowPositions, maxPositions, heads, headNorms, headDim } = this.architecture;
    const table = (name: string, length: number, values: () => Float32Array) =>
      this.maps.tables.set(
        name,
        vectorParameter(this.device, name, () => Promise.resolve(values()), [length]),
      );
    if (positions.kind === "rotary") {
      const { rotaryDim, scaling } = positions;
      table(fixedNames.rotary, maxPositions * rotaryDim, () => rotaryTable(positions, maxPositions));
      if (scaling?.kind === "longrope" && scaling.originalPositions < maxPositions) {
        const length = maxPositions * rotaryDim;
        table(fixedNames.longRotary, length, () => rotaryTable(positions, maxPositions, true));
      }
    }
    if (windowPositions !== undefined) {
      const length = maxPositions * windowPositions.rotaryDim;
      table(fixedNames.windowRotary, length, () => rotaryTable(windowPositions, maxPositions));
    }
    if (positions.kind === "alibi") {
      table(fixedNames.slopes, heads, () => alibiSlopes(heads, positions.scale));
    }
    if (headNorms?.query.weight.includes("{head}")) {
      table(fixedNames.ones, headDim, () => new Float32Array(headDim).fill(1));
    }
  }

  #norm(names: NormNames | null | undefined, layer = 0): void {
    if (!names) return;
    const { hiddenSize } = this.architecture, { weight, bias } = names;
    this.#vector(
      tensorName(weight, layer),
      hiddenSize,
      normWeight(this.checkpoint, names, layer, hiddenSize),
    );
    if (bias === undefined) return;
    const name = tensorName(bias, layer);
    this.#vector(name, hiddenSize, this.#plain(name, [hiddenSize]));
  }

  #vector(name: string, length: number, values: Reader): void {
    this.maps.vectors.set(name, vectorParameter(this.device, name, values, [length]).asOriginal());
  }

  #dense(tensor: string, shape: readonly [number, number], bias: Reader | null = null): Parameter<Linear> {
    const values = this.#plain(tensor, shape), stored = this.checkpoint.stored?.(tensor);
    return stored === undefined
      ? denseLinear(this.device, tensor, shape, values, bias).asOriginal()
      : storedLinear(this.device, tensor, stored, bias).asOriginal();
  }

  #plain(tensor: string, shape: readonly number[]): Reader {
    this.checkpoint.requireShape(tensor, shape);
    return () => this.checkpoint.tensor(tensor);
  }
}

/** A reader that reads at its first call and keeps the values. */
function once(read: Reader): Reader {
  let values: Promise<Float32Array> | null = null;
  return () => values ??= read();
}

/** The parameters of a layer, on the device. */
export async function loadLayer(
  parameters: ModelParameters,
  architecture: Architecture,
  index: number,
): Promise<LoadedLayer> {
  const { attentionNorm, mlpNorm, outputNorms, headNorms, stateSpace } = architecture;
  const norm = (names: NormNames) => loadNorm(parameters, names, index);
  const vector = (name: string) => required(parameters.vectors, tensorName(name, index)).load();
  const linears: Partial<Record<LinearRole, Linear>> = {};
  for (const role of layerRoles(architecture, index)) {
    linears[role] = await required(parameters.linears, linearKey(index, role)).load();
  }
  return {
    index,
    attentionNorm: await norm(attentionNorm),
    mlpNorm: await norm(mlpNorm),
    linears,
    ...(outputNorms && {
      outputNorms: { attention: await norm(outputNorms.attention), mlp: await norm(outputNorms.mlp) },
    }),
    ...(headNorms && {
      headNorms: {
        query: await vector(headNorms.query.weight),
        key: await vector(headNorms.key.weight),
        ones: await parameters.tables.get(fixedNames.ones)?.load() ?? null,
      },
    }),
    experts: await loadExperts(parameters, index),
    ...(stateSpace && {
      stateSpace: {
        kernel: await vector(stateSpace.tensors.kernel),
        kernelBias: stateSpace.tensors.kernelBias === undefined
          ? null
          : await vector(stateSpace.tensors.kernelBias),
        decay: await vector(stateSpace.tensors.decay),
        skip: await vector(stateSpace.tensors.skip),
      },
    }),
  };
}

/** A norm, on the device. */
export async function loadNorm(
  { vectors }: ModelParameters,
  { weight, bias }: NormNames,
  layer = 0,
): Promise<LoadedNorm> {
  return {
    weight: await required(vectors, tensorName(weight, layer)).load(),
    bias: bias === undefined ? null : await required(vectors, tensorName(bias, layer)).load(),
  };
}

/** Frees the linear layers of a layer; the next load makes them again. */
export function evictLayer({ linears, fixed }: ModelParameters, index: number): void {
  for (const all of [linears, fixed]) {
    for (const [name, one] of all) if (name.startsWith(`${index}.`)) one.evict();
  }
}

/**
 * A parameter by name.
 *
 * @throws {ModelError} `option`, when there is none
 */
export function required<T extends Disposable>(
  all: ReadonlyMap<string, Parameter<T>>,
  name: string,
): Parameter<T> {
  const found = all.get(name);
  if (found === undefined) throw new ModelError("option", `the model has no parameter ${name}`);
  return found;
}

/** The experts of a layer, loaded one at a time. */
async function loadExperts(
  { fixed, linears }: ModelParameters,
  layer: number,
): Promise<LoadedExperts | undefined> {
  const router = fixed.get(fixedNames.router(layer));
  if (router === undefined) return undefined;
  const get = (expert: number, role: LinearRole) => required(linears, linearKey(layer, role, expert)).load();
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
