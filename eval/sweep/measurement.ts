/** The measurement of a cell, and what the cells of a sweep share: float models with their predictions, the weights quantized last. */
import type { Device } from "../../kernels/device.ts";
import { loadModel } from "../../quant/published/load.ts";
import type { Model } from "../../model/model.ts";
import { BoundedMemory } from "../../quant/calibration/memory.ts";
import { quantize } from "../../quant/quantize.ts";
import { stagesOf } from "../../quant/quantize/stages.ts";
import { weightStorage } from "../../quant/weights/linear.ts";
import { sizes } from "../../quant/weights/sizes.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { FloatPredictions, RecentPredictions } from "../metrics/divergence.ts";
import { measure } from "../metrics/measure.ts";
import type { TokenWindows } from "../windows.ts";
import { hashOf } from "../../base/hash.ts";
import type { Cell, Row, SweepOptions } from "./cell.ts";

/** Quantizes and measures. */
export async function measureCell(
  cell: Cell,
  key: string,
  model: Model,
  reference: FloatPredictions,
  weights: LastWeights,
  { windows, calibration, execution }: SweepOptions,
  device: Device,
): Promise<Row> {
  // Where stages one after the other are not the whole scheme, all of it is applied to the float model.
  const stages = stagesOf(cell.scheme);
  const prepared = stages === null ? { model, seconds: 0 } : await weights.of(model, stages.weights);
  const start = performance.now();
  using quantized = await quantize(prepared.model, stages?.runtime ?? cell.scheme, {
    calibration,
    execution,
    memory: memoryOf(device),
  });
  const middle = performance.now();
  const measured = await measure(quantized, windows, reference);
  const end = performance.now();
  const { bitsPerWeight } = weightStorage(quantized);
  return {
    ...cell,
    ...measured,
    bitsPerWeight,
    modelBitsPerWeight: sizes(quantized).model.bitsPerWeight,
    key,
    seconds: { quantize: prepared.seconds + (middle - start) / 1000, evaluate: (end - middle) / 1000 },
    peakBytes: device.memory.peak,
    device: device.description,
    ...(model.notices.length > 0 && { notices: model.notices }),
  };
}

/** The model whose weights were quantized last: cells in a row that differ in activations or cache only share it. */
export class LastWeights implements Disposable {
  #last: { readonly key: string; readonly model: Model; readonly seconds: number } | null = null;

  constructor(private readonly options: SweepOptions, private readonly device: Device) {}

  async of(float: Model, scheme: Scheme): Promise<{ model: Model; seconds: number }> {
    const key = hashOf({ model: await float.hash(), scheme });
    if (this.#last?.key === key) return this.#last;
    this[Symbol.dispose]();
    const start = performance.now();
    const model = await quantize(float, scheme, { ...this.options, memory: memoryOf(this.device) });
    this.#last = { key, model, seconds: (performance.now() - start) / 1000 };
    return this.#last;
  }

  [Symbol.dispose](): void {
    this.#last?.model[Symbol.dispose]();
    this.#last = null;
  }
}

/** By device: what one holds at most must not depend on what another has computed. */
const recentPredictions = new WeakMap<Device, RecentPredictions>();
const memories = new WeakMap<Device, BoundedMemory>();

function memoryOf(device: Device): BoundedMemory {
  const memory = memories.get(device) ?? new BoundedMemory();
  memories.set(device, memory);
  return memory;
}

/** The float models of a sweep and their predictions, loaded once each. */
export class ModelShelf implements Disposable {
  readonly #models = new Map<string, Promise<Model>>();
  readonly #references = new Map<string, Promise<FloatPredictions>>();

  constructor(
    private readonly device: Device,
    private readonly windows: TokenWindows,
    private readonly windowsHash: string,
  ) {}

  get(specifier: string): Promise<Model> {
    const found = this.#models.get(specifier) ?? loadModel(specifier, { device: this.device });
    this.#models.set(specifier, found);
    return found;
  }

  async reference(specifier: string): Promise<FloatPredictions> {
    const found = this.#references.get(specifier) ?? this.#predictions(await this.get(specifier));
    this.#references.set(specifier, found);
    return await found;
  }

  async #predictions(model: Model): Promise<FloatPredictions> {
    const recent = recentPredictions.get(this.device) ?? new RecentPredictions();
    recentPredictions.set(this.device, recent);
    return await recent.get(
      `${await model.hash()} ${this.windowsHash}`,
      () => FloatPredictions.of(model, this.windows),
    );
  }

  [Symbol.dispose](): void {
    for (const model of this.#models.values()) model.then((one) => one[Symbol.dispose](), () => {});
  }
}
