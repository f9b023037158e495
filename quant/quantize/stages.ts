/** A scheme as two schemes, one after the other: sweeps share the quantized weights of cells that differ in the rest. */
import { headOf, operandSites, parseScheme, type Scheme } from "../scheme.ts";
import { allWeights, type BoundOperand, resolveScheme, seesRounded } from "./resolve.ts";

/** What happens to the weights, and what happens while the model runs. */
export interface Stages {
  /** Transforms, sparsity and weights: of layers, of the ends, of overrides. */
  readonly weights: Scheme;
  /** Activations, attention operands and the cache. */
  readonly runtime: Scheme;
}

/**
 * The stages of a scheme; null where one after the other is not the same as both at once, since ranges of activations are calibrated on
 * weights in full precision, or weights on inputs that are rounded.
 *
 * @throws {SchemeError} as {@linkcode parseScheme}
 */
export function stagesOf(scheme: Scheme): Stages | null {
  const checked = parseScheme(scheme),
    resolved = resolveScheme(checked),
    { operands, overrides: bound, head: { activations } } = resolved;
  const all = [operands, ...bound.map((one) => one.operands)].flatMap((sites) => [...sites.values()]);
  if ([...all, activations].some((one) => one && isCalibrated(one))) return null;
  if (all.length > 0 && allWeights(resolved).some(seesRounded)) return null;
  const { transforms, sparsity, weights, linears, embedding, kv, overrides = [] } = checked,
    head = headOf(checked);
  const ofWeights = overrides.flatMap(({ layers, linears, sparsity, weights }) =>
    (sparsity ?? weights) === undefined ? [] : [{ layers, linears, sparsity, weights }]
  );
  const ofOperands = overrides.flatMap(({ sparsity: _, weights: __, ...rest }) =>
    operandSites.some((site) => rest[site] !== undefined) ? [rest] : []
  );
  return {
    weights: {
      transforms,
      sparsity,
      weights,
      linears,
      embedding,
      ...head.weights && { head: { weights: head.weights } },
      ...ofWeights.length > 0 && { overrides: ofWeights },
    },
    runtime: {
      ...Object.fromEntries(operandSites.map((site) => [site, checked[site]])),
      kv,
      ...head.activations && { head: { activations: head.activations } },
      ...ofOperands.length > 0 && { overrides: ofOperands },
    },
  };
}

function isCalibrated({ scheme, part: { calibrate, calibrates } }: BoundOperand): boolean {
  return calibrate !== undefined && (calibrates?.(scheme) ?? true);
}
