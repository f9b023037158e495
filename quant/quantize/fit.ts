/** Whether a scheme fits a model, told before anything is computed. */
import { inputSites, layerLinears, rolesOfSite } from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import { SchemeError } from "../error.ts";
import type { Tagged } from "../options.ts";
import { registeredMethods } from "../registry.ts";
import {
  allWeights,
  type Bound,
  type BoundWeights,
  needsDrift,
  needsGram,
  needsInputs,
  operandAt,
  type ResolvedScheme,
  weightsAt,
} from "./resolve.ts";

/**
 * Refuses group sizes that divide no layer's features, overrides of what is not there or cannot differ, and methods that do not know
 * mixtures of experts or state-space layers.
 *
 * @throws {SchemeError} `shape` or `combination`
 */
export function requireFit(model: Model, scheme: ResolvedScheme): void {
  const { architecture } = model;
  if (architecture.experts !== undefined) requireForExperts(architecture.family, scheme);
  if (architecture.stateSpace !== undefined) requireForStateSpace(architecture.family, scheme);
  requireOverrides(model, scheme);
  requireOneByOne(scheme);
  requireOneRounding(scheme);
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const { role, expert } of layerLinears(architecture, layer)) {
      const { name, shape: [, columns] } = model.linear(layer, role, expert);
      requireGroups("weights", weightsAt(scheme, layer, role), columns, `input features of ${name}`);
      const activations = operandAt(scheme, "activations", layer, role);
      requireGroups("activations", activations, columns, `input features of ${name}`);
    }
    for (const site of ["keyBeforeRotary", "query", "key", "value"] as const) {
      requireGroups(site, operandAt(scheme, site, layer), architecture.headDim, "dimensions of a head");
    }
  }
  const [, width] = model.head.shape, { head, embedding } = scheme;
  requireGroups("head", head.weights, width, "input features of the output projection");
  requireGroups("head.activations", head.activations, width, "input features of the output projection");
  requireGroups("embedding", embedding, model.embedding.shape[1], "columns of the embedding");
}

function requireGroups(site: string, bound: Bound<unknown> | undefined, columns: number, what: string): void {
  if (bound === undefined || bound.method.shortGroups) return;
  const { groupSize, granularity }: Tagged & {
    readonly groupSize?: unknown;
    readonly granularity?: unknown;
  } = bound.scheme;
  // Spans go on from head to head and from token to token: how many values there are is known as the model runs.
  if (granularity === "span") return;
  if (typeof groupSize !== "number" || groupSize === -1 || columns % groupSize === 0) return;
  throw new SchemeError("shape", `${site}: groupSize ${groupSize} does not divide ${columns} ${what}`);
}

/** An override must match, and linear layers that read one input can only see one rounding of it. */
function requireOverrides({ architecture, name }: Model, scheme: ResolvedScheme): void {
  const { layers: count } = architecture;
  for (const [i, { where: { layers, linears } }] of scheme.overrides.entries()) {
    const outside = layers?.find((layer) => layer >= count);
    if (outside !== undefined) {
      throw new SchemeError(
        "shape",
        `overrides[${i}].layers has ${outside}, but ${name} has layers 0 to ${count - 1}`,
      );
    }
    const among = layers ?? Array.from({ length: count }, (_, layer) => layer);
    const present = new Set(
      among.flatMap((layer) => layerLinears(architecture, layer).map(({ role }) => role)),
    );
    const missing = linears?.find((role) => !present.has(role));
    if (missing !== undefined || among.length === 0 || linears?.length === 0) {
      const what = missing === undefined
        ? "matches no layer"
        : `names ${missing}, which ${name} has not in these layers`;
      throw new SchemeError("shape", `overrides[${i}] ${what}: expected some of ${[...present].join(", ")}`);
    }
  }
  if (!scheme.overrides.some(({ operands }) => operands.has("activations"))) return;
  for (let layer = 0; layer < count; layer++) {
    const present = layerLinears(architecture, layer).map(({ role }) => role);
    for (const site of inputSites) {
      const roles = rolesOfSite[site].filter((role) => present.includes(role));
      const parts = roles.map((role) => operandAt(scheme, "activations", layer, role));
      if (parts.every((part) => part?.scheme === parts[0]?.scheme)) continue;
      throw new SchemeError(
        "combination",
        `overrides: ${
          roles.join(", ")
        } of layer ${layer} read one input, but activations differ: expected the same for all`,
      );
    }
  }
}

