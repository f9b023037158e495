/** Linear layers as they run in a pass: rotated, seen by interventions, multiplied. */
import type { DeviceBuffer } from "../../kernels/device.ts";
import { type LinearRole, siteColumns, siteOfRole } from "../architecture.ts";
import type { LoadedLayer, PassContext } from "./context.ts";
import { rotateInput } from "./rotation.ts";

/** Runs linear layers that read the same input `x`, after the interventions on that input; a layer that is left out runs none. */
export async function runLinears(
  context: PassContext,
  layer: LoadedLayer,
  roles: readonly LinearRole[],
  x: DeviceBuffer,
  outputs: readonly DeviceBuffer[],
  rows: number,
): Promise<void> {
  const site = siteOfRole(roles[0]), columns = siteColumns(context.architecture, site);
  rotateInput(context, site, x, rows);
  for (const one of context.interventions) {
    await one.input?.(x, { layer: layer.index, site, rows, columns });
  }
  for (const [i, role] of roles.entries()) await layer.linears[role]?.run(x, outputs[i], rows);
}
