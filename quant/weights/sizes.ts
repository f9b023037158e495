/**
 * What a model takes, part by part, nothing left out: the linear layers, whose bits per weight papers print, and beside them embedding,
 * output projection, norms and biases, which decide how large a small model's file is.
 */
import {
  type Architecture,
  hasExperts,
  layerLinears,
  type LinearNames,
  type LinearRole,
  type NormNames,
  tensorName,
} from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";

/** Values and the bytes that they take. */
export interface Size {
  /** Number of values. */
  readonly weights: number;
  /** Bytes of codes, scales, zero points and all else that belongs to them. */
  readonly bytes: number;
  /** `8 * bytes / weights`. */
  readonly bitsPerWeight: number;
}

/**
 * What a part of a model is; `projection` is the way into or out of an embedding of another width, `recurrence` what a state-space mixer
 * has beside its linear layers.
 */
export type PartKind =
  | "linear"
  | "embedding"
  | "head"
  | "positions"
  | "projection"
  | "router"
  | "recurrence"
  | "norm"
  | "bias";

/** One tensor of a model. */
export interface PartSize extends Size {
  /** Name in the checkpoint. */
  readonly name: string;
  /** What it is. */
  readonly kind: PartKind;
  /** Layer that it belongs to; null outside of the decoder layers. */
  readonly layer: number | null;
  /** Linear layer that it belongs to: a weight, or its bias. */
  readonly role: LinearRole | null;
  /** Type in the checkpoint's files (`F16`, `Q4_K`); `quantized` where this suite quantized it, `F16` where it was changed and is float. */
  readonly format: string;
}

/** Sizes of a model, by what is counted. */
export interface Sizes {
  /** Weights of the linear layers of decoder layers, experts included: what papers call bits per weight. */
  readonly linear: Size;
  /** All parameters: linear layers, embedding, output projection where it has a matrix of its own, routers, norms, biases. */
  readonly model: Size;
  /** All files of weights, by the parameters of the model: with headers, metadata and, in GGUF, the tokenizer. Null for a changed model. */
  readonly file: Size | null;
  /** Every tensor; their sum is `model`. */
  readonly parts: readonly PartSize[];
}

/**
 * Counts all that a model stores. A tensor that is the checkpoint's counts as its files store it (of a GGUF file, as its type does; a
 * share, where several layers have one tensor), a quantized weight as it was packed, and a float one that was changed (folded, rotated)
 * as float16, or as the files store it where that is a float type. What runs without stored values, as online rotations do, takes
 * nothing; scales of activations are not counted.
 *
 * @example
 * ```ts
 * import { loadModel, quantize, rtn } from "quantbook";
 * import { sizes } from "quantbook/quant";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * assertEquals(sizes(model).model.bitsPerWeight, 16);
 * using quantized = await quantize(model, { weights: rtn({ bits: 4, groupSize: 128 }) });
 * const { linear, model: whole } = sizes(quantized);
 * // Its embedding is a fifth of this small model, and stays float.
 * assert(linear.bitsPerWeight < 4.3 && whole.bitsPerWeight > 6);
 * ```
 */
export function sizes(model: Model): Sizes {
  const counter = new Counter(model);
  counter.ends();
  for (let layer = 0; layer < model.architecture.layers; layer++) counter.layer(layer);
  const { parts } = counter, whole = sum(parts);
  return {
    linear: sum(parts.filter(({ kind }) => kind === "linear")),
    model: whole,
    file: model.changes.length > 0 ? null : sizeOf(whole.weights, model.checkpoint.byteLength),
    parts,
  };
}

/** The size of some parts together. */
export function sum(parts: readonly Size[]): Size {
  return sizeOf(
    parts.reduce((total, { weights }) => total + weights, 0),
    parts.reduce((total, { bytes }) => total + bytes, 0),
  );
}

function sizeOf(weights: number, bytes: number): Size {
  return { weights, bytes, bitsPerWeight: weights === 0 ? 0 : 8 * bytes / weights };
}

/** Types whose values are stored one by one, so that changed values can be stored in them. */
export const floatTypes: readonly string[] = ["F32", "F16", "BF16", "F64"];

/** What of a model may have been replaced. */
interface Held {
  readonly shape: readonly number[];
  readonly stored?: StoredWeight;
  readonly isOriginal?: boolean;
}

type Place = Pick<PartSize, "kind" | "layer" | "role">;

class Counter {
  readonly parts: PartSize[] = [];
  readonly #architecture: Architecture;
  readonly #seen = new Set<string>();

  constructor(private readonly model: Model) {
    this.#architecture = model.architecture;
  }