/** Methods that look at several layers at once can neither be left out of some nor be put into some. */
function requireOneByOne(scheme: ResolvedScheme): void {
  const { head, embedding } = scheme;
  const apart = scheme.overrides.some((one) => one.weights !== undefined);
  const whole = (bound: BoundWeights | undefined) => bound?.part.prepare !== undefined ? bound : undefined;
  const refused = (apart ? allWeights(scheme) : []).map(whole).find((one) => one) ?? whole(head.weights) ??
    whole(embedding);
  if (refused !== undefined) {
    const where = "beside overrides of weights nor in overrides, head or embedding";
    throw new SchemeError(
      "combination",
      `${refused.scheme.method} rewrites several layers at once: expected it neither ${where}, but ` +
        `a method that takes one linear layer at a time (${oneByOne().join(", ")})`,
    );
  }
  if (embedding !== undefined && needsGram(embedding)) {
    throw new SchemeError(
      "combination",
      `${embedding.scheme.method} needs the inputs of a linear layer, and the embedding has none: expected a method that needs none`,
    );
  }
}

/** What rounds while it removes leaves nothing for another method to round. */
function requireOneRounding(scheme: ResolvedScheme): void {
  const [rounding] = [scheme, ...scheme.overrides].flatMap(({ sparsity }) =>
    sparsity && "bits" in sparsity.scheme ? [sparsity] : []
  );
  const [weights] = allWeights(scheme);
  if (rounding === undefined || weights === undefined) return;
  throw new SchemeError(
    "combination",
    `${rounding.scheme.method} rounds the weights that it keeps, and so would ${weights.scheme.method}: expected sparsity without bits, ` +
      "or no weights",
  );
}

/** Methods that rewrite or replace whole blocks know those of dense models only. */
function requireForExperts(family: string, scheme: ResolvedScheme): void {
  const { transforms, linears, weights } = scheme;
  const prepares = weights?.part.prepare === undefined ? [] : [weights];
  const drifting = allWeights(scheme).find((one) => needsDrift(one) || needsInputs(one));
  const [refused] = [...transforms, ...linears ? [linears] : [], ...prepares, ...drifting ? [drifting] : []];
  if (refused === undefined) return;
  throw new SchemeError(
    "combination",
    `${refused.scheme.method} cannot be applied to a mixture of experts (${family}): expected weights by a method that ` +
      `takes one linear layer at a time (${oneByOne().join(", ")}), activations, attention operands or kv`,
  );
}

/** A state-space layer has neither attention nor keys and values, and few methods that rewrite whole blocks know it. */
function requireForStateSpace(family: string, scheme: ResolvedScheme): void {
  const { transforms, linears, weights, kv, overrides } = scheme;
  const rewriting = [...transforms, ...linears ? [linears] : []].filter(({ part }) => !part.stateSpace);
  const [refused] = [...rewriting, ...weights?.part.prepare ? [weights] : []];
  const operand = [scheme, ...overrides].flatMap(({ operands }) => [...operands.keys()])
    .find((site) => site !== "activations");
  if (refused === undefined && operand === undefined && kv === undefined) return;
  const what = refused?.scheme.method ?? operand ?? "kv";
  throw new SchemeError(
    "combination",
    `${what} cannot be applied to a state-space model (${family}): expected weights by a method that takes one linear layer ` +
      `at a time (${oneByOne().join(", ")}), activations, smoothQuant or llmInt8`,
  );
}

function oneByOne(): string[] {
  return registeredMethods().filter((one) => one.weights && !one.weights.prepare).map(({ name }) => name);
}
