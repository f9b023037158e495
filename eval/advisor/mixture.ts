/** A scheme with overrides from a choice for each linear layer. */
import { hashOf } from "../../base/hash.ts";
import type { LinearRole } from "../../model/architecture.ts";
import type { WeightScheme } from "../../quant/registry.ts";
import type { Override, Scheme } from "../../quant/scheme.ts";
import type { WeightChoice } from "./candidates.ts";
import { AdvisorError } from "./error.ts";

/** What rounds the weights of one part of a model. */
export interface Assignment {
  /** Index of the decoder layer; null for the ends of the decoder. */
  readonly layer: number | null;
  /** Which linear layer; `ends` are output projection and embedding where they share one matrix. */
  readonly role: LinearRole | "head" | "embedding" | "ends";
  /** What rounds it. */
  readonly weights: WeightChoice;
}

/**
 * The scheme that does what the assignments say: what most linear layers have stands for all, the others are overrides, those of one
 * method and the same layers together.
 *
 * @throws {AdvisorError} `option`, for a linear layer of no layer
 *
 * @example
 * ```ts
 * import { schemeOfAssignments } from "quantbook/eval";
 * import { rtn } from "quantbook";
 * import { writeScheme } from "quantbook/quant";
 * import { assertEquals } from "@std/assert";
 *
 * const [w4, w8] = [rtn({ bits: 4 }), rtn({ bits: 8 })];
 * const scheme = schemeOfAssignments([
 *   { layer: 0, role: "q", weights: w8 },
 *   { layer: 0, role: "k", weights: w8 },
 *   { layer: 1, role: "q", weights: w4 },
 *   { layer: 1, role: "k", weights: w4 },
 *   { layer: 2, role: "q", weights: w4 },
 * ]);
 * assertEquals(writeScheme(scheme), "weights=rtn:4 @0.q.k(weights=rtn:8)");
 * ```
 */
export function schemeOfAssignments(assignments: readonly Assignment[]): Scheme {
  // By method, then by role: the layers.
  const methods = new Map<
    string,
    { weights: WeightChoice; count: number; roles: Map<LinearRole, number[]> }
  >();
  const ends: { head?: WeightScheme; embedding?: WeightScheme } = {};
  for (const { layer, role, weights } of assignments) {
    if (role === "head" || role === "embedding" || role === "ends") {
      if (weights === "float") continue;
      if (role !== "embedding") ends.head = weights;
      if (role !== "head") ends.embedding = weights;
      continue;
    }
    if (layer === null) {
      throw new AdvisorError("option", `${role} of layer null: expected the index of a layer`);
    }
    const key = hashOf(weights), one = methods.get(key) ?? { weights, count: 0, roles: new Map() };
    one.count++;
    one.roles.set(role, [...one.roles.get(role) ?? [], layer]);
    methods.set(key, one);
  }
  // Of equally many, the first.
  const [most, ...others] = [...methods.values()].sort((a, b) => b.count - a.count);
  if (most === undefined) return ends;
  const overrides: Override[] = others.flatMap(({ weights, roles }) => {
    const byLayers = new Map<string, { layers: number[]; linears: LinearRole[] }>();
    for (const [role, layers] of roles) {
      layers.sort((a, b) => a - b);
      const key = layers.join(), one = byLayers.get(key) ?? { layers, linears: [] };
      one.linears.push(role);
      byLayers.set(key, one);
    }
    return [...byLayers.values()].map((where) => ({ ...where, weights }));
  });
  return {
    ...most.weights !== "float" && { weights: most.weights },
    ...overrides.length > 0 && { overrides },
    ...ends,
  };
}
