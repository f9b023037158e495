/** Whether a scheme fits a model, told before anything is computed. */
import { layerLinears } from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import { SchemeError } from "../error.ts";
import type { Tagged } from "../options.ts";
import { registeredMethods } from "../registry.ts";
import type { Bound, ResolvedScheme } from "./resolve.ts";

/**
 * Refuses group sizes that divide no layer's features, and methods that do not know mixtures of experts.
 *
 * @throws {SchemeError} `shape` or `combination`
 */
export function requireFit(model: Model, scheme: ResolvedScheme): void {
  const { architecture } = model;
  if (architecture.experts !== undefined) requireForExperts(architecture.family, scheme);
  const activations = scheme.operands.get("activations");
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const { role, expert } of layerLinears(architecture, layer)) {
      const { name, shape: [, columns] } = model.linear(layer, role, expert);
      requireGroups("weights", scheme.weights, columns, `input features of ${name}`);
      requireGroups("activations", activations, columns, `input features of ${name}`);
    }
  }
  for (const site of ["keyBeforeRotary", "query", "key", "value"] as const) {
    requireGroups(site, scheme.operands.get(site), architecture.headDim, "dimensions of a head");
  }
}

function requireGroups(site: string, bound: Bound<unknown> | undefined, columns: number, what: string): void {
  if (bound === undefined || bound.method.shortGroups) return;
  const { groupSize }: Tagged & { readonly groupSize?: unknown } = bound.scheme;
  if (typeof groupSize !== "number" || groupSize === -1 || columns % groupSize === 0) return;
  throw new SchemeError("shape", `${site}: groupSize ${groupSize} does not divide ${columns} ${what}`);
}

/** Methods that rewrite or replace whole blocks know those of dense models only. */
function requireForExperts(family: string, { transforms, linears, weights }: ResolvedScheme): void {
  const prepares = weights?.part.prepare === undefined ? [] : [weights];
  const [refused] = [...transforms, ...linears ? [linears] : [], ...prepares];
  if (refused === undefined) return;
  const alone = registeredMethods().filter((one) => one.weights && !one.weights.prepare).map(({ name }) =>
    name
  );
  throw new SchemeError(
    "combination",
    `${refused.scheme.method} cannot be applied to a mixture of experts (${family}): expected weights by a method that ` +
      `takes one linear layer at a time (${alone.join(", ")}), activations, attention operands or kv`,
  );
}
