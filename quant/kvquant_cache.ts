/** KVQuant's cache: packed rows of keys (as they were before rotation) and values, decoded for attention. */
import type { DeviceBuffer } from "../kernels/device.ts";
import type { AttentionCall, KeyValueCache } from "../model/cache.ts";
import type { Operand } from "../model/intervention.ts";
import type { Model } from "../model/model.ts";
import type { Codebook } from "./codebook.ts";
import type { KvQuant } from "./kvquant.ts";
import { DeviceRows } from "./kvquant_rows.ts";
import {
  type ExemptRow,
  exemptRow,
  type QuantizedRow,
  rowBytes,
  RowQuantizer,
  type RowScale,
  scaleOf,
  type Thresholds,
} from "./quantized_rows.ts";

/** What calibration finds for a layer. */
export interface LayerQuantizers {
  /** Of keys: one pair per channel, `[kvHeads * headDim]`. */
  readonly thresholds: Thresholds;
  /** Of keys, over the range between their thresholds. */
  readonly keys: Codebook;
  /** Of values, over the range of their token. */
  readonly values: Codebook;
}

/** Rows of one layer. */
interface Layer {
  readonly keys: (QuantizedRow | ExemptRow)[];
  readonly values: (QuantizedRow | ExemptRow)[];
  /** Decoded rows that attention reads, in simulated execution. */
  readonly dense: { readonly keys: DeviceBuffer; readonly values: DeviceBuffer } | null;
  /** The rows as the device decodes them, in packed execution; made at the first step. */
  packed?: { readonly keys: DeviceRows; readonly values: DeviceRows };
}

/** The cache of one sequence. */
export class KvQuantCache implements KeyValueCache {
  #length = 0;
  readonly #layers: Layer[];
  readonly #scales: RowScale[];
  readonly #width: number;

