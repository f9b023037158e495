/** Hadamard transforms that run for every token, where a rotation cannot be folded into the weights on both sides. */
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import type { Architecture, InputSite } from "../architecture.ts";

/** Which transforms a model runs; their inverses are in its weights, or cancel in the scores. */
export interface OnlineRotations {
  /** Across the heads of what the output projection reads: value `i` of each head with value `i` of the others. */
  readonly heads?: boolean;
  /** What the down projection reads. */
  readonly down?: boolean;
  /** Queries and keys of each head, positions rotated in: products of the two stay as they are. */
  readonly keys?: boolean;
}

/** What {@linkcode rotateInput} needs to know. */
export interface RotatedPass {
  /** The device that runs it. */
  readonly device: Device;
  /** Sizes of the model. */
  readonly architecture: Pick<Architecture, "heads" | "headDim" | "intermediateSize">;
  /** What is rotated. */
  readonly rotations: OnlineRotations;
}

/** Rotates the input `[rows, columns]` of a site's linear layers in place, before anybody looks at it. */
export function rotateInput(
  { device, architecture, rotations }: RotatedPass,
  site: InputSite,
  x: DeviceBuffer,
  rows: number,
): void {
  const { heads, headDim, intermediateSize } = architecture;
  if (site === "output" && rotations.heads) device.hadamard(x, { rows, size: heads, stride: headDim });
  if (site === "down" && rotations.down) device.hadamard(x, { rows, size: intermediateSize });
}

/** Rotates queries or keys `[rows, heads * headDim]` in place. */
export function rotateHeads(
  { device, architecture: { headDim }, rotations }: RotatedPass,
  x: DeviceBuffer,
  rows: number,
  heads: number,
): void {
  if (rotations.keys) device.hadamard(x, { rows: rows * heads, size: headDim });
}
