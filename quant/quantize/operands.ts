/** Quantizers of activations and attention operands as interventions in the forward pass. */
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import type { Intervention, Operand } from "../../model/decoder/intervention.ts";
import type { OperandView } from "../method.ts";
import type { OperandSite } from "../scheme.ts";
import type { ResolvedScheme } from "./resolve.ts";

/** The quantizers that a scheme puts into the forward pass, or null if it has none. */
export function operandQuantizers(device: Device, { operands }: ResolvedScheme): Intervention | null {
  if (operands.size === 0) return null;
  const at = (site: OperandSite) => {
    const bound = operands.get(site);
    return bound && ((x: DeviceBuffer, view: OperandView) => bound.part.apply(device, x, view, bound.scheme));
  };
  const activations = at("activations"), scores = at("scores");
  const vectors = (site: "keyBeforeRotary" | "query" | "key" | "value") => {
    const quantize = at(site);
    if (quantize === undefined) return {};
    const act = (x: DeviceBuffer, { tokens, heads, headDim }: Operand) =>
      quantize(x, { rows: tokens, columns: heads * headDim, heads });
    return { [site]: act };
  };
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
