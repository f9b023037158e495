/** The key-value cache of a decoder: what attention reads and what decoding keeps between tokens. */
import type { AttentionShape, Device, DeviceBuffer } from "../../kernels/device.ts";
import type { Operand } from "./intervention.ts";
import { ModelError } from "../error.ts";

/** Queries, keys and values of new tokens of one layer, rotated, token-major. */
export interface AttentionCall {
  /** Index of the decoder layer. */
  readonly layer: number;
  /** `[tokens, heads * headDim]` */
  readonly query: DeviceBuffer;
  /** `[tokens, kvHeads * headDim]` */
  readonly key: DeviceBuffer;
  /** Values. */
  readonly value: DeviceBuffer;
  /** `[tokens, heads * headDim]`, written. */
  readonly output: DeviceBuffer;
  /** `kvTokens` counts the new tokens only. */
  readonly shape: AttentionShape;
  /** Attention with the model's operand quantizers (query, key, value, scores) applied to what it is given. */
  readonly attend: (
    query: DeviceBuffer,
    key: DeviceBuffer,
    value: DeviceBuffer,
    output: DeviceBuffer,
    shape: AttentionShape,
  ) => void | Promise<void>;
}

/** Keys and values of one sequence, layer by layer. */
export interface KeyValueCache extends Disposable {
  /** Tokens held by every layer. */
  readonly length: number;
  /** Most tokens that fit. */
  readonly capacity: number;
  /** Bytes that the keys and values of all layers occupy. */
  readonly byteLength: number;
  /** Sees the keys of new tokens before positions are rotated in, for caches that hold them so. `attend` follows. */
  keyBeforeRotary?(key: DeviceBuffer, at: Operand): void | Promise<void>;
  /** Adds the new keys and values of a layer and computes attention over everything held. */
  attend(call: AttentionCall): void | Promise<void>;
  /** Says that all layers have seen `tokens` more tokens. */
  advance(tokens: number): void;
}

/** Makes an empty key-value cache for one sequence of at most `capacity` tokens. */
export type CacheFactory = (capacity: number) => KeyValueCache;

/** Full-precision keys and values in buffers allocated once. */
export class DenseCache implements KeyValueCache {
  #length = 0;
  readonly #keys: DeviceBuffer[] = [];
  readonly #values: DeviceBuffer[] = [];

  constructor(
    private readonly device: Device,
    layers: number,
    /** `kvHeads * headDim` */
    private readonly width: number,
    readonly capacity: number,
  ) {
    for (let layer = 0; layer < layers; layer++) {
      this.#keys.push(device.allocate(capacity * width));
      this.#values.push(device.allocate(capacity * width));
    }
  }

  get length(): number {
    return this.#length;
  }

  get byteLength(): number {
    return this.#keys.length * 2 * this.#length * this.width * 4;
  }

  attend(call: AttentionCall): void | Promise<void> {
    const { layer, shape } = call;
    const added = shape.tokens * this.width;
    this.device.copy(call.key, 0, this.#keys[layer], this.#length * this.width, added);
    this.device.copy(call.value, 0, this.#values[layer], this.#length * this.width, added);
    const whole = { ...shape, kvTokens: this.#length + shape.tokens };
    return call.attend(call.query, this.#keys[layer], this.#values[layer], call.output, whole);
  }

  advance(tokens: number): void {
    this.#length += tokens;
  }

  /** Forgets all tokens from the `length`th on, so that another continuation can follow the first ones. */
  rewind(length: number): void {
    if (!(Number.isInteger(length) && length >= 0 && length <= this.#length)) {
      throw new ModelError("option", `length is ${length}: expected an integer from 0 to ${this.#length}`);
    }
    this.#length = length;
  }

  [Symbol.dispose](): void {
    for (const buffer of [...this.#keys, ...this.#values]) buffer[Symbol.dispose]();
  }
}
