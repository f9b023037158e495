/** KIVI's cache of one sequence: when tokens get packed, and attention over packed and recent tokens. */
import type { Device } from "../../kernels/device.ts";
import type { AttentionCall, KeyValueCache } from "../../model/decoder/cache.ts";
import { ModelError } from "../../model/error.ts";
import type { Precision } from "../grids/precision.ts";
import { KiviStore } from "./kivi/store.ts";
import { KiviTokens } from "./kivi/tokens.ts";

/** How a cache stores keys and values. */
export interface KiviSettings {
  /** Bits of keys. */
  readonly keyBits: number;
  /** Bits of values. */
  readonly valueBits: number;
  /** Tokens (keys) or channels (values) that share a scale. */
  readonly groupSize: number;
  /** Tokens that stay in full precision: at most this many keys, exactly this many values. */
  readonly residualLength: number;
  /**
   * What the attention of the prompt itself sees: `"quantized"` keys and values (so that perplexity measures the
   * cache), or the `"full"` ones (the cache then only matters for the tokens generated after it). The published
   * tables call these two settings by each other's name.
   */
  readonly prefill: "quantized" | "full";
  /** Keys in groups of tokens per channel (the paper), or in groups of channels per token (its ablation). */
  readonly keyAxis: "channel" | "token";
  /**
   * What scales, minima and the recent tokens are stored in and codes are chosen with: `"float16"` as the reference
   * code on a float16 model, `"float32"` as on a float32 model.
   */
  readonly precision: Precision;
  /** Decoding attends over packed codes, or over a dequantized copy of them. */
  readonly execution: "packed" | "simulated";
}

/** Sizes of a {@linkcode KiviCache}. */
export interface CacheShape {
  readonly layers: number;
  /** Values of a key or value of one token, `kvHeads * headDim`. */
  readonly width: number;
  /** Most tokens. */
  readonly capacity: number;
}

/** The cache of one sequence. */
export class KiviCache implements KeyValueCache {
  readonly capacity: number;
  readonly keys: readonly KiviStore[];
  readonly values: readonly KiviStore[];
  readonly #onDevice: (readonly KiviTokens[])[] = [];
  #length = 0;

  constructor(
    private readonly device: Device,
    private readonly settings: KiviSettings,
    { layers, width, capacity }: CacheShape,
  ) {
    const { keyBits, valueBits, keyAxis, groupSize, residualLength, precision } = settings;
    const shape = { groupSize, precision, width, capacity, recent: residualLength + 1 };
    const stores = (bits: number, axis: KiviSettings["keyAxis"]) =>
      Array.from({ length: layers }, () => new KiviStore({ ...shape, bits, axis }));
    this.capacity = capacity;
    this.keys = stores(keyBits, keyAxis);
    this.values = stores(valueBits, "token");
  }

  get length(): number {
    return this.#length;
  }

  get byteLength(): number {
    return [...this.keys, ...this.values].reduce((sum, store) => sum + store.byteLength, 0);
  }

  async attend(call: AttentionCall): Promise<void> {
    const { tokens, heads, kvHeads, headDim } = call.shape;
    if (this.#length + tokens > this.capacity) {
      throw new ModelError(
        "positions",
        `a cache of ${this.capacity} tokens holds ${this.#length}: ${tokens} more do not fit`,
      );
    }
    const width = kvHeads * headDim;
    const keys = await this.device.read(call.key, 0, tokens * width);
    const values = await this.device.read(call.value, 0, tokens * width);
    if (this.#length === 0 && tokens > 1) return await this.#prompt(call, keys, values);
    const row = (rows: Float32Array, t: number) => rows.subarray(t * width, (t + 1) * width);
    const size = heads * headDim;
    using query = this.device.allocate(size), output = this.device.allocate(size);
    for (let t = 0; t < tokens; t++) {
      this.device.copy(call.query, t * size, query, 0, size);
      await this.#step({ ...call, query, output }, row(keys, t), row(values, t));
      this.device.copy(output, 0, call.output, t * size, size);
    }
  }

  /** The first tokens: whole blocks of keys are packed, and all values but the last `residualLength`. */
  async #prompt(call: AttentionCall, keys: Float32Array, values: Float32Array): Promise<void> {
    const { residualLength, prefill } = this.settings;
    const key = this.keys[call.layer], value = this.values[call.layer];
    const { tokens } = call.shape;
    key.fill(keys, tokens % residualLength);
    value.fill(values, Math.min(tokens, residualLength));
    if (prefill === "full") {
      return await call.attend(call.query, call.key, call.value, call.output, call.shape);
    }
    using seenKeys = this.device.upload(key.dequantize());
    using seenValues = this.device.upload(value.dequantize());
    await call.attend(call.query, seenKeys, seenValues, call.output, call.shape);
  }

  /** One token: it attends over what is held and itself, then a full block of keys and the oldest value are packed. */
  async #step(call: AttentionCall, keyRow: Float32Array, valueRow: Float32Array): Promise<void> {
    const { residualLength, execution } = this.settings;
    const key = this.keys[call.layer], value = this.values[call.layer];
    key.append(keyRow);
    value.append(valueRow);
    const shape = { ...call.shape, tokens: 1, kvTokens: key.length };
    if (execution === "packed" && shape.slopes === undefined) {
      const [keys, values] = this.#packed(call.layer).map((tokens) => tokens.update());
      this.device.packedAttention(call.query, keys, values, call.output, shape);
    } else {
      using keys = this.device.upload(key.dequantize());
      using values = this.device.upload(value.dequantize());
      await call.attend(call.query, keys, values, call.output, shape);
    }
    if (key.length - key.quantized === residualLength) key.evict(residualLength);
    if (value.length - value.quantized > residualLength) value.evict(1);
  }

  /** Keys and values of a layer on the device, made at the first step. */
  #packed(layer: number): readonly KiviTokens[] {
    return this.#onDevice[layer] ??= [this.keys, this.values].map((stores) =>
      new KiviTokens(this.device, stores[layer])
    );
  }

  advance(tokens: number): void {
    this.#length += tokens;
  }

  [Symbol.dispose](): void {
    for (const tokens of this.#onDevice.flat()) tokens[Symbol.dispose]();
  }
}
