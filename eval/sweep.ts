/** A sweep measures a grid of models and schemes, one row per cell; rows that are stored already cost nothing. */
import { defaultDevice } from "../kernels/default.ts";
import type { Device } from "../kernels/device.ts";
import { loadModel } from "../model/load.ts";
import type { Model } from "../model/model.ts";
import { quantize } from "../quant/quantize.ts";
import { type Execution, weightStorage } from "../quant/quantized_linear.ts";
import { parseScheme, type Scheme } from "../quant/scheme.ts";
import { Reference } from "./divergence.ts";
import { measure, type Measurement } from "./measure.ts";
import { requireWindows } from "./perplexity.ts";
import { hashOf, readResult, resultsDirectory, sourceHash, writeResult } from "./results.ts";
import type { TokenWindows } from "./score.ts";

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
  /** Where rows are stored (default `QUANTBOOK_CACHE` or `.quantbook/results`); null stores nothing. */
  readonly results?: string | null;
  /** Where models run (default: the process's device). */
  readonly device?: Device;
  /** Called after each cell. */
  readonly onRow?: (row: Row, done: number, total: number, cached: boolean) => void;
}

/**
 * Measures all cells, in order.
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
  requireWindows(options.windows);
  const checked = cells.map((cell) => ({ ...cell, scheme: parseScheme(cell.scheme) }));
  const device = options.device ?? await defaultDevice();
  const results = options.results === undefined ? resultsDirectory() : options.results;
  const determinants = {
    code: await sourceHash(),
    device: device.name,
    windows: await hashTokens(options.windows),
    ...(options.execution === "packed" ? { execution: options.execution } : {}),
  };
  const calibration = await hashTokens(options.calibration ?? []);
  using models = new ModelShelf(device, options.windows);
  using weights = new LastWeights(options);
  const rows: Row[] = [];
  for (const cell of checked) {
    const model = await models.get(cell.model);
    const key = await hashOf({
      ...determinants,
      calibration,
      model: await model.hash(),
      scheme: cell.scheme,
    });
    const stored = results === null ? undefined : await readResult(key, results);
    const row = stored === undefined
      ? await measureCell(cell, key, model, await models.reference(cell.model), weights, options, device)
      : { ...stored as Row, ...cell };
    if (stored === undefined && results !== null) await writeResult(key, row, results);
    rows.push(row);
    options.onRow?.(row, rows.length, cells.length, stored !== undefined);
  }
  return rows;
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

async function hashTokens(windows: TokenWindows): Promise<string> {
  return await hashOf(windows.map((ids) => Array.from(ids)));
}

/** The float models of a sweep and their predictions, loaded once each. */
class ModelShelf implements Disposable {
  readonly #models = new Map<string, Promise<Model>>();
  readonly #references = new Map<string, Promise<Reference>>();

  constructor(private readonly device: Device, private readonly windows: TokenWindows) {}

  get(specifier: string): Promise<Model> {
    const found = this.#models.get(specifier) ?? loadModel(specifier, { device: this.device });
    this.#models.set(specifier, found);
    return found;
  }

  async reference(specifier: string): Promise<Reference> {
    const found = this.#references.get(specifier) ?? Reference.of(await this.get(specifier), this.windows);
    this.#references.set(specifier, found);
    return await found;
  }

  [Symbol.dispose](): void {
    for (const model of this.#models.values()) model.then((one) => one[Symbol.dispose](), () => {});
  }
}
