/** KIVI's cache: packed keys and values with a window of recent tokens in full precision, and attention over both. */
import type { AttentionShape, Device, DeviceBuffer } from "../kernels/device.ts";
import type { AttentionCall, KeyValueCache } from "../model/cache.ts";
import type { Kivi } from "./kivi.ts";
import { PackedGroups } from "./packed_groups.ts";

/** The keys or values of one layer: tokens `[0, quantized)` packed, `[quantized, length)` in full precision. */
class Store {
  quantized = 0;
  length = 0;
  readonly #full: Float32Array;
  readonly #groups: PackedGroups;

  constructor(
    bits: number,
    private readonly axis: "channel" | "token",
    private readonly settings: Kivi,
    /** Values per token. */
    readonly width: number,
    capacity: number,
  ) {
    const { groupSize, residualLength, statistics } = settings;
    const tokens = Math.ceil(capacity / groupSize) * groupSize;
    this.#groups = new PackedGroups(bits, groupSize, tokens * width / groupSize, statistics);
    this.#full = new Float32Array((residualLength + 1) * width);
  }

  get byteLength(): number {
    const groups = this.quantized * this.width / this.settings.groupSize;
    return groups * this.#groups.bytesPerGroup + (this.length - this.quantized) * this.width * 4;
  }

