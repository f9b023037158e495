/** A decoder-only language model: parameters on a device, a tokenizer, and the forward pass. */
import { hashOf } from "../base/hash.ts";
import type { JsonObject } from "../base/json.ts";
import { show } from "../base/show.ts";
import type { Device, DeviceBuffer } from "../kernels/device.ts";
import { type Architecture, type LinearRole, linearShape } from "./architecture.ts";
import type { CacheFactory, KeyValueCache } from "./decoder/cache.ts";
import type { Checkpoint } from "./checkpoint/checkpoint.ts";
import { runLayer } from "./decoder.ts";
import type { LoadedLayer, PassContext } from "./decoder/context.ts";
import { embed, final, project } from "./decoder/ends.ts";
import {
  evictLayer,
  fixedNames,
  linearKey,
  loadLayer,
  type ModelParameters,
  parametersOf,
  required,
  type Table,
} from "./decoder/parameters.ts";
import { type GenerateOptions, generateTokens } from "./generate.ts";
import type { Intervention } from "./decoder/intervention.ts";
import type { OnlineRotations } from "./decoder/rotation.ts";
import { RecurrentState } from "./decoder/recurrent_state.ts";
import { infiniteRow, overflowOf, requireNumbers } from "./decoder/numbers.ts";
import { linearBias } from "./decoder/tensors.ts";
import { ModelError } from "./error.ts";
import type { Linear, Parameter } from "./decoder/parameter.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";

/** What distinguishes a model from the one it was made from. */
export interface Changes {
  /** Replaced linear layers, by `linearKey(layer, role, expert)`. */
  readonly linears?: ReadonlyMap<string, Parameter<Linear>>;
  /** Replaced vectors (norm weights, biases), by checkpoint name. */
  readonly vectors?: ReadonlyMap<string, Parameter<DeviceBuffer>>;
  /** Replaced biases of linear layers, by `linearKey(layer, role)`; the layers themselves are replaced with them. */
  readonly biases?: ReadonlyMap<string, Float32Array>;
  /** A replaced output projection. */
  readonly head?: Parameter<Linear>;
  /** A replaced embedding. */
  readonly embedding?: Table;
  /** Replaced learned position embeddings. */
  readonly positions?: () => Promise<Float32Array>;
  /** A replaced bias of the output projection, which `head` has been given too. */
  readonly headBias?: () => Promise<Float32Array>;
  /** What the decoder computes, where a rewrite of the parameters changes that: a norm of another kind. */
  readonly architecture?: Architecture;
  /** Hadamard transforms that run for every token, beside those that the model has. */
  readonly rotations?: OnlineRotations;
  /** Added after those that the model has. */
  readonly interventions?: readonly Intervention[];
  /** The cache that generation and prompt attention go through. */
  readonly cache?: CacheFactory;
  /** Added to the model's provenance, as JSON. */
  readonly change: unknown;
}

/** A loaded model. Made by `loadModel`; `quantize` makes new ones that share unchanged parameters. */
export class Model implements Disposable {
  readonly #parameters: ModelParameters;
  #disposed = false;

  private constructor(
    /** The specifier that the model was loaded from. */
    readonly name: string,
    readonly architecture: Architecture,
    readonly device: Device,
    readonly tokenizer: Tokenizer,
    /** The checkpoint that the model was made from; what was changed since is not in it. */
    readonly checkpoint: Checkpoint,
    /** Whether the parameters of one layer at a time are kept on the device. */
    readonly streaming: boolean,
    parameters: ModelParameters,
    /** Hadamard transforms that run for every token. */
    readonly rotations: OnlineRotations = {},
    /** Quantizers of activations and attention operands. */
    readonly interventions: readonly Intervention[] = [],
    /** The cache that attention goes through, when it is not the plain one. */
    readonly cacheFactory: CacheFactory | null = null,
    /** What was done to the checkpoint, in order, as JSON values. */
    readonly changes: readonly unknown[] = [],
  ) {
    this.#parameters = parameters;
  }

