/** Runs the cells of a sweep, one by one: from the store where they are in it, else measured and stored. */
import { environmentVariable } from "../../base/environment.ts";
import { defaultDevice } from "../../kernels/default.ts";
import type { Device } from "../../kernels/device.ts";
import { ownCode } from "../../quant/quantize/code.ts";
import { resolveScheme } from "../../quant/quantize/resolve.ts";
import { requireWindows } from "../windows.ts";
import { resultsLocation } from "../store/key.ts";
import { openStore } from "../store.ts";
import { type ResultsStore, storedOr } from "../store/contract.ts";
import {
  type Cell,
  cellKey,
  type Determinants,
  hashTokens,
  measuringCode,
  type Row,
  storeOf,
  type SweepOptions,
} from "./cell.ts";
import { LastWeights, measureCell, ModelShelf } from "./measurement.ts";

const storedOnly = ["QUANTBOOK_STORED", "QUANTBOOK_PLAN"];

/** What the cells of a sweep share: windows, a device, a store, and the float models with their predictions. */
export class CellRunner implements Disposable {
  readonly #models: ModelShelf;
  readonly #weights: LastWeights;

  private constructor(
    private readonly options: SweepOptions,
    private readonly device: Device,
    private readonly store: ResultsStore | null,
    private readonly determinants: Omit<Determinants, "model" | "scheme" | "methods">,
  ) {
    this.#models = new ModelShelf(device, options.windows, determinants.windows);
    this.#weights = new LastWeights(options, device);
  }

  /** Opens the store and starts the device, unless one is given. */
  static async open(options: SweepOptions): Promise<CellRunner> {
    requireWindows(options.windows);
    const device = options.device ?? await defaultDevice();
    const location = options.results === undefined ? resultsLocation() : options.results;
    const determinants = {
      code: await measuringCode(),
      device: device.name,
      execution: options.execution,
      windows: hashTokens(options.windows),
      calibration: hashTokens(options.calibration ?? []),
    };
    const store = location === null ? null : await openStore(location);
    return new CellRunner(options, device, store, determinants);
  }

  /** Hash of all that determines a cell's row. The cell's scheme must have been parsed. */
  async key(cell: Cell): Promise<string> {
    const model = await this.#models.get(cell.model);
    const { code: methods } = await ownCode(resolveScheme(cell.scheme));
    return cellKey({ ...this.determinants, model: await model.hash(), scheme: cell.scheme, methods });
  }

  /** The stored row of a cell, or a new one, measured while nobody else measures it; `onMeasure` is called before. */
  async row(cell: Cell, onMeasure = () => {}): Promise<{ row: Row; stored: boolean }> {
    const key = await this.key(cell);
    const make = () => {
      onMeasure();
      return this.#measure(cell, key);
    };
    const wanted = {
      what: `${cell.model} ${cell.label}`,
      storedOnly: this.options.storedOnly ??
        storedOnly.some((name) => environmentVariable(name) !== undefined),
    };
    const store = storeOf(this.store, await ownCode(resolveScheme(cell.scheme)), wanted);
    const { value, stored } = await storedOr(store, key, make, wanted);
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
