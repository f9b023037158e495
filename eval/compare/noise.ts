/**
 * A reference against itself, computed otherwise: how much of a divergence is arithmetic. Below this floor nothing is said about a
 * candidate.
 */
import type { DeviceBuffer } from "../../kernels/device.ts";
import { layerLinears } from "../../model/architecture.ts";
import type { Intervention } from "../../model/decoder/intervention.ts";
import { denseLinear, type Linear, Parameter } from "../../model/decoder/parameter.ts";
import { linearKey } from "../../model/decoder/parameters.ts";
import type { Model } from "../../model/model.ts";

/** How the reference is computed otherwise. */
export const noiseKinds: readonly NoiseKind[] = ["bfloat16", "sums"];

/**
 * `bfloat16`: weights, inputs and outputs of all linear layers and the operands of attention are rounded to bfloat16, sums are not;
 * `sums`: every product of a linear layer sums its columns from the last to the first.
 */
export type NoiseKind = "bfloat16" | "sums";

/** The model, computed otherwise. Its own is left as it is; unchanged parameters are shared. */
export function noisyModel(model: Model, kind: NoiseKind): Model {
  const { architecture } = model, linears = new Map<string, Parameter<Linear>>();
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const { role, expert } of layerLinears(architecture, layer)) {
      const bias = expert === undefined ? model.bias(layer, role) : null;
      const whole = model.linear(layer, role, expert);
      linears.set(linearKey(layer, role, expert), noisyLinear(model, whole, bias, kind));
    }
  }
  return model.with({
    linears,
    head: noisyLinear(model, model.head, model.headBias, kind),
    ...kind === "bfloat16" && { interventions: [roundedOperands(model)] },
    change: { noise: kind },
  });
}

function noisyLinear(
  { device }: Model,
  plain: Parameter<Linear>,
  bias: (() => Promise<Float32Array>) | null,
  kind: NoiseKind,
): Parameter<Linear> {
  const { name, shape: [out, inputs] } = plain;
  const [change, changeInput] = kind === "bfloat16"
    ? [toBfloat16, toBfloat16]
    : [(values: Float32Array) => reversedRows(values, inputs), (x: Float32Array) => reversedRows(x, inputs)];
  const changed = denseLinear(device, name, [out, inputs], async () => change(await plain.values()), bias);
  const build = async (): Promise<Linear> => {
    const linear = await changed.load();
    return {
      byteLength: linear.byteLength,
      async run(x, y, rows) {
        const values = await device.read(x, 0, rows * inputs);
        using input = device.upload(changeInput(values));
        await linear.run(input, y, rows);
        if (kind === "bfloat16") await rewrite(y, rows * out);
      },
      [Symbol.dispose]: () => changed.evict(),
    };
  };
  const rewrite = async (y: DeviceBuffer, length: number) =>
    device.write(y, toBfloat16(await device.read(y, 0, length)));
  return new Parameter(name, plain.shape, changed.values, build);
}

function roundedOperands({ device }: Model): Intervention {
  const round = async (x: DeviceBuffer) => device.write(x, toBfloat16(await device.read(x)));
  return { query: round, key: round, value: round };
}

/** Values rounded to bfloat16, halves to even. */
export function toBfloat16(values: Float32Array): Float32Array {
  const bits = new Uint32Array(new Float32Array(values).buffer);
  for (let i = 0; i < bits.length; i++) {
    // What is not finite stays: rounding its bits would make a NaN an infinity.
    if ((bits[i] & 0x7f800000) === 0x7f800000) continue;
    bits[i] = (bits[i] + 0x7fff + ((bits[i] >>> 16) & 1)) & 0xffff0000;
  }
  return new Float32Array(bits.buffer);
}

/** Rows of a matrix `[rows, columns]`, each from its end. */
function reversedRows(values: Float32Array, columns: number): Float32Array {
  const reversed = Float32Array.from(values);
  for (let first = 0; first < reversed.length; first += columns) {
    reversed.subarray(first, first + columns).reverse();
  }
  return reversed;
}