  constructor(
    private readonly model: Model,
    private readonly scheme: KvQuant,
    private readonly quantizers: readonly LayerQuantizers[],
    /** Cosines and sines, for rotary models. */
    private readonly rotary: DeviceBuffer | null,
    readonly capacity: number,
  ) {
    const { device, architecture: { kvHeads, headDim } } = model;
    const width = this.#width = kvHeads * headDim;
    this.#scales = quantizers.map(({ thresholds }) => scaleOf(thresholds));
    const buffer = () => device.allocate(capacity * width);
    this.#layers = quantizers.map(() => ({
      keys: [],
      values: [],
      dense: scheme.execution === "simulated" ? { keys: buffer(), values: buffer() } : null,
    }));
  }

  get length(): number {
    return this.#length;
  }

  /** Codes, outliers, ranges, thresholds and codebooks; without the decoded copy of simulated execution. */
  get byteLength(): number {
    let bytes = 0;
    for (const [index, { keys, values }] of this.#layers.entries()) {
      for (const row of keys) bytes += rowBytes(row);
      for (const row of values) bytes += rowBytes(row);
      const { keys: { centroids }, values: { centroids: other } } = this.quantizers[index];
      const perThreshold = this.scheme.storage === "float16" ? 2 : 4;
      bytes += 2 * this.#width * perThreshold + 4 * (centroids.length + other.length);
    }
    return bytes;
  }

  /** Keys as they leave their projection. */
  async keyBeforeRotary(key: DeviceBuffer, { layer, tokens }: Operand): Promise<void> {
    if (this.scheme.keys === "beforeRotary") await this.#appendKeys(key, layer, tokens);
  }

  async attend(call: AttentionCall): Promise<void> {
    const { layer, shape: { tokens } } = call;
    if (this.scheme.keys === "afterRotary") await this.#appendKeys(call.key, layer, tokens);
    const rows = await this.model.device.read(call.value, 0, tokens * this.#width);
    const { sparsity, storage } = this.scheme;
    const quantizer = this.#quantizer(layer, "values");
    this.#append(
      this.#layers[layer].values,
      rows,
      (row) => quantizer.value(row, sparsity),
      (row) => exemptRow(row, storage),
    );
    const prompt = this.#length === 0 && tokens > 1;
    const seesFull = prompt && this.scheme.prefill === "full";
    using held = this.#held(layer, tokens);
    const { keys, values } = seesFull ? { keys: call.key, values: call.value } : held;
    const kvTokens = this.#length + tokens;
    await call.attend(call.query, keys, values, call.output, { ...call.shape, kvTokens });
  }

  async #appendKeys(key: DeviceBuffer, layer: number, tokens: number): Promise<void> {
    const rows = await this.model.device.read(key, 0, tokens * this.#width);
    const { thresholds } = this.quantizers[layer], { sparsity, storage } = this.scheme;
    const quantizer = this.#quantizer(layer, "keys"), scale = this.#scales[layer];
    this.#append(
      this.#layers[layer].keys,
      rows,
      (row) => quantizer.key(row, thresholds, scale, sparsity),
      (row) => exemptRow(row, storage),
    );
  }

  /** Adds the rows of one pass. */
  #append(
    to: (QuantizedRow | ExemptRow)[],
    rows: Float32Array,
    quantize: (row: Float32Array) => QuantizedRow,
    exempt: (row: Float32Array) => ExemptRow,
  ): void {
    const first = this.scheme.firstTokensOf === "sequence" ? to.length : 0;
    for (let t = 0; t < rows.length / this.#width; t++) {
      const row = rows.subarray(t * this.#width, (t + 1) * this.#width);
      to.push(first + t < this.scheme.firstTokens ? exempt(row) : quantize(row));
    }
  }

  #quantizer(layer: number, of: "keys" | "values"): RowQuantizer {
    return new RowQuantizer(this.scheme.bits, this.quantizers[layer][of], this.scheme.storage);
  }

  /** Decoded keys (rotated) and values of all tokens, of which the last `added` are new. */
  #held(layer: number, added: number): { keys: DeviceBuffer; values: DeviceBuffer } & Disposable {
    const { device } = this.model, { dense, keys: keyRows, values: valueRows } = this.#layers[layer];
    if (dense === null) {
      const packed = this.#packed(layer), tokens = this.#length + added;
      const keys = device.allocate(tokens * this.#width), values = device.allocate(tokens * this.#width);
      device.decode(packed.keys.update(keyRows), keys, 0, tokens);
      device.decode(packed.values.update(valueRows), values, 0, tokens);
      this.#rotate(keys, 0, tokens);
      const release = () => {
        keys[Symbol.dispose]();
        values[Symbol.dispose]();
      };
      return { keys, values, [Symbol.dispose]: release };
    }
    const from = this.#length;
    using keys = device.upload(this.#decode(layer, "keys", from));
    using values = device.upload(this.#decode(layer, "values", from));
    this.#rotate(keys, from, added);
    device.copy(keys, 0, dense.keys, from * this.#width, keys.length);
    device.copy(values, 0, dense.values, from * this.#width, values.length);
    return { ...dense, [Symbol.dispose]() {} };
  }

  #packed(index: number): { readonly keys: DeviceRows; readonly values: DeviceRows } {
    const layer = this.#layers[index], { keys, values } = this.quantizers[index];
    const shape = { bits: this.scheme.bits, width: this.#width, capacity: this.capacity };
    return layer.packed ??= {
      keys: new DeviceRows(this.model.device, { ...shape, codebook: keys, scale: this.#scales[index] }),
      values: new DeviceRows(this.model.device, { ...shape, codebook: values, scale: null }),
    };
  }

  #decode(layer: number, of: "keys" | "values", from: number): Float32Array {
    const rows = this.#layers[layer][of].slice(from);
    const quantizer = this.#quantizer(layer, of), scale = this.#scales[layer];
    const decoded = new Float32Array(rows.length * this.#width);
    for (const [t, row] of rows.entries()) {
      const into = decoded.subarray(t * this.#width, (t + 1) * this.#width);
      if ("exempt" in row) into.set(row.exempt);
      else quantizer.decode(row, of === "keys" ? scale : null, into);
    }
    return decoded;
  }

  #rotate(keys: DeviceBuffer, position: number, tokens: number): void {
    const { device, architecture: { positions, kvHeads, headDim } } = this.model;
    if (this.scheme.keys === "afterRotary" || positions.kind !== "rotary" || this.rotary === null) return;
    const { rotaryDim, layout } = positions;
    device.rotary(keys, this.rotary, { tokens, heads: kvHeads, headDim, rotaryDim, position, layout });
  }

  advance(tokens: number): void {
    this.#length += tokens;
  }

  [Symbol.dispose](): void {
    for (const { dense, packed } of this.#layers) {
      for (const one of [dense, packed]) {
        one?.keys[Symbol.dispose]();
        one?.values[Symbol.dispose]();
      }
    }
  }
}