  /** Embedding, positions, final norm, output projection. */
  ends(): void {
    const { embedding, head, headBias } = this.model, architecture = this.#architecture;
    const place = (kind: PartKind): Place => ({ kind, layer: null, role: null });
    this.#held(architecture.embedding, embedding, place("embedding"));
    const { positions, embeddingProjection, embeddingNorm, finalNorm } = architecture;
    if (positions.kind === "learned") this.#stored(positions.tensor, place("positions"));
    for (const name of [embeddingProjection?.into, embeddingProjection?.out]) {
      if (name !== undefined) this.#stored(name, place("projection"));
    }
    for (const norm of [embeddingNorm, finalNorm]) this.#norm(norm, null);
    // A tied projection has no matrix of its own, unless one of the two was quantized apart from the other.
    const tied = architecture.head === architecture.embedding && head.stored === embedding.stored;
    if (!tied) this.#held(architecture.head, head, place("head"));
    if (headBias !== null) {
      this.#values(architecture.headBias ?? "", architecture.vocabularySize, place("bias"));
    }
  }

  /** A decoder layer. */
  layer(layer: number): void {
    const { attentionNorm, mlpNorm, outputNorms, headNorms, linears, experts, heads, kvHeads, stateSpace } =
      this.#architecture;
    for (const norm of [attentionNorm, mlpNorm, outputNorms?.attention, outputNorms?.mlp]) {
      this.#norm(norm, layer);
    }
    for (const template of Object.values(stateSpace?.tensors ?? {})) {
      this.#vector(tensorName(template, layer), { kind: "recurrence", layer, role: null });
    }
    this.#norm(headNorms?.query, layer, heads);
    this.#norm(headNorms?.key, layer, kvHeads);
    if (experts !== undefined && hasExperts(this.#architecture, layer)) {
      this.#stored(tensorName(experts.router, layer), { kind: "router", layer, role: null });
    }
    for (const { role, expert } of layerLinears(this.#architecture, layer)) {
      const names = expert === undefined ? linears[role] : experts?.linears[role as "gate" | "up" | "down"];
      if (names === undefined) continue;
      const name = (template: string) => tensorName(template, layer).replace("{expert}", String(expert));
      const held = this.model.linear(layer, role, expert);
      this.#held(name(names.weight), held, { kind: "linear", layer, role }, shareOf(names));
      if (expert === undefined && this.model.bias(layer, role) !== null) {
        const bias = names.bias === undefined ? "" : name(names.bias);
        this.#values(bias, held.shape[0], { kind: "bias", layer, role }, shareOf(names));
      }
    }
  }

  /** A matrix that may have been replaced; `share` of the stored tensor is its. */
  #held(name: string, { shape, stored, isOriginal }: Held, place: Place, share = 1): void {
    const count = shape.reduce((product, size) => product * size, 1);
    if (stored !== undefined && !isOriginal) this.#put(name, count, stored.byteLength, "quantized", place);
    else this.#values(name, count, place, share, isOriginal);
  }

  /** A tensor as the checkpoint stores it. */
  #stored(name: string, place: Place): void {
    this.#values(name, this.model.checkpoint.shape(name).reduce((product, size) => product * size, 1), place);
  }

  /** Float values under a name of the checkpoint, or under one that it has not. */
  #values(name: string, count: number, place: Place, share = 1, isOriginal = true): void {
    const { checkpoint } = this.model;
    const found = checkpoint.has(name) ? checkpoint.storage(name) : null;
    if (found !== null && (isOriginal || floatTypes.includes(found.format))) {
      this.#put(name, count, found.bytes * share, found.format, place);
    } else this.#put(name, count, 2 * count, "F16", place);
  }

  /** A vector of the decoder's that may have been replaced. */
  #vector(name: string, place: Place): void {
    const { shape, isOriginal } = this.model.vector(name);
    this.#values(name, shape.reduce((product, size) => product * size, 1), place, 1, isOriginal);
  }

  /** The vectors of a norm; `heads` of them where each head has its own tensor. */
  #norm(names: NormNames | null | undefined, layer: number | null, heads = 1): void {
    if (!names) return;
    for (const template of [names.weight, names.bias]) {
      if (template === undefined || (template === names.weight && names.stored === "nothing")) continue;
      const own = template.includes("{head}") ? heads : 1;
      for (let head = 0; head < own; head++) {
        const whole = tensorName(template, layer ?? 0), name = whole.replace("{head}", String(head));
        // The two blocks of a parallel layer share a norm.
        if (this.#seen.has(name)) continue;
        this.#seen.add(name);
        const { shape: [length], isOriginal } = this.model.vector(whole);
        this.#values(name, length / own, { kind: "norm", layer, role: null }, 1, isOriginal);
      }
    }
  }

  #put(name: string, weights: number, bytes: number, format: string, place: Place): void {
    this.parts.push({ name, ...place, format, ...sizeOf(weights, bytes) });
  }
}

/** The share of a fused tensor that is one linear layer's. */
function shareOf({ rows }: LinearNames): number {
  return rows === undefined ? 1 : rows.count / rows.size;
}
