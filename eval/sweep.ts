/** A sweep measures a grid of models and schemes, one row per cell; rows that are stored already cost nothing. */
import { defaultDevice } from "../kernels/default.ts";
import type { Device } from "../kernels/device.ts";
import { loadModel } from "../model/load.ts";
import type { Model } from "../model/model.ts";
import { quantize } from "../quant/quantize.ts";
import { type Execution, weightStorage } from "../quant/quantized_linear.ts";
import { parseScheme, type Scheme } from "../quant/scheme.ts";
import { RecentReferences, Reference } from "./divergence.ts";
import { measure, type Measurement } from "./measure.ts";
import { requireWindows } from "./perplexity.ts";
import { hashOf, resultsLocation, sourceHash } from "./results.ts";
import type { TokenWindows } from "./score.ts";
import { openStore, ResultsError, type ResultsStore, storedOr } from "./store.ts";

/** One thing to measure. */
export interface Cell {
  /** A specifier for `loadModel`. */
  readonly model: string;
  /** `{}` is the float model. */
  readonly scheme: Scheme;
  /** Name of the cell in tables. */
  readonly label: string;
}

/** A measured cell. */
export interface Row extends Cell, Measurement {
  /** Measured storage of the linear layers, in bits per weight. */
  readonly bitsPerWeight: number;
  /** Hash of all that determines the values above. */
  readonly key: string;
  /** Time that quantization and evaluation took when they were measured; weights shared with other cells count in each. */
  readonly seconds: { readonly quantize: number; readonly evaluate: number };
  /** Most bytes that the device held. */
  readonly peakBytes: number;
  /** What it was measured on. */
  readonly device: string;
}

/** What a sweep runs with. */
export interface SweepOptions {
  /** Windows that are scored. */
  readonly windows: TokenWindows;
  /** Windows for methods that calibrate. */
  readonly calibration?: TokenWindows;
  /** How quantized weights are multiplied (default `"simulated"`): results agree, times and memory do not. */
  readonly execution?: Execution;
  /**
   * Where rows are stored: a directory or `s3://bucket/prefix` (default `QUANTBOOK_CACHE` or `.quantbook/results`); null
   * stores nothing.
   */
  readonly results?: string | null;
  /**
   * Whether a row that is not stored is an error instead of being measured (default: when `QUANTBOOK_STORED` or
   * `QUANTBOOK_PLAN` is set; the latter names a file to which the arguments of such a sweep are written).
   */
  readonly storedOnly?: boolean;
  /** Where models run (default: the process's device). */
  readonly device?: Device;
  /** Called after each cell. */
  readonly onRow?: (row: Row, done: number, total: number, cached: boolean) => void;
}

/**
 * Measures all cells, in order. Processes that share a store share the work: none measures what another is measuring.
 *
 * @throws {ResultsError} `missing`, when only stored rows are wanted and one is not there
 *
 * @example
 * ```ts
 * import { corpus, rtn, sweep } from "quantbook";
 * import { assert } from "@std/assert";
 *
 * const windows = await corpus("sotu", { split: "test", windows: 2, length: 64 });
 * const cells = [8, 3].map((bits) => ({ model: "fixture:llama", label: `W${bits}`, scheme: { weights: rtn({ bits }) } }));
 * const [w8, w3] = await sweep(cells, { windows, results: null });
 * assert(w8.perplexity.value < w3.perplexity.value);
 * ```
 */
export async function sweep(cells: readonly Cell[], options: SweepOptions): Promise<Row[]> {
  const checked = cells.map((cell) => ({ ...cell, scheme: parseScheme(cell.scheme) }));
  using bench = await SweepBench.open(options);
  const rows: Row[] = [];
  try {
    for (const cell of checked) {
      const { row, stored } = await bench.row(cell);
      rows.push(row);
      options.onRow?.(row, rows.length, cells.length, stored);
    }
  } catch (error) {
    const file = Deno.env.get("QUANTBOOK_PLAN");
    if (file !== undefined && error instanceof ResultsError && error.code === "missing") {
      await recordSweep(file, checked, options);
    }
    throw error;
  }
  return rows;
}

/** Appends the arguments of a sweep to a file, for `notebooks/lib/plan.ts`. */
async function recordSweep(file: string, cells: readonly Cell[], options: SweepOptions): Promise<void> {
  const { windows, calibration = [], execution } = options;
  const [scored, calibrated] = [windows, calibration].map((all) => all.map((ids) => Array.from(ids)));
  const line = JSON.stringify({ cells, windows: scored, calibration: calibrated, execution });
  await Deno.writeTextFile(file, line + "\n", { append: true });
}

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

/** All that determines the values of a row; models and token windows by their hashes. */
export interface Determinants {
  /** Of the code that measures. */
  readonly code: string;
  /** Name of the device. */
  readonly device: string;
  /** How quantized weights are multiplied; simulated when absent. */
  readonly execution?: Execution;
  /** Of the scored windows. */
  readonly windows: string;
  /** Of the windows for methods that calibrate. */
  readonly calibration: string;
  /** Of the float model. */
  readonly model: string;
  /** With all defaults filled in. */
  readonly scheme: Scheme;
}

/** The hash that a cell's row is stored under. */
export async function cellKey(
  { code, device, execution, windows, calibration, model, scheme }: Determinants,
): Promise<string> {
  const packed = execution === "packed" ? { execution } : {};
  return await hashOf({ code, device, windows, ...packed, calibration, model, scheme });
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

/** Hash of token windows, as keys contain it. */
export async function hashTokens(windows: TokenWindows): Promise<string> {
  return await hashOf(windows.map((ids) => Array.from(ids)));
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
