/** A scheme bound to the methods that it names, once: whoever applies, checks or costs it looks nothing up again. */
import { SchemeError } from "../error.ts";
import type { Method, ModelMethod, OperandMethod, WeightMethod } from "../method.ts";
import type { Tagged } from "../options.ts";
import { methodOf } from "../registry.ts";
import { type OperandSite, operandSites, type Scheme } from "../scheme.ts";

/** A part of a scheme with its method. */
export interface Bound<Part> {
  /** The options, complete. */
  readonly scheme: Tagged;
  /** All that the method can do. */
  readonly method: Method;
  /** What it does here. */
  readonly part: Part;
}

/** A scheme with its methods. */
export interface ResolvedScheme {
  /** Rewrites, in order. */
  readonly transforms: readonly Bound<ModelMethod<Tagged>>[];
  /** What owns the products of linear layers. */
  readonly linears?: Bound<ModelMethod<Tagged>>;
  /** What quantizes the weights. */
  readonly weights?: Bound<WeightMethod<Tagged>>;
  /** What rounds activations and attention operands. */
  readonly operands: ReadonlyMap<OperandSite, Bound<OperandMethod<Tagged>>>;
  /** What makes the cache. */
  readonly kv?: Bound<ModelMethod<Tagged>>;
}

/**
 * Looks up the methods of a checked scheme.
 *
 * @throws {SchemeError} `method` or `combination`
 */
export function resolveScheme(scheme: Scheme): ResolvedScheme {
  const { transforms = [], linears, weights, kv } = scheme;
  const operands = operandSites.flatMap((site) => {
    const part: Tagged | undefined = scheme[site];
    return part === undefined ? [] : [[site, bind<OperandMethod<Tagged>>(part, "operand")] as const];
  });
  return {
    transforms: transforms.map((one) => bind<ModelMethod<Tagged>>(one, "transform")),
    operands: new Map(operands),
    ...linears && { linears: bind<ModelMethod<Tagged>>(linears, "linears") },
    ...weights && { weights: bind<WeightMethod<Tagged>>(weights, "weights") },
    ...kv && { kv: bind<ModelMethod<Tagged>>(kv, "kv") },
  };
}

function bind<Part>(
  scheme: Tagged,
  name: "transform" | "linears" | "weights" | "operand" | "kv",
): Bound<Part> {
  const method = methodOf(scheme), part = method[name] as Part | undefined;
  if (part === undefined) throw new SchemeError("combination", `${scheme.method} is no method of ${name}`);
  return { scheme, method, part };
}

/** Whether a quantizer of weights needs the second moments of their inputs, as those do that spread errors over other columns. */
export function needsGram({ scheme, part: { needs } }: Bound<WeightMethod<Tagged>>): boolean {
  return (typeof needs === "function" ? needs(scheme) : needs) === "gram";
}