  /** Appends `rows` of which the first `toQuantize` (with what is held in full precision before them) get packed. */
  append(rows: Float32Array, keep: number): void {
    const { width } = this;
    const held = this.length - this.quantized;
    const pending = new Float32Array(held * width + rows.length);
    pending.set(this.#full.subarray(0, held * width));
    pending.set(rows, held * width);
    this.length += rows.length / width;
    const packed = this.length - this.quantized - keep;
    this.#pack(pending, packed);
    this.#full.set(pending.subarray(packed * width));
  }

  #pack(rows: Float32Array, tokens: number): void {
    const { width, settings: { groupSize } } = this;
    const first = this.quantized * width / groupSize;
    if (this.axis === "token") {
      for (let g = 0; g < tokens * width / groupSize; g++) {
        this.#groups.write(first + g, rows, g * groupSize, 1);
      }
    } else {
      for (let block = 0; block < tokens / groupSize; block++) {
        for (let channel = 0; channel < width; channel++) {
          this.#groups.write(
            first + block * width + channel,
            rows,
            block * groupSize * width + channel,
            width,
          );
        }
      }
    }
    this.quantized += tokens;
  }

  /** All tokens in float32, `[length, width]`. */
  dequantize(): Float32Array {
    const { width, quantized, settings: { groupSize } } = this;
    const rows = new Float32Array(this.length * width);
    if (this.axis === "token") {
      for (let g = 0; g < quantized * width / groupSize; g++) this.#groups.read(g, rows, g * groupSize, 1);
    } else {
      for (let g = 0; g < quantized * width / groupSize; g++) {
        const block = Math.floor(g / width);
        this.#groups.read(g, rows, block * groupSize * width + g % width, width);
      }
    }
    rows.set(this.#full.subarray(0, (this.length - quantized) * width), quantized * width);
    return rows;
  }

  /** `sum_d q[d] * x[t, offset + d]` for every token; scales are folded into the query once per group. */
  scores(query: Float32Array, offset: number): Float64Array {
    const { width, quantized, settings: { groupSize } } = this;
    const scores = new Float64Array(this.length);
    for (let t = 0; t < quantized; t += this.axis === "channel" ? groupSize : 1) {
      for (let d = 0; d < query.length; d++) {
        if (this.axis === "channel") {
          const group = t / groupSize * width + offset + d;
          const scaled = query[d] * this.#groups.scale(group), shift = query[d] * this.#groups.minimum(group);
          for (let i = 0; i < groupSize; i++) scores[t + i] += scaled * this.#groups.code(group, i) + shift;
        } else {
          const at = t * width + offset + d, group = Math.floor(at / groupSize);
          const code = this.#groups.code(group, at % groupSize);
          scores[t] += query[d] * (this.#groups.scale(group) * code + this.#groups.minimum(group));
        }
      }
    }
    for (let t = quantized; t < this.length; t++) {
      for (let d = 0; d < query.length; d++) {
        scores[t] += query[d] * this.#full[(t - quantized) * width + offset + d];
      }
    }
    return scores;
  }

  /** `sum_t p[t] * x[t, offset + d]` for `d < size`; probabilities are folded into the scales (values only). */
  combine(probabilities: Float64Array, offset: number, size: number): Float64Array {
    const { width, quantized, settings: { groupSize } } = this;
    const sum = new Float64Array(size);
    for (let t = 0; t < quantized; t++) {
      for (let d = 0; d < size; d += groupSize) {
        const group = (t * width + offset + d) / groupSize;
        const scaled = probabilities[t] * this.#groups.scale(group),
          shift = probabilities[t] * this.#groups.minimum(group);
        for (let i = 0; i < groupSize; i++) sum[d + i] += scaled * this.#groups.code(group, i) + shift;
      }
    }
    for (let t = quantized; t < this.length; t++) {
      for (let d = 0; d < size; d++) {
        sum[d] += probabilities[t] * this.#full[(t - quantized) * width + offset + d];
      }
    }
    return sum;
  }
}

/** The cache of one sequence. */
export class KiviCache implements KeyValueCache {
  readonly #keys: Store[];
  readonly #values: Store[];
  #length = 0;

  constructor(
    private readonly device: Device,
    private readonly settings: Kivi,
    layers: number,
    width: number,
    readonly capacity: number,
  ) {
    const { keyBits, valueBits, keyAxis } = settings;
    this.#keys = Array.from({ length: layers }, () => new Store(keyBits, keyAxis, settings, width, capacity));
    this.#values = Array.from(
      { length: layers },
      () => new Store(valueBits, "token", settings, width, capacity),
    );
  }

  get length(): number {
    return this.#length;
  }

  get byteLength(): number {
    return [...this.#keys, ...this.#values].reduce((sum, store) => sum + store.byteLength, 0);
  }

  async attend(call: AttentionCall): Promise<void> {
    const { tokens, heads, kvHeads, headDim } = call.shape;
    const width = kvHeads * headDim;
    const keys = await this.device.read(call.key, 0, tokens * width);
    const values = await this.device.read(call.value, 0, tokens * width);
    if (this.#length === 0 && tokens > 1) return await this.#prompt(call, keys, values);
    const queries = await this.device.read(call.query, 0, tokens * heads * headDim);
    for (let t = 0; t < tokens; t++) {
      const row = (rows: Float32Array, size: number) => rows.subarray(t * size, (t + 1) * size);
      await this.#step(call, t, row(queries, heads * headDim), row(keys, width), row(values, width));
    }
  }

  /** The first tokens: whole blocks of keys are packed, and all values but the last `residualLength`. */
  async #prompt(call: AttentionCall, keys: Float32Array, values: Float32Array): Promise<void> {
    const { residualLength, prefill } = this.settings;
    const key = this.#keys[call.layer], value = this.#values[call.layer];
    const { tokens } = call.shape;
    key.append(keys, tokens % residualLength);
    value.append(values, Math.min(tokens, residualLength));
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
    t: number,
    query: Float32Array,
    keyRow: Float32Array,
    valueRow: Float32Array,
  ): Promise<void> {
    const { residualLength, execution } = this.settings;
    const key = this.#keys[call.layer], value = this.#values[call.layer];
    key.append(keyRow, key.length + 1 - key.quantized);
    value.append(valueRow, value.length + 1 - value.quantized);
    const output = execution === "packed"
      ? packedAttention(query, key, value, call.shape)
      : await this.#denseAttention(call, query, key, value);
    this.device.write(call.output, output, t * output.length);
    const nothing = new Float32Array(0);
    if (key.length - key.quantized === residualLength) key.append(nothing, 0);
    if (value.length - value.quantized > residualLength) value.append(nothing, residualLength);
  }

  async #denseAttention(
    call: AttentionCall,
    row: Float32Array,
    key: Store,
    value: Store,
  ): Promise<Float32Array> {
    using query = this.device.upload(row);
    using keys = this.device.upload(key.dequantize());
    using values = this.device.upload(value.dequantize());
    using output: DeviceBuffer = this.device.allocate(row.length);
    await call.attend(query, keys, values, output, { ...call.shape, tokens: 1, kvTokens: key.length });
    return await this.device.read(output);
  }

  advance(tokens: number): void {
    this.#length += tokens;
  }

  [Symbol.dispose](): void {}
}

/** Attention of one query `[heads * headDim]` over packed keys and values, in float64. */
function packedAttention(
  query: Float32Array,
  keys: Store,
  values: Store,
  shape: AttentionShape,
): Float32Array {
  const { heads, kvHeads, headDim, scale } = shape;
  const output = new Float32Array(heads * headDim);
  for (let head = 0; head < heads; head++) {
    const offset = Math.floor(head * kvHeads / heads) * headDim;
    const scores = keys.scores(query.subarray(head * headDim, (head + 1) * headDim), offset);
    const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    let total = 0;
    for (let t = 0; t < scores.length; t++) total += scores[t] = Math.exp((scores[t] - most) * scale);
    output.set(values.combine(scores.map((p) => p / total), offset, headDim), head * headDim);
  }
  return output;
}
