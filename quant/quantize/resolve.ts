/** A scheme bound to the methods that it names, once: whoever applies, checks or costs it looks nothing up again. */
import type { LinearRole } from "../../model/architecture.ts";
import { SchemeError } from "../error.ts";
import type { Method, ModelMethod, OperandMethod, SchemePart, WeightMethod } from "../method.ts";
import type { Tagged } from "../options.ts";
import { methodOf } from "../registry.ts";
import { headOf, type OperandSite, operandSites, type Override, type Scheme } from "../scheme.ts";

/** A part of a scheme with its method. */
export interface Bound<Part> {
  /** The options, complete. */
  readonly scheme: Tagged;
  /** All that the method can do. */
  readonly method: Method;
  /** What it does here. */
  readonly part: Part;
}

/** What quantizes weights. */
export type BoundWeights = Bound<WeightMethod<Tagged>>;
/** What rounds activations or attention operands. */
export type BoundOperand = Bound<OperandMethod<Tagged>>;

/** Some layers with their parts; null where they stay float. */
export interface BoundOverride {
  /** Where it holds. */
  readonly where: Pick<Override, "layers" | "linears">;
  /** What removes weights, if it is another method. */
  readonly sparsity?: BoundWeights | null;
  /** What quantizes the weights, if it is another method. */
  readonly weights?: BoundWeights | null;
  /** What rounds activations and attention operands, where it is another method. */
  readonly operands: ReadonlyMap<OperandSite, BoundOperand | null>;
}

/** A scheme with its methods. */
export interface ResolvedScheme {
  /** What removes weights. */
  readonly sparsity?: BoundWeights;
  /** What quantizes the weights. */
  readonly weights?: BoundWeights;
  /** What rounds activations and attention operands. */
  readonly operands: ReadonlyMap<OperandSite, BoundOperand>;
  /** Rewrites, in order. */
  readonly transforms: readonly Bound<ModelMethod<Tagged>>[];
  /** What owns the products of linear layers. */
  readonly linears?: Bound<ModelMethod<Tagged>>;
  /** What makes the cache. */
  readonly kv?: Bound<ModelMethod<Tagged>>;
  /** What some layers do otherwise; later ones count. */
  readonly overrides: readonly BoundOverride[];
  /** What quantizes the output projection, and what rounds its input. */
  readonly head: { readonly weights?: BoundWeights; readonly activations?: BoundOperand };
  /** What quantizes the embedding. */
  readonly embedding?: BoundWeights;
}

/**
 * Looks up the methods of a checked scheme.
 *
 * @throws {SchemeError} `method` or `combination`
 */
export function resolveScheme(scheme: Scheme): ResolvedScheme {
  const { transforms = [], linears, sparsity, weights, kv, overrides = [], embedding } = scheme;
  const head = headOf(scheme);
  const operands = operandSites.flatMap((site) => {
    const part = scheme[site];
    return part === undefined ? [] : [[site, bindOperand(part)] as const];
  });
  return {
    ...sparsity && { sparsity: bindSparsity(sparsity) },
    ...weights && { weights: bindWeights(weights) },
    operands: new Map(operands),
    transforms: transforms.map((one) => bind<ModelMethod<Tagged>>(one, "transform")),
    ...linears && { linears: bind<ModelMethod<Tagged>>(linears, "linears") },
    ...kv && { kv: bind<ModelMethod<Tagged>>(kv, "kv") },
    overrides: overrides.map(bindOverride),
    head: {
      ...head.weights && { weights: bindWeights(head.weights) },
      ...head.activations && { activations: bindOperand(head.activations) },
    },
    ...embedding && { embedding: bindWeights(embedding) },
  };
}

function bindOverride(override: Override): BoundOverride {
  const { sparsity, weights } = override;
  const operands = operandSites.flatMap((site) => {
    const part = override[site];
    if (part === undefined) return [];
    return [[site, part === "float" ? null : bindOperand(part)] as const];
  });
  return {
    where: override,
    ...sparsity !== undefined && { sparsity: sparsity === "float" ? null : bindSparsity(sparsity) },
    ...weights !== undefined && { weights: weights === "float" ? null : bindWeights(weights) },
    operands: new Map(operands),
  };
}