  /** Makes a model of a checkpoint; nothing but shapes is read before it runs. */
  static create(
    { name, architecture, checkpoint, tokenizer, device, streaming = false }: {
      name: string;
      architecture: Architecture;
      checkpoint: Checkpoint;
      tokenizer: Tokenizer;
      device: Device;
      streaming?: boolean;
    },
  ): Model {
    const parameters = parametersOf(architecture, checkpoint, device);
    return new Model(name, architecture, device, tokenizer, checkpoint, streaming, parameters);
  }

  /** A model with some parts replaced; the rest is shared. */
  with(changes: Changes): Model {
    const merge = <T extends Disposable>(
      old: ReadonlyMap<string, Parameter<T>>,
      fresh: ReadonlyMap<string, Parameter<T>> = new Map(),
    ): Map<string, Parameter<T>> =>
      new Map([...old].map(([key, one]) => [key, fresh.get(key) ?? one.retain()]));
    return new Model(
      this.name,
      changes.architecture ?? this.architecture,
      this.device,
      this.tokenizer,
      this.checkpoint,
      this.streaming,
      {
        ...this.#parameters,
        linears: merge(this.#parameters.linears, changes.linears),
        vectors: merge(this.#parameters.vectors, changes.vectors),
        biases: new Map([...this.#parameters.biases, ...changes.biases ?? []]),
        fixed: merge(this.#parameters.fixed, new Map(changes.head && [[fixedNames.head, changes.head]])),
        embedding: changes.embedding ?? this.#parameters.embedding,
        tables: merge(this.#parameters.tables),
        positions: changes.positions ?? this.#parameters.positions,
        headBias: changes.headBias ?? this.#parameters.headBias,
      },
      { ...this.rotations, ...changes.rotations },
      [...this.interventions, ...changes.interventions ?? []],
      changes.cache ?? this.cacheFactory,
      [...this.changes, changes.change],
    );
  }

  /** Frees the parameters on the device that no other model shares. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { linears, vectors, fixed, tables } = this.#parameters;
    for (const parameters of [linears, vectors, fixed, tables]) {
      for (const one of parameters.values()) one.release();
    }
  }

  /** What the model's files say that was not used, in sentences: fields that are not known here. */
  get notices(): readonly string[] {
    return [...this.checkpoint.notices, ...this.tokenizer.notices ?? []];
  }

  /** What the model's files say of its quantization: the format and its settings; null where it was not quantized when it was loaded. */
  get scheme(): JsonObject | null {
    return this.checkpoint.scheme ?? null;
  }

  /** SHA-256 of the checkpoint and of what was done to it: equal hashes mean equal models. */
  async hash(): Promise<string> {
    return hashOf([await this.checkpoint.sha256(), ...this.changes]);
  }

  /** The parameter of a linear layer, or of an expert's. */
  linear(layer: number, role: LinearRole, expert?: number): Parameter<Linear> {
    return required(this.#parameters.linears, linearKey(layer, role, expert));
  }

  /** The output projection. */
  get head(): Parameter<Linear> {
    return required(this.#parameters.fixed, fixedNames.head);
  }

  /** The token embedding. */
  get embedding(): Table {
    return this.#parameters.embedding;
  }

  /** The bias values of a linear layer, or null. */
  bias(layer: number, role: LinearRole): (() => Promise<Float32Array>) | null {
    const replaced = this.#parameters.biases.get(linearKey(layer, role));
    if (replaced !== undefined) return () => Promise.resolve(replaced);
    const names = this.architecture.linears[role], out = linearShape(this.architecture, role)[0];
    return names === undefined ? null : linearBias(this.checkpoint, names, layer, out);
  }

  /** The bias values of the output projection, or null. */
  get headBias(): (() => Promise<Float32Array>) | null {
    return this.#parameters.headBias;
  }

  /** Learned position embeddings `[positions, hidden]`, in models that have them. */
  get positions(): (() => Promise<Float32Array>) | undefined {
    return this.#parameters.positions;
  }

  /** A norm's weight or bias, by checkpoint name. */
  vector(name: string): Parameter<DeviceBuffer> {
    return required(this.#parameters.vectors, name);
  }

  /**
   * What a forward pass runs with; `observers` act before the model's own interventions. `length` is the length of the
   * sequence with the new tokens: some models rotate long sequences differently.
   */
  async context(
    observers: readonly Intervention[] = [],
    cache: KeyValueCache | null = null,
    length = 0,
  ): Promise<PassContext> {
    if (this.#disposed) throw new ModelError("disposed", `Model ${this.name} was disposed`);
    const { device, architecture } = this;
    const { positions } = architecture;
    const scaling = positions.kind === "rotary" ? positions.scaling : undefined;
    const long = scaling?.kind === "longrope" && length > scaling.originalPositions;
    return {
      device,
      architecture,
      rotary: await this.#table(long ? fixedNames.longRotary : fixedNames.rotary) ?? null,
      windowRotary: await this.#table(fixedNames.windowRotary),
      slopes: await this.#table(fixedNames.slopes),
      rotations: this.rotations,
      interventions: [...observers, ...this.interventions],
      cache,
    };
  }

  #table(name: string): Promise<DeviceBuffer> | undefined {
    return this.#parameters.tables.get(name)?.load();
  }

  /** The parameters of a layer, on the device. */
  loadLayer(index: number): Promise<LoadedLayer> {
    return loadLayer(this.#parameters, this.architecture, index);
  }

  /** Lets a layer go, when the model streams its layers. */
  leaveLayer(index: number): void {
    if (this.streaming) evictLayer(this.#parameters, index);
  }

  /** Hidden states `[tokens, hidden]` before the first layer. The caller releases them. */
  async embed(ids: Int32Array, position = 0): Promise<DeviceBuffer> {
    const { vocabularySize, maxPositions } = this.architecture;
    if (ids.length === 0) throw new ModelError("empty", "ids is empty: expected at least one token");
    if (position + ids.length > maxPositions) {
      throw new ModelError(
        "positions",
        `ids has ${ids.length} tokens from position ${position}, but ${this.name} has ${maxPositions} positions`,
      );
    }
    const wrong = ids.findIndex((id) => !(id >= 0 && id < vocabularySize));
    if (wrong >= 0) {
      throw new ModelError("token", `ids[${wrong}] is ${ids[wrong]}: expected 0 to ${vocabularySize - 1}`);
    }
    return await embed(await this.context(), this.#parameters, ids, position);
  }

  /** What the output projection reads, `[rows, hidden]`, of hidden states after the last layer. The caller releases it. */
  async final(hidden: DeviceBuffer, rows: number): Promise<DeviceBuffer> {
    return await final(await this.context(), this.#parameters, hidden, rows);
  }

  /** Logits `[rows, vocabulary]` of hidden states `[rows, hidden]`. The caller releases them. */
  async project(hidden: DeviceBuffer, rows: number): Promise<DeviceBuffer> {
    return await project(await this.context(), this.#parameters, hidden, rows);
  }

  /** A key-value cache, or recurrent state, for one sequence; null for the plain cache. */
  createCache(capacity: number): KeyValueCache | null {
    const { device, architecture: { layers, stateSpace } } = this;
    if (stateSpace !== undefined) return new RecurrentState(device, layers, stateSpace, capacity);
    return this.cacheFactory?.(capacity) ?? null;
  }

  /**
   * Logits of every position of every window, layer by layer over all windows, so that a streaming model reads
   * each layer once. `visit` gets a buffer `[tokens, vocabulary]` that is released when it returns.
   */
  async forEachLogits(
    windows: readonly Int32Array[],
    visit: (logits: DeviceBuffer, index: number) => void | Promise<void>,
    observers: readonly Intervention[] = [],
  ): Promise<void> {
    // Enough windows at once that weights are read rarely, few enough that hidden states stay small.
    const budget = this.streaming ? 1 << 26 : 1;
    const perWindow = Math.max(1, windows[0]?.length ?? 1) * this.architecture.hiddenSize;
    const batch = Math.max(1, Math.floor(budget / perWindow));
    for (let first = 0; first < windows.length; first += batch) {
      const part = windows.slice(first, first + batch);
      const hidden = await this.hiddenStates(part, observers);
      for (const [i, x] of hidden.entries()) {
        using states = x;
        using logits = await this.project(states, part[i].length);
        await visit(logits, first + i);
      }
    }
  }

  /** Hidden states after the last layer, for each window. The caller releases them. */
  async hiddenStates(
    windows: readonly Int32Array[],
    observers: readonly Intervention[] = [],
  ): Promise<DeviceBuffer[]> {
    const hidden: DeviceBuffer[] = [];
    const caches: (KeyValueCache | null)[] = [];
    for (const ids of windows) {
      hidden.push(await this.embed(ids));
      caches.push(this.createCache(ids.length));
    }
    for (let index = 0; index < this.architecture.layers; index++) {
      const layer = await this.loadLayer(index);
      for (const [i, ids] of windows.entries()) {
        await runLayer(await this.context(observers, caches[i], ids.length), layer, hidden[i], ids.length);
      }
      this.leaveLayer(index);
    }
    for (const cache of caches) cache?.[Symbol.dispose]();
    for (const [i, ids] of windows.entries()) {
      if (infiniteRow(await this.device.read(hidden[i]), this.architecture.hiddenSize) < 0) continue;
      for (const states of hidden) states[Symbol.dispose]();
      throw new ModelError("nan", `${this.name}: ${await this.#whereInfinite(ids)}`);
    }
    return hidden;
  }

  /** Runs a window once more and looks after each layer: what is said of a model whose hidden states are no numbers. */
  async #whereInfinite(ids: Int32Array): Promise<string> {
    using hidden = await this.embed(ids);
    using cache = this.createCache(ids.length);
    return await overflowOf(this.architecture, ids, {
      states: () => this.device.read(hidden),
      run: async (index) =>
        runLayer(await this.context([], cache, ids.length), await this.loadLayer(index), hidden, ids.length),
      linear: (...at) => this.linear(...at),
    });
  }

  /** Runs new tokens of a sequence through all layers; logits `[rows, vocabulary]` of all or of the last position. */
  async step(ids: Int32Array, cache: KeyValueCache, last = true): Promise<Float32Array> {
    const { hiddenSize, vocabularySize } = this.architecture;
    using hidden = await this.embed(ids, cache.length);
    const context = await this.context([], cache, cache.length + ids.length);
    for (let index = 0; index < this.architecture.layers; index++) {
      await runLayer(context, await this.loadLayer(index), hidden, ids.length);
      this.leaveLayer(index);
    }
    cache.advance(ids.length);
    const first = cache.length - (last ? 1 : ids.length);
    const what = (row: number) => `${this.name}: the logits after token ${first + row} of a sequence`;
    if (!last) {
      using logits = await this.project(hidden, ids.length);
      const values = await this.device.read(logits, 0, ids.length * vocabularySize);
      requireNumbers(values, vocabularySize, what);
      return values;
    }
    using final = this.device.allocate(hiddenSize);
    this.device.copy(hidden, (ids.length - 1) * hiddenSize, final, 0, hiddenSize);
    using logits = await this.project(final, 1);
    const values = await this.device.read(logits, 0, vocabularySize);
    requireNumbers(values, vocabularySize, what);
    return values;
  }

  /** Logits `[tokens, vocabulary]` of a sequence. */
  async logits(ids: Int32Array): Promise<Float32Array> {
    let result: Float32Array = new Float32Array(0);
    await this.forEachLogits([ids], async (logits) => {
      result = await this.device.read(logits);
    });
    requireNumbers(
      result,
      this.architecture.vocabularySize,
      (row) => `${this.name}: the logits after token ${row}`,
    );
    return result;
  }

  /** Continues a sequence; see {@linkcode GenerateOptions}. Returns the new tokens. */
  generate(ids: Int32Array, options: GenerateOptions = {}): Promise<Int32Array> {
    return generateTokens(this, ids, options);
  }
}

/**
 * Refuses what is no model of this copy of the suite: what two copies make looks alike and is not told apart by its types, so that a
 * quantized weight of one would be a dense weight to the other.
 *
 * @throws {ModelError} `copy` or `option`
 */
export function requireModel(model: unknown): asserts model is Model {
  if (model instanceof Model) return;
  if (typeof model === "object" && model !== null && model.constructor.name === "Model") {
    const here = import.meta.url.replace(/model\/model\.\w+$/, "");
    throw new ModelError(
      "copy",
      `the model was loaded by another copy of quantbook than the one at ${here}: import one copy only`,
    );
  }
  throw new ModelError("option", `model is ${show(model)}: expected what loadModel or quantize gives`);
}
