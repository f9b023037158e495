/** Quantized weights as linear layers of a model, and their measured size. */
import type { Device } from "../../kernels/device.ts";
import type { LinearRole } from "../../model/architecture.ts";
import { heldWeight } from "../../model/checkpoint/stored.ts";
import type { Model } from "../../model/model.ts";
import {
  denseLinear,
  type Linear,
  packedLinear,
  type Parameter,
  type StoredWeight,
} from "../../model/decoder/parameter.ts";
import { SchemeError } from "../error.ts";
import { floatTypes, type Size, sizes, sum } from "./sizes.ts";

/**
 * How quantized weights are multiplied: dequantized once, or by a kernel that reads the packed form. Both give the same
 * bits, but where a device multiplies the codes of few rows, or adds outliers at the end (`Device.packedWeight`).
 */
export type Execution = "simulated" | "packed";

/**
 * A linear layer whose weight is quantized by `method`.
 *
 * @throws {SchemeError} when it shall be executed packed and the device has no kernel for its format.
 */
export function quantizedLinear(
  device: Device,
  name: string,
  stored: StoredWeight,
  bias: (() => Promise<Float32Array>) | null,
  method: string,
  execution: Execution,
): Parameter<Linear> {
  if (execution === "simulated") {
    const values = () => Promise.resolve(stored.dequantize());
    return denseLinear(device, name, stored.shape, values, bias, stored);
  }
  const pack = stored.pack?.bind(stored);
  if (pack === undefined) {
    throw new SchemeError(
      "combination",
      `${method} has no packed kernel for ${name}: use execution "simulated"`,
    );
  }
  return packedLinear(device, name, stored, pack, bias);
}

/** The quantized weight of a linear layer, or undefined where it is dense; of a streaming model what is known without its codes. */
export function storedWeight(
  model: Model,
  layer: number,
  role: LinearRole,
  expert?: number,
): StoredWeight | undefined {
  return model.linear(layer, role, expert).stored;
}

/** The quantized weight of a linear layer with its codes, read now where a streaming model left them in their file. */
export async function heldWeightOf(
  model: Model,
  layer: number,
  role: LinearRole,
  expert?: number,
): Promise<StoredWeight | undefined> {
  const stored = storedWeight(model, layer, role, expert);
  return stored && await heldWeight(stored);
}

/** Bits per weight, all overhead included. */
export function bitsPerWeight({ byteLength, shape: [out, inputs] }: StoredWeight): number {
  return 8 * byteLength / (out * inputs);
}

/**
 * Measured storage of the linear layers' weights. Dense ones count as float16, as checkpoints store them, or as a quantized file has
 * them (GGUF). What the rest of the model takes is `sizes`' to say.
 */
export function weightStorage(model: Model): Size {
  const linears = sizes(model).parts.filter(({ kind }) => kind === "linear");
  return sum(
    linears.map((part) => floatTypes.includes(part.format) ? { ...part, bytes: 2 * part.weights } : part),
  );
}
