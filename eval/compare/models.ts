/** The models of a comparison: loaded once, quantized when they run for the first time. */
import type { Device } from "../../kernels/device.ts";
import { loadModel } from "../../quant/published/load.ts";
import type { Model } from "../../model/model.ts";
import { BoundedMemory } from "../../quant/calibration/memory.ts";
import { quantize, type QuantizeOptions } from "../../quant/quantize.ts";
import { resolveScheme } from "../../quant/quantize/resolve.ts";
import { describeScheme, parseScheme, type Scheme } from "../../quant/scheme.ts";
import { weightStorage } from "../../quant/weights/linear.ts";
import { CompareError } from "./error.ts";
import { type NoiseKind, noisyModel } from "./noise.ts";

/** A model that is compared. */
export interface ComparedModel {
  /** A specifier for `loadModel`. */
  readonly model: string;
  /** What is done to it (default: nothing). */
  readonly scheme?: Scheme;
  /** Name in tables (default: the specifier with the scheme). */
  readonly label?: string;
}

/** A model of a comparison with a scheme that has been checked. */
export type PreparedModel = Required<ComparedModel>;

/** A model that runs, with what it is stored as. */
export interface RunningModel {
  /** The model. */
  readonly model: Model;
  /** Measured storage of its linear layers. */
  readonly storage: { readonly bytes: number; readonly bitsPerWeight: number };
}

/** Models by specifier, scheme and noise. */
export class CompareModels implements Disposable {
  readonly #float = new Map<string, Promise<Model>>();
  readonly #running = new Map<string, Promise<RunningModel>>();
  readonly #memory = new BoundedMemory();

  constructor(
    private readonly device: Device,
    private readonly options: Pick<QuantizeOptions, "calibration" | "execution">,
  ) {}

  /** The model of a specifier as its files have it; nothing but shapes is read. */
  float(specifier: string): Promise<Model> {
    const found = this.#float.get(specifier) ?? loadModel(specifier, { device: this.device });
    this.#float.set(specifier, found);
    return found;
  }

  /** The model as it runs; with `noise`, computed otherwise. */
  running(prepared: PreparedModel, noise: NoiseKind | null = null): Promise<RunningModel> {
    const key = JSON.stringify([prepared.model, prepared.scheme, noise]);
    const found = this.#running.get(key) ?? this.#make(prepared, noise);
    this.#running.set(key, found);
    return found;
  }

  async #make(prepared: PreparedModel, noise: NoiseKind | null): Promise<RunningModel> {
    if (noise !== null) {
      requirePlainLinears(prepared);
      const { model } = await this.running(prepared), noisy = noisyModel(model, noise);
      return { model: noisy, storage: weightStorage(model) };
    }
    const options = { ...this.options, memory: this.#memory };
    const model = await quantize(await this.float(prepared.model), prepared.scheme, options);
    return { model, storage: weightStorage(model) };
  }

  /** Frees all models. */
  [Symbol.dispose](): void {
    const running = [...this.#running.values()].map((one) => one.then(({ model }) => model));
    for (const one of [...running, ...this.#float.values()]) {
      one.then((model) => model[Symbol.dispose](), () => {});
    }
  }
}

/** Linear layers that round their own inputs have no order of sums to change. */
function requirePlainLinears({ label, scheme }: PreparedModel): void {
  const { linears } = resolveScheme(scheme);
  if (linears === undefined) return;
  throw new CompareError(
    "noise",
    `noise: the reference ${label} has linear layers of its own (${linears.scheme.method}): expected noise: false`,
  );
}

/** A model of a comparison, its scheme checked and its label given. */
export function prepared({ model, scheme = {}, label }: ComparedModel): PreparedModel {
  const checked = parseScheme(scheme);
  const words = Object.keys(checked).length === 0 ? [model] : [model, describeScheme(checked)];
  return { model, scheme: checked, label: label ?? words.join(" ") };
}
