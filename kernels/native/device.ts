/** The native device: the CPU device with its products of weights, most of the time of a forward pass, in ONNX Runtime. */

import * as check from "../check.ts";
import { CpuDevice, startThreads } from "../cpu/device.ts";
import type { Pool } from "../cpu/pool.ts";
import type { Memory } from "../cpu/storage.ts";
import type { Device, DeviceWeight } from "../device.ts";
import type { PackedCodes } from "../codes.ts";
import { DeviceError } from "../error.ts";
import { checkPacked, packedValues } from "../host/packed.ts";
import { type Floats, loadRuntime, type Product, type Runtime } from "./runtime.ts";

/**
 * A {@linkcode Device} on this processor that multiplies in native code: ONNX Runtime's, through the npm package
 * `onnxruntime-node`. All else is that of `cpuDevice()`. The same input gives the same bits on any number of threads, but
 * other bits than the CPU device's, which on another processor may be others. Packed weights are held as float32 values.
 *
 * @param options.threads as of `cpuDevice()`
 * @throws {DeviceError} code `unavailable` where native code is not permitted (`--allow-ffi`) or the package has none for
 * this machine
 *
 * @example
 * ```ts ignore
 * import { assertEquals } from "@std/assert";
 * import { DeviceError } from "../error.ts";
 * import { nativeDevice } from "./device.ts";
 *
 * try {
 *   using device = await nativeDevice({ threads: 1 });
 *   using weight = device.weight(new Float32Array([1, 2, 3, 4]), 2, 2);
 *   using x = device.upload(new Float32Array([1, 10])), y = device.allocate(2);
 *   device.linear(x, weight, null, y, 1);
 *   assertEquals(await device.read(y), new Float32Array([21, 43]));
 * } catch (error) {
 *   if (!(error instanceof DeviceError)) throw error;
 * }
 * ```
 */
export async function nativeDevice(options: { threads?: number } = {}): Promise<Device> {
  return new NativeDevice(await loadRuntime(), ...await startThreads("nativeDevice", options.threads));
}

class NativeDevice extends CpuDevice {
  override readonly name = "native";
  readonly #runtime: Runtime;
  readonly #memory: Memory;
  readonly #pool: Pool;
  /** The device's memory as it is now, see {@linkcode NativeDevice.#view}. */
  #bytes = new ArrayBuffer();

  constructor(runtime: Runtime, memory: Memory, pool: Pool) {
    super(memory, pool);
    this.#runtime = runtime;
    this.#memory = memory;
    this.#pool = pool;
  }

  override get description(): string {
    return `${this.#runtime.description}, ${super.description}`;
  }

  override weight(data: Float32Array, outFeatures: number, inFeatures: number): DeviceWeight {
    check.checkWeight("weight", data, outFeatures, inFeatures);
    const values = data.buffer instanceof ArrayBuffer ? data as Floats : new Float32Array(data);
    const product = this.#runtime.product(values, { outFeatures, inFeatures, threads: this.threads });
    return new NativeWeight(this.#memory, product, outFeatures, inFeatures);
  }

  override packedWeight(packed: PackedCodes): DeviceWeight {
    checkPacked(packed);
    return this.weight(packedValues(packed), packed.outFeatures, packed.inFeatures);
  }

  override linear(...call: Parameters<Device["linear"]>): void {
    check.checkLinear(...call);
    const [x, weight, bias, y, rows] = call;
    if (!(weight instanceof NativeWeight)) {
      throw new DeviceError("foreign", "linear: weight belongs to another device");
    }
    const product = weight.open(this.#memory, "linear", "weight");
    const input = this.floats("linear", "x", x), output = this.floats("linear", "y", y);
    const offset = bias && this.floats("linear", "bias", bias);
    if (rows === 0) return;
    const size = rows * weight.outFeatures;
    product.run(this.#view(input, rows * weight.inFeatures), this.#view(output, size), rows);
    if (offset === null) return;
    const addresses = [output.byteOffset, offset.byteOffset];
    this.#pool.run("accumulate", { units: size, nanoseconds: size / 2 }, [
      ...addresses,
      weight.outFeatures,
      0,
    ]);
  }

  /**
   * The first `length` of some values of this device, where they are. Native code takes no shared memory, so it gets the
   * device's by its address, which does not change when the memory grows.
   */
  #view({ buffer, byteOffset }: Float32Array, length: number): Floats {
    if (this.#bytes.byteLength !== buffer.byteLength) {
      const pointer = Deno.UnsafePointer.of(new Uint8Array(buffer as ArrayBuffer));
      if (pointer === null) {
        throw new DeviceError("unavailable", "native: the device's memory has no address");
      }
      this.#bytes = Deno.UnsafePointerView.getArrayBuffer(pointer, buffer.byteLength);
    }
    return new Float32Array(this.#bytes, byteOffset, length);
  }
}

/** A weight in the memory of ONNX Runtime. */
class NativeWeight implements DeviceWeight {
  readonly byteLength: number;
  readonly #memory: Memory;
  readonly #product: Product;
  #released = false;

  constructor(memory: Memory, product: Product, readonly outFeatures: number, readonly inFeatures: number) {
    this.#memory = memory;
    this.#product = product;
    this.byteLength = outFeatures * inFeatures * 4;
    memory.count(this.byteLength);
  }

  /** The product, after checking that the weight belongs to the device with `memory` and is not released. */
  open(memory: Memory, op: string, argument: string): Product {
    if (this.#memory !== memory) {
      throw new DeviceError("foreign", `${op}: ${argument} belongs to another device`);
    }
    if (this.#released) throw new DeviceError("released", `${op}: ${argument} has been released`);
    return this.#product;
  }

  [Symbol.dispose](): void {
    if (this.#released) return;
    this.#released = true;
    this.#product[Symbol.dispose]();
    this.#memory.count(-this.byteLength);
  }
}
