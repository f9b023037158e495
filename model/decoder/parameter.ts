/**
 * One tensor of a model: values on the host on demand, a copy on the device while somebody uses it.
 *
 * Models made from one another share parameters; the device copy is freed when the last owner lets go of it, or
 * after each layer when the model streams its layers.
 */
import type { Device, DeviceBuffer, DeviceWeight } from "../../kernels/device.ts";
import type { PackedCodes } from "../../kernels/codes.ts";
import { heldWeight, type StoredWeight } from "../checkpoint/stored.ts";

export type { StoredWeight } from "../checkpoint/stored.ts";

/** A linear layer ready to run on a device: `y = x W^T + bias`. */
export interface Linear extends Disposable {
  /** Bytes on the device. */
  readonly byteLength: number;
  /** `x` `[rows, in]` to `y` `[rows, out]`. */
  run(x: DeviceBuffer, y: DeviceBuffer, rows: number): void | Promise<void>;
}

/** A tensor that several models may own. */
export class Parameter<T extends Disposable> {
  /** Whether the values are the checkpoint's, so that what the checkpoint stores is how they are stored. */
  isOriginal = false;
  #owners = 1;
  #resident: Promise<T> | null = null;

  /** Nothing is read until `load`. */
  constructor(
    /** Name in the checkpoint. */
    readonly name: string,
    readonly shape: readonly number[],
    /** Reads the float32 values, row-major. */
    readonly values: () => Promise<Float32Array>,
    private readonly build: () => Promise<T>,
    /** What the values are stored as, where that is not float32. */
    readonly stored?: StoredWeight,
  ) {}

  /** The copy on the device, made at the first call. */
  load(): Promise<T> {
    return this.#resident ??= this.build();
  }

  /** Says that the values are the checkpoint's. */
  asOriginal(): this {
    this.isOriginal = true;
    return this;
  }

  /** One more model owns this parameter. */
  retain(): this {
    this.#owners++;
    return this;
  }

  /** One model less owns it; the last one frees the device copy. */
  release(): void {
    if (--this.#owners === 0) this.evict();
  }

  /** Frees the device copy; the next `load` makes it again. */
  evict(): void {
    const resident = this.#resident;
    this.#resident = null;
    resident?.then((value) => value[Symbol.dispose](), () => {});
  }
}

/** A vector (a norm's weight or bias). */
export function vectorParameter(
  device: Device,
  name: string,
  values: () => Promise<Float32Array>,
  shape: readonly number[],
): Parameter<DeviceBuffer> {
  return new Parameter(name, shape, values, async () => device.upload(await values()));
}

/** A dense linear layer; `bias` may be absent. `stored` is what the values are stored as, where they are quantized. */
export function denseLinear(
  device: Device,
  name: string,
  shape: readonly [out: number, inputs: number],
  values: () => Promise<Float32Array>,
  bias: (() => Promise<Float32Array>) | null,
  stored?: StoredWeight,
): Parameter<Linear> {
  const weight = async () => device.weight(await values(), shape[0], shape[1]);
  return new Parameter(name, shape, values, () => linearOf(device, weight, bias), stored);
}

/** A linear layer whose weight stays packed on the device. */
export function packedLinear(
  device: Device,
  name: string,
  stored: StoredWeight,
  pack: () => PackedCodes,
  bias: (() => Promise<Float32Array>) | null,
): Parameter<Linear> {
  const weight = () => Promise.resolve(device.packedWeight(pack()));
  const values = () => Promise.resolve(stored.dequantize());
  return new Parameter(name, stored.shape, values, () => linearOf(device, weight, bias), stored);
}

/** A linear layer of a weight that its checkpoint has quantized: packed where the device has a kernel for it. */
export function storedLinear(
  device: Device,
  name: string,
  stored: StoredWeight,
  bias: (() => Promise<Float32Array>) | null,
): Parameter<Linear> {
  const values = async () => (await heldWeight(stored)).dequantize();
  const weight = async () => {
    const held = await heldWeight(stored), [out, inputs] = held.shape;
    return held.pack === undefined
      ? device.weight(held.dequantize(), out, inputs)
      : device.packedWeight(held.pack());
  };
  return new Parameter(name, stored.shape, values, () => linearOf(device, weight, bias), stored);
}

async function linearOf(
  device: Device,
  load: () => Promise<DeviceWeight>,
  bias: (() => Promise<Float32Array>) | null,
): Promise<Linear> {
  const weight = await load();
  const offset = bias === null ? null : device.upload(await bias());
  return {
    byteLength: weight.byteLength + 4 * (offset?.length ?? 0),
    run: (x, y, rows) => device.linear(x, weight, offset, y, rows),
    [Symbol.dispose]() {
      weight[Symbol.dispose]();
      offset?.[Symbol.dispose]();
    },
  };
}
