/** Quantizers of activations and attention operands as interventions in the forward pass. */
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import { type Architecture, layerRoles, rolesOfSite } from "../../model/architecture.ts";
import type { Intervention, LinearInput, Operand } from "../../model/decoder/intervention.ts";
import type { OperandView } from "../method.ts";
import { type BoundOperand, operandAt, type ResolvedScheme } from "./resolve.ts";

/** The quantizers that a scheme puts into the forward pass, or null if it has none. */
export function operandQuantizers(
  device: Device,
  architecture: Architecture,
  scheme: ResolvedScheme,
): Intervention | null {
  const used = new Set([scheme, ...scheme.overrides].flatMap(({ operands }) => [...operands.keys()]));
  const { activations } = scheme.head;
  if (used.size === 0 && activations === undefined) return null;
  const run = (bound: BoundOperand | undefined, x: DeviceBuffer, view: OperandView) =>
    bound?.part.apply(device, x, view, bound.scheme);
  const vectors = (site: "keyBeforeRotary" | "query" | "key" | "value") => {
    if (!used.has(site)) return {};
    const act = (x: DeviceBuffer, { layer, tokens, heads, headDim }: Operand) =>
      run(operandAt(scheme, site, layer), x, { rows: tokens, columns: heads * headDim, heads });
    return { [site]: act };
  };
  // Which linear layer of a site is asked makes no difference: a scheme that would tell them apart is refused.
  const input = (x: DeviceBuffer, { layer, site, rows, columns }: LinearInput) => {
    const present = layerRoles(architecture, layer),
      role = rolesOfSite[site].find((one) => present.includes(one));
    return run(operandAt(scheme, "activations", layer, role ?? rolesOfSite[site][0]), x, {
      rows,
      columns,
      heads: 1,
    });
  };
  return {
    ...vectors("keyBeforeRotary"),
    ...vectors("query"),
    ...vectors("key"),
    ...vectors("value"),
    ...used.has("activations") && { input },
    ...used.has("scores") && {
      scores: (x, { layer, heads, tokens, kvTokens }) =>
        run(operandAt(scheme, "scores", layer), x, { rows: heads * tokens, columns: kvTokens, heads: 1 }),
    },
    ...activations && { head: (x, { rows, columns }) => run(activations, x, { rows, columns, heads: 1 }) },
  };
}
