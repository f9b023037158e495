/** KIVI's cache of one sequence: when tokens get packed, and attention over packed and recent tokens. */
import type { AttentionShape, Device } from "../kernels/device.ts";
import type { AttentionCall, KeyValueCache } from "../model/cache.ts";
import { ModelError } from "../model/model_error.ts";
import type { Kivi } from "./kivi.ts";
import { KiviStore } from "./kivi_store.ts";

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
  #length = 0;

  constructor(
    private readonly device: Device,
    private readonly settings: Kivi,
    { layers, width, capacity }: CacheShape,
  ) {
    const { keyBits, valueBits, keyAxis, groupSize, residualLength, precision } = settings;
    const shape = { groupSize, precision, width, capacity, recent: residualLength + 1 };
    const stores = (bits: number, axis: Kivi["keyAxis"]) =>
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
    const queries = await this.device.read(call.query, 0, tokens * heads * headDim);
    const row = (rows: Float32Array, t: number, size: number) => rows.subarray(t * size, (t + 1) * size);
    for (let t = 0; t < tokens; t++) {
      const query = row(queries, t, heads * headDim);
      const output = await this.#step(call, query, row(keys, t, width), row(values, t, width));
      this.device.write(call.output, output, t * output.length);
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
  async #step(
    call: AttentionCall,
    query: Float32Array,
    keyRow: Float32Array,
    valueRow: Float32Array,
  ): Promise<Float32Array> {
    const { residualLength, execution } = this.settings;
    const key = this.keys[call.layer], value = this.values[call.layer];
    key.append(keyRow);
    value.append(valueRow);
    const { window, softcap, slopes } = call.shape;
    const plain = window === undefined && softcap === undefined && slopes === undefined;
    const output = execution === "packed" && plain
      ? packedAttention(query, key, value, call.shape)
      : await this.#denseAttention(call, query, key, value);
    if (key.length - key.quantized === residualLength) key.evict(residualLength);
    if (value.length - value.quantized > residualLength) value.evict(1);
    return output;
  }

  async #denseAttention(
    call: AttentionCall,
    row: Float32Array,
    key: KiviStore,
    value: KiviStore,
  ): Promise<Float32Array> {
    using query = this.device.upload(row);
    using keys = this.device.upload(key.dequantize());
    using values = this.device.upload(value.dequantize());
    using output = this.device.allocate(row.length);
    await call.attend(query, keys, values, output, { ...call.shape, tokens: 1, kvTokens: key.length });
    return await this.device.read(output);
  }

  advance(tokens: number): void {
    this.#length += tokens;
  }

  [Symbol.dispose](): void {}
}

/** Attention of one query `[heads * headDim]` over packed keys and values, in float64. */
export function packedAttention(
  query: Float32Array,
  keys: KiviStore,
  values: KiviStore,
  { heads, kvHeads, headDim, scale }: AttentionShape,
): Float32Array {
  const output = new Float32Array(heads * headDim);
  for (let head = 0; head < heads; head++) {
    const offset = Math.floor(head * kvHeads / heads) * headDim;
    const weights = keys.scores(query.subarray(head * headDim, (head + 1) * headDim), offset);
    const most = weights.reduce((a, b) => Math.max(a, b), -Infinity);
    let total = 0;
    for (let t = 0; t < weights.length; t++) total += weights[t] = Math.exp((weights[t] - most) * scale);
    const sum = values.combine(weights, offset, headDim);
    output.set(sum.map((one) => one / total), head * headDim);
  }
  return output;
}
