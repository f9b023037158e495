/** The device that everything uses unless told otherwise: one per process, chosen by `QUANTBOOK_DEVICE`. */

import { cpuDevice } from "./cpu/device.ts";
import type { Device } from "./device.ts";
import { environmentVariable } from "../base/environment.ts";
import { DeviceError } from "./error.ts";
import { gpuDevice } from "./gpu/device.ts";
import { nativeDevice } from "./native/device.ts";

let chosen: Promise<Device> | undefined;

/**
 * The device of this process, started at the first call: `cpu`, or what the environment variable `QUANTBOOK_DEVICE`
 * names (`cpu`, `gpu`, `native`). It is shared: nobody disposes of it. Throws a {@linkcode DeviceError} when that
 * device is unknown or not available.
 */
export function defaultDevice(): Promise<Device> {
  return chosen ??= openDevice(environmentVariable("QUANTBOOK_DEVICE") ?? "cpu");
}

/** A new device by name; whoever asks for it disposes of it. */
export async function openDevice(name: string): Promise<Device> {
  switch (name) {
    case "cpu":
      return await cpuDevice();
    case "gpu":
      return await gpuDevice();
    case "native":
      return await nativeDevice();
    default:
      throw new DeviceError("unknown", `unknown device "${name}": expected cpu, gpu or native`);
  }
}
