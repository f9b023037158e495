/** Quantized weights as linear layers of a model, and their measured size. */
import type { Device } from "../../kernels/device.ts";
import { layerLinears, type LinearRole } from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import { denseLinear, type Linear, packedLinear, type Parameter } from "../../model/decoder/parameter.ts";
import type { PackedWeight } from "./weight.ts";
import { SchemeError } from "../error.ts";

/**
 * How quantized weights are multiplied: dequantized once, or by a kernel that reads the packed form. Both give the same
 * bits, but where a device multiplies the codes of few rows, or adds outliers at the end (`Device.packedWeight`).
 */
export type Execution = "simulated" | "packed";

const packedWeights = new WeakMap<Parameter<Linear>, PackedWeight>();

/**
 * A linear layer whose weight is quantized by `method`.
 *
 * @throws {SchemeError} when it shall be executed packed and the device has no kernel for its format.
 */
export function quantizedLinear(
  device: Device,
  name: string,
  packed: PackedWeight,
  bias: (() => Promise<Float32Array>) | null,
  method: string,
  execution: Execution,
): Parameter<Linear> {
  const values = () => Promise.resolve(packed.dequantize());
  const pack = packed.pack?.bind(packed);
  if (execution === "packed" && pack === undefined) {
    throw new SchemeError(
      "combination",
      `${method} has no packed kernel for ${name}: use execution "simulated"`,
    );
  }
  const parameter = execution === "packed" && pack !== undefined
    ? packedLinear(device, name, packed.shape, values, pack, bias)
    : denseLinear(device, name, packed.shape, values, bias);
  recordPacked(parameter, packed);
  return parameter;
}

/** Notes what a linear layer's weight is stored as, for methods that make their own layers. */
export function recordPacked(parameter: Parameter<Linear>, packed: PackedWeight): void {
  packedWeights.set(parameter, packed);
}

/** The quantized weight of a linear layer, or undefined where it is dense. */
export function packedWeight(
  model: Model,
  layer: number,
  role: LinearRole,
  expert?: number,
): PackedWeight | undefined {
  return packedWeights.get(model.linear(layer, role, expert));
}

/** Measured storage of the linear layers' weights; dense ones count as float16, as checkpoints store them. */
export function weightStorage(model: Model): { bytes: number; weights: number; bitsPerWeight: number } {
  let bytes = 0, weights = 0;
  for (let layer = 0; layer < model.architecture.layers; layer++) {
    for (const { role, expert } of layerLinears(model.architecture, layer)) {
      const [out, inputs] = model.linear(layer, role, expert).shape;
      weights += out * inputs;
      bytes += packedWeight(model, layer, role, expert)?.byteLength ?? 2 * out * inputs;
    }
  }
  return { bytes, weights, bitsPerWeight: 8 * bytes / weights };
}