const bindWeights = (scheme: Tagged) => bind<WeightMethod<Tagged>>(scheme, "weights");
const bindSparsity = (scheme: Tagged) => bind<WeightMethod<Tagged>>(scheme, "sparsity");
const bindOperand = (scheme: Tagged) => bind<OperandMethod<Tagged>>(scheme, "operand");

function bind<Part>(
  scheme: Tagged,
  name: SchemePart,
): Bound<Part> {
  const method = methodOf(scheme), part = method[name] as Part | undefined;
  if (part === undefined) throw new SchemeError("combination", `${scheme.method} is no method of ${name}`);
  return { scheme, method, part };
}

/** What quantizes the weight of a linear layer, or undefined. */
export function weightsAt(scheme: ResolvedScheme, layer: number, role: LinearRole): BoundWeights | undefined {
  const last = scheme.overrides.findLast((one) => one.weights !== undefined && holds(one, layer, role));
  return (last === undefined ? scheme.weights : last.weights) ?? undefined;
}

/** What rounds the input of a linear layer, or an operand of attention (no `role`), or undefined. */
export function operandAt(
  scheme: ResolvedScheme,
  site: OperandSite,
  layer: number,
  role?: LinearRole,
): BoundOperand | undefined {
  const last = scheme.overrides.findLast((one) => one.operands.has(site) && holds(one, layer, role));
  return (last ?? scheme).operands.get(site) ?? undefined;
}

function holds({ where: { layers, linears } }: BoundOverride, layer: number, role?: LinearRole): boolean {
  return (layers?.includes(layer) ?? true) && (role === undefined || (linears?.includes(role) ?? true));
}

/** All parts of a scheme that quantize weights of linear layers. */
export function allWeights({ weights, overrides }: ResolvedScheme): BoundWeights[] {
  return [weights, ...overrides.map((one) => one.weights)].filter((one) => !!one);
}

/** The part of a scheme that removes weights, as if it quantized them; null where there is none. */
export function sparsityStage(scheme: ResolvedScheme): ResolvedScheme | null {
  const overrides = scheme.overrides.flatMap(({ where, sparsity }) =>
    sparsity === undefined ? [] : [{ where, weights: sparsity, operands: new Map() }]
  );
  if (scheme.sparsity === undefined && overrides.every(({ weights }) => weights === null)) return null;
  const { sparsity } = scheme;
  return { ...sparsity && { weights: sparsity }, operands: new Map(), transforms: [], overrides, head: {} };
}

/** All parts of a scheme. */
export function allParts(scheme: ResolvedScheme): Bound<unknown>[] {
  const { transforms, linears, kv, overrides, head, embedding } = scheme;
  const operands = [scheme, ...overrides].flatMap((one) => [...one.operands.values()]);
  const parts = [
    ...transforms,
    linears,
    scheme.sparsity,
    ...overrides.map((one) => one.sparsity),
    ...allWeights(scheme),
    ...operands,
    kv,
    head.weights,
    head.activations,
    embedding,
  ];
  return parts.filter((one) => !!one);
}

/** Whether a quantizer of weights needs the second moments of their inputs, as those do that spread errors over other columns. */
export function needsGram({ scheme, part: { needs } }: BoundWeights): boolean {
  return (typeof needs === "function" ? needs(scheme) : needs) === "gram";
}

/** Whether it also needs how far these inputs are from the float model's. */
export function needsDrift({ scheme, part: { drift } }: BoundWeights): boolean {
  return drift?.(scheme) ?? false;
}

/** Whether it needs the inputs themselves. */
export function needsInputs({ scheme, part: { inputs } }: BoundWeights): boolean {
  return inputs?.(scheme) ?? false;
}

/** Whether it looks at inputs as `activations` round them. */
export function seesRounded({ scheme, part: { roundedInputs } }: BoundWeights): boolean {
  return roundedInputs?.(scheme) ?? false;
}
