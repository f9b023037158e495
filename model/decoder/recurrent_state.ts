/** What a state-space model keeps between tokens, in the place of keys and values. Its size does not depend on how many they are. */
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import type { StateSpace } from "../architecture.ts";
import { ModelError } from "../error.ts";
import type { AttentionCall, KeyValueCache } from "./cache.ts";

/** The state of one sequence. */
export class RecurrentState implements KeyValueCache {
  #length = 0;
  /** Of each layer: the last `taps - 1` inputs of the convolution, oldest first, and the scan's states `[inner, state]`. */
  readonly layers: readonly { readonly inputs: DeviceBuffer; readonly states: DeviceBuffer }[];

  constructor(
    device: Device,
    layers: number,
    { innerSize, stateSize, taps }: StateSpace,
    readonly capacity: number,
  ) {
    this.layers = Array.from({ length: layers }, () => ({
      inputs: device.allocate((taps - 1) * innerSize),
      states: device.allocate(innerSize * stateSize),
    }));
  }

  get length(): number {
    return this.#length;
  }

  get byteLength(): number {
    return this.layers.reduce((sum, { inputs, states }) => sum + 4 * (inputs.length + states.length), 0);
  }

  attend(_: AttentionCall): never {
    throw new ModelError("option", "a state-space model has no attention");
  }

  advance(tokens: number): void {
    this.#length += tokens;
  }

  [Symbol.dispose](): void {
    for (const { inputs, states } of this.layers) {
      inputs[Symbol.dispose]();
      states[Symbol.dispose]();
    }
  }
}
