/** The methods by name, and the types of the schemes that they can fill. */
import { show } from "../base/show.ts";
import type { Method, ModelMethod, OperandMethod, WeightMethod } from "./method.ts";
import type { OwnScheme, Tagged } from "./options.ts";
import * as suite from "./methods.ts";
import { SchemeError } from "./error.ts";

/** The methods that come with the suite, by tag. */
export const builtIn: typeof suite = suite;

/** One of them. */
export type BuiltIn = typeof suite[keyof typeof suite];
/** The scheme with which a method fills the part of weights. */
export type WeightSchemeOf<M> = M extends { weights: WeightMethod<infer S> } ? S : never;
/** The scheme with which a method fills the part of sparsity. */
export type SparsitySchemeOf<M> = M extends { sparsity: WeightMethod<infer S> } ? S : never;
/** The scheme with which a method fills the part of activations and attention operands. */
export type OperandSchemeOf<M> = M extends { operand: OperandMethod<infer S> } ? S : never;
/** The scheme with which a method fills the part of rewrites. */
export type TransformSchemeOf<M> = M extends { transform: ModelMethod<infer S> } ? S : never;
/** The scheme with which a method fills the part of linear layers. */
export type LinearsSchemeOf<M> = M extends { linears: ModelMethod<infer S> } ? S : never;
/** The scheme with which a method fills the part of the cache. */
export type KvSchemeOf<M> = M extends { kv: ModelMethod<infer S> } ? S : never;

/** Schemes that quantize weights. */
export type WeightScheme = WeightSchemeOf<BuiltIn> | OwnScheme;
/** Schemes that remove weights. */
export type SparsityScheme = SparsitySchemeOf<BuiltIn> | OwnScheme;
/** Schemes that quantize activations and attention operands. */
export type OperandScheme = OperandSchemeOf<BuiltIn> | OwnScheme;
/** Function-preserving rewrites. */
export type TransformScheme = TransformSchemeOf<BuiltIn> | OwnScheme;
/** Schemes that own the matrix product of linear layers. */
export type LinearsScheme = LinearsSchemeOf<BuiltIn> | OwnScheme;
/** Schemes of the key-value cache. */
export type KvScheme = KvSchemeOf<BuiltIn> | OwnScheme;

const methods = new Map<string, Method>(Object.entries(builtIn));

/**
 * Adds a method of your own, so that schemes with its tag can be applied and read back. Give it a `version` or its `source`: rows of
 * sweeps are stored under it, and those of a method that has neither are never stored.
 */
export function registerMethod(method: Method): void {
  if (methods.has(method.name)) {
    throw new SchemeError("method", `method ${method.name} is registered already`);
  }
  methods.set(method.name, method);
}

/** All methods, those of the suite first. */
export function registeredMethods(): Method[] {
  return [...methods.values()];
}

/** The method of a name, or undefined. */
export function findMethod(name: string): Method | undefined {
  return methods.get(name);
}

/** The method that a scheme names. */
export function methodOf(scheme: Tagged): Method {
  const found = methods.get(scheme?.method);
  if (found === undefined) {
    const known = [...methods.keys()].join(", ");
    throw new SchemeError("method", `method is ${show(scheme?.method)}: expected one of ${known}`);
  }
  return found;
}
