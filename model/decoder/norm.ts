/** The norm of hidden states, by the kind that a model has. */
import type { DeviceBuffer } from "../../kernels/device.ts";
import type { LoadedNorm, PassContext } from "./context.ts";

/** Normalizes rows of `x` into `y`. */
export function normalize(
  { device, architecture }: PassContext,
  norm: LoadedNorm,
  x: DeviceBuffer,
  y: DeviceBuffer,
  rows: number,
): void {
  const { kind, eps } = architecture.norm;
  if (kind === "rms") device.rmsNorm(x, norm.weight, y, rows, eps);
  else device.layerNorm(x, norm.weight, norm.bias, y, rows, eps);
}
