/** What the cells of a sweep share, and the measurement of one. */
import { defaultDevice } from "../../kernels/default.ts";
import type { Device } from "../../kernels/device.ts";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { quantize } from "../../quant/quantize.ts";
import { weightStorage } from "../../quant/weights/linear.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { RecentReferences, Reference } from "../metrics/divergence.ts";
import { measure } from "../metrics/measure.ts";
import { requireWindows, type TokenWindows } from "../windows.ts";
import { resultsLocation, sourceHash } from "../store/key.ts";
import { hashOf } from "../../base/hash.ts";
import { openStore } from "../store.ts";
import { type ResultsStore, storedOr } from "../store/contract.ts";
import { type Cell, cellKey, type Determinants, hashTokens, type Row, type SweepOptions } from "./cell.ts";

const storedOnly = ["QUANTBOOK_STORED", "QUANTBOOK_PLAN"];

/** What the cells of a sweep share: windows, a device, a store, and the float models with their predictions. */
export class SweepBench implements Disposable {
  readonly #models: ModelShelf;
  readonly #weights: LastWeights;

  private constructor(
    private readonly options: SweepOptions,
    private readonly device: Device,
    private readonly store: ResultsStore | null,
    private readonly determinants: Omit<Determinants, "model" | "scheme">,
  ) {
    this.#models = new ModelShelf(device, options.windows, determinants.windows);
    this.#weights = new LastWeights(options);
  }

  /** Opens the store and starts the device, unless one is given. */
  static async open(options: SweepOptions): Promise<SweepBench> {
    requireWindows(options.windows);
    const device = options.device ?? await defaultDevice();
    const location = options.results === undefined ? resultsLocation() : options.results;
    const determinants = {
      code: await sourceHash(),
      device: device.name,
      execution: options.execution,
      windows: await hashTokens(options.windows),
      calibration: await hashTokens(options.calibration ?? []),
    };
    const store = location === null ? null : await openStore(location);
    return new SweepBench(options, device, store, determinants);
  }

  /** Hash of all that determines a cell's row. The cell's scheme must have been parsed. */
  async key(cell: Cell): Promise<string> {
    const model = await this.#models.get(cell.model);
    return await cellKey({ ...this.determinants, model: await model.hash(), scheme: cell.scheme });
  }

  /** The stored row of a cell, or a new one, measured while nobody else measures it; `onMeasure` is called before. */
  async row(cell: Cell, onMeasure = () => {}): Promise<{ row: Row; stored: boolean }> {
    const key = await this.key(cell);
    const make = () => {
      onMeasure();
      return this.#measure(cell, key);
    };
    const { value, stored } = await storedOr(this.store, key, make, {
      what: `${cell.model} ${cell.label}`,
      storedOnly: this.options.storedOnly ?? storedOnly.some((name) => Deno.env.has(name)),
    });
    return { row: { ...value, ...cell }, stored };
  }

  async #measure(cell: Cell, key: string): Promise<Row> {
    const model = await this.#models.get(cell.model);
    const reference = await this.#models.reference(cell.model);
    return await measureCell(cell, key, model, reference, this.#weights, this.options, this.device);
  }

  /** Frees the models. */
  [Symbol.dispose](): void {
    this.#weights[Symbol.dispose]();
    this.#models[Symbol.dispose]();
  }
}

async function measureCell(
  cell: Cell,
  key: string,
  model: Model,
  reference: Reference,
  weights: LastWeights,
  { windows, calibration, execution }: SweepOptions,
  device: Device,
): Promise<Row> {
  const { transforms: _, weights: __, linears: ___, ...runtime } = cell.scheme;
  const prepared = await weights.of(model, cell.scheme);
  const start = performance.now();
  using quantized = await quantize(prepared.model, runtime, { calibration, execution });
  const middle = performance.now();
  const measured = await measure(quantized, windows, reference);
  const end = performance.now();
  const { bitsPerWeight } = weightStorage(quantized);
  return {
    ...cell,
    ...measured,
    bitsPerWeight,
    key,
    seconds: { quantize: prepared.seconds + (middle - start) / 1000, evaluate: (end - middle) / 1000 },
    peakBytes: device.memory.peak,
    device: device.description,
  };
}

/** The model whose weights were quantized last: cells in a row that differ in activations or cache only share it. */
class LastWeights implements Disposable {
  #last: { readonly key: string; readonly model: Model; readonly seconds: number } | null = null;

  constructor(private readonly options: SweepOptions) {}

  async of(
    float: Model,
    { transforms, weights, linears }: Scheme,
  ): Promise<{ model: Model; seconds: number }> {
    const scheme = { transforms, weights, linears };
    const key = await hashOf({ model: await float.hash(), scheme });
    if (this.#last?.key === key) return this.#last;
    this[Symbol.dispose]();
    const start = performance.now();
    const model = await quantize(float, scheme, this.options);
    this.#last = { key, model, seconds: (performance.now() - start) / 1000 };
    return this.#last;
  }

  [Symbol.dispose](): void {
    this.#last?.model[Symbol.dispose]();
    this.#last = null;
  }
}

/** By device: what one holds at most must not depend on what another has computed. */
const recentReferences = new WeakMap<Device, RecentReferences>();

/** The float models of a sweep and their predictions, loaded once each. */
class ModelShelf implements Disposable {
  readonly #models = new Map<string, Promise<Model>>();
  readonly #references = new Map<string, Promise<Reference>>();

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

  async reference(specifier: string): Promise<Reference> {
    const found = this.#references.get(specifier) ?? this.#predictions(await this.get(specifier));
    this.#references.set(specifier, found);
    return await found;
  }

  async #predictions(model: Model): Promise<Reference> {
    const recent = recentReferences.get(this.device) ?? new RecentReferences();
    recentReferences.set(this.device, recent);
    return await recent.get(
      `${await model.hash()} ${this.windowsHash}`,
      () => Reference.of(model, this.windows),
    );
  }

  [Symbol.dispose](): void {
    for (const model of this.#models.values()) model.then((one) => one[Symbol.dispose](), () => {});
  }
}
