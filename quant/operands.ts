/** Quantizers of activations and attention operands as interventions in the forward pass. */
import type { Device, DeviceBuffer } from "../kernels/device.ts";
import type { Intervention, Operand } from "../model/decoder/intervention.ts";
import type { OperandMethod, OperandView, Tagged } from "./method.ts";
import { methodOf } from "./registry.ts";
import { operandSites, type Scheme } from "./scheme.ts";
import { SchemeError } from "./error.ts";

/** The quantizers that a scheme puts into the forward pass, or null if it has none. */
export function operandQuantizers(device: Device, scheme: Scheme): Intervention | null {
  const apply: Partial<
    Record<typeof operandSites[number], (x: DeviceBuffer, view: OperandView) => void | Promise<void>>
  > = {};
  for (const site of operandSites) {
    const part: Tagged | undefined = scheme[site];
    if (part === undefined) continue;
    const operand = methodOf(part).operand as OperandMethod<Tagged> | undefined;
    if (operand === undefined) {
      throw new SchemeError("combination", `${site} cannot be quantized by ${part.method}`);
    }
    apply[site] = (x, view) => operand.apply(device, x, view, part);
  }
  const { activations, scores } = apply;
  const vectors = (site: "keyBeforeRotary" | "query" | "key" | "value") => {
    const quantize = apply[site];
    if (quantize === undefined) return {};
    const act = (x: DeviceBuffer, { tokens, heads, headDim }: Operand) =>
      quantize(x, { rows: tokens, columns: heads * headDim, heads });
    return { [site]: act };
  };
  if (Object.keys(apply).length === 0) return null;
  return {
    ...vectors("keyBeforeRotary"),
    ...vectors("query"),
    ...vectors("key"),
    ...vectors("value"),
    ...activations && { input: (x, { rows, columns }) => activations(x, { rows, columns, heads: 1 }) },
    ...scores && {
      scores: (x, { heads, tokens, kvTokens }) =>
        scores(x, { rows: heads * tokens, columns: kvTokens, heads: 1 }),
    },
  };
}
