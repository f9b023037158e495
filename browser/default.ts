/** In a page, in the place of `kernels/default.ts`: the CPU device, without those that need a system's libraries. */
import { cpuDevice } from "../kernels/cpu/device.ts";
import type { Device } from "../kernels/device.ts";
import { DeviceError } from "../kernels/error.ts";

let chosen: Promise<Device> | undefined;

/** The device of this page, started at the first call. */
export function defaultDevice(): Promise<Device> {
  return chosen ??= openDevice("cpu");
}

/** A new device by name; whoever asks for it disposes of it. */
export async function openDevice(name: string): Promise<Device> {
  if (name === "cpu") return await cpuDevice();
  throw new DeviceError("unknown", `unknown device "${name}": expected cpu, the only one of a page`);
}
