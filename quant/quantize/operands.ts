/** Quantizers of activations and attention operands as interventions in the forward pass. */
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import { type Architecture, layerRoles, rolesOfSite } from "../../model/architecture.ts";
import type { Intervention, LinearInput, Operand } from "../../model/decoder/intervention.ts";
import type { Model } from "../../model/model.ts";
import type {
  CalibratedOperand,
  LayeredOperand,
  OperandPlace,
  OperandView,
  QuantizeContext,
} from "../method.ts";
import { allWeights, type BoundOperand, operandAt, type ResolvedScheme } from "./resolve.ts";

/** What the parts of a scheme that fix something before the model runs have found, and those that find it layer by layer. */
export interface CalibratedOperands {
  /** What rounds, by the part of the scheme. */
  readonly found: ReadonlyMap<BoundOperand, CalibratedOperand>;
  /** What looks at layers as the walk over weights comes to them: at attention's operands first, then at inputs behind these rounded. */
  readonly layered: Readonly<Record<"attention" | "inputs", readonly LayeredOperand[]>>;
}

/** Calibrates activations and attention operands on a model with its weights in full precision; none layer by layer where none are quantized. */
export async function calibrateOperands(
  model: Model,
  scheme: ResolvedScheme,
  context: QuantizeContext,
): Promise<CalibratedOperands> {
  const bound = [scheme, ...scheme.overrides].flatMap(({ operands }) => [...operands]);
  const found = new Map<BoundOperand, CalibratedOperand>(), walks = allWeights(scheme).length > 0;
  const attention: LayeredOperand[] = [], inputs: LayeredOperand[] = [];
  for (const [i, [site, one]] of [...bound, ["head", scheme.head.activations] as const].entries()) {
    if (!one) continue;
    const own = { ...context, finished: context.finished?.of(`${site}${i}`) ?? null };
    const layered = walks && site !== "head" ? await one.part.layered?.(model, one.scheme, own) : null;
    if (layered) (site === "activations" ? inputs : attention).push(layered);
    const fixed = layered ? layered.round : await one.part.calibrate?.(model, one.scheme, context);
    if (fixed) found.set(one, fixed);
  }
  return { found, layered: { attention, inputs } };
}

/** The quantizers that a scheme puts into the forward pass, or null if it has none. */
export function operandQuantizers(
  device: Device,
  architecture: Architecture,
  scheme: ResolvedScheme,
  calibrated: ReadonlyMap<BoundOperand, CalibratedOperand>,
): Intervention | null {
  const used = new Set([scheme, ...scheme.overrides].flatMap(({ operands }) => [...operands.keys()]));
  const { activations } = scheme.head;
  if (used.size === 0 && activations === undefined) return null;
  const run = (bound: BoundOperand | undefined, x: DeviceBuffer, view: OperandView, place: OperandPlace) => {
    if (bound === undefined) return;
    const fixed = calibrated.get(bound);
    return fixed === undefined ? bound.part.apply(device, x, view, bound.scheme) : fixed(x, view, place);
  };
  const vectors = (site: "keyBeforeRotary" | "query" | "key" | "value") => {
    if (!used.has(site)) return {};
    const act = (x: DeviceBuffer, { layer, tokens, heads, headDim }: Operand) =>
      run(operandAt(scheme, site, layer), x, { rows: tokens, columns: heads * headDim, heads }, {
        layer,
        site,
      });
    return { [site]: act };
  };
  // Which linear layer of a site is asked makes no difference: a scheme that would tell them apart is refused.
  const input = (x: DeviceBuffer, { layer, site, rows, columns }: LinearInput) => {
    const present = layerRoles(architecture, layer),
      role = rolesOfSite[site].find((one) => present.includes(one));
    const bound = operandAt(scheme, "activations", layer, role ?? rolesOfSite[site][0]);
    return run(bound, x, { rows, columns, heads: 1 }, { layer, site });
  };
  return {
    ...vectors("keyBeforeRotary"),
    ...vectors("query"),
    ...vectors("key"),
    ...vectors("value"),
    ...used.has("activations") && { input },
    ...used.has("scores") && {
      scores(x, { layer, heads, tokens, kvTokens }) {
        const view = { rows: heads * tokens, columns: kvTokens, heads: 1 };
        return run(operandAt(scheme, "scores", layer), x, view, { layer, site: "scores" });
      },
    },
    ...activations && {
      head: (x, { rows, columns }) =>
        run(activations, x, { rows, columns, heads: 1 }, { layer: null, site: "head" }),
    },
  };
}
