/** The float model beside the quantized one, layer by layer: how far inputs of linear layers drift from what they were (GPTAQ). */
import type { DeviceBuffer } from "../../kernels/device.ts";
import type { InputSite } from "../../model/architecture.ts";
import { runLayer } from "../../model/decoder.ts";
import type { LoadedLayer } from "../../model/decoder/context.ts";
import type { Intervention, LinearInput } from "../../model/decoder/intervention.ts";
import type { Model } from "../../model/model.ts";

/** Hidden states of all windows as the float model has them, and the inputs of the layer that it was led through last. */
export class FloatPass implements Disposable {
  #states: DeviceBuffer[] | null = null;
  readonly #inputs = new Map<InputSite, DeviceBuffer[]>();

  /** Nothing is computed before the first layer, which is the one that `before` `[tokens, hidden]` goes into, if it is given. */
  constructor(
    private readonly model: Model,
    private readonly windows: readonly Int32Array[],
    private readonly before?: readonly Float32Array[],
  ) {}

  /** Hidden states after the layer that was entered last. */
  async states(): Promise<Float32Array[]> {
    return await Promise.all((this.#states ?? []).map((x) => this.model.device.read(x)));
  }

  /** Runs a layer, its weights in full precision, over all windows, and keeps the inputs of some sites until the next. */
  async enter(layer: LoadedLayer, sites: ReadonlySet<InputSite>): Promise<void> {
    const { model: { device }, windows, before } = this;
    this.#release();
    this.#states ??= await Promise.all(
      windows.map((ids, i) => before === undefined ? this.model.embed(ids) : device.upload(before[i])),
    );
    const recorder: Intervention = {
      input: (x, { site, rows, columns }) => {
        if (!sites.has(site)) return;
        const copy = device.allocate(rows * columns);
        device.copy(x, 0, copy, 0, copy.length);
        this.#inputs.set(site, [...this.#inputs.get(site) ?? [], copy]);
      },
    };
    const context = await this.model.context([recorder], null, windows[0]?.length);
    for (const [i, ids] of windows.entries()) await runLayer(context, layer, this.#states[i], ids.length);
  }

  /** Adds `(X_float - X)^T X` `[columns, columns]` of one window's input, where the site was kept. */
  async add(
    x: DeviceBuffer,
    { site, rows, columns }: LinearInput,
    window: number,
    sums: Map<InputSite, Float64Array>,
  ): Promise<void> {
    const { device } = this.model, float = this.#inputs.get(site)?.[window];
    if (float === undefined) return;
    using difference = device.upload(new Float32Array(rows * columns).fill(-1));
    using product = device.allocate(columns * columns);
    device.multiply(difference, x);
    device.add(difference, float);
    device.gemm(difference, x, product, { m: columns, n: columns, k: rows, transposeA: true });
    const sum = sums.get(site) ?? new Float64Array(columns * columns);
    for (const [i, value] of (await device.read(product)).entries()) sum[i] += value;
    sums.set(site, sum);
  }

  #release(): void {
    for (const one of [...this.#inputs.values()].flat()) one[Symbol.dispose]();
    this.#inputs.clear();
  }

  [Symbol.dispose](): void {
    this.#release();
    for (const one of this.#states ?? []) one[Symbol.dispose]();
  }
}
