/** Applies a scheme to a model: transforms, then weights, then activations and attention operands, then the cache. */
import { layerLinears, type LinearPlace, siteOfRole } from "../model/architecture.ts";
import { linearKey } from "../model/decoder/parameters.ts";
import type { Model } from "../model/model.ts";
import type { Linear, Parameter } from "../model/decoder/parameter.ts";
import { quantizeLayerwise } from "./calibration/layerwise.ts";
import type { InputStatistics, ModelMethod, QuantizeContext, Tagged, WeightMethod } from "./method.ts";
import { operandQuantizers } from "./operands.ts";
import { type Execution, quantizedLinear } from "./weights/linear.ts";
import { methodOf } from "./registry.ts";
import { operandSites, parseScheme, type Scheme } from "./scheme.ts";
import { requireOneOf, SchemeError } from "./error.ts";

/** What {@linkcode quantize} runs with. */
export interface QuantizeOptions {
  /** Windows of tokens for methods that calibrate. */
  readonly calibration?: readonly Int32Array[];
  /**
   * How weights are multiplied afterwards (default `"simulated"`): `"packed"` holds them on the device as the bits they
   * are stored as and gives the same results. Methods that bring their own linear layers decide for themselves.
   */
  readonly execution?: Execution;
  /** Called with a line about each finished step. */
  readonly onProgress?: (message: string) => void;
}

/**
 * A new model that computes as the scheme says; the argument stays as it is and unchanged parameters are shared.
 *
 * @throws {SchemeError} before any computation, when the scheme is wrong or does not fit the model.
 *
 * @example
 * ```ts
 * import { loadModel, quantize, rtn, weightStorage } from "quantbook";
 * import { assert } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * using quantized = await quantize(model, { weights: rtn({ bits: 4, groupSize: 32 }) });
 * assert(weightStorage(quantized).bitsPerWeight < 6);
 * ```
 */
export async function quantize(model: Model, scheme: Scheme, options: QuantizeOptions = {}): Promise<Model> {
  const checked = parseScheme(scheme);
  const { execution = "simulated" } = options;
  requireOneOf("execution", execution, ["simulated", "packed"]);
  checkShapes(model, checked);
  const context: QuantizeContext = {
    calibration: (method) => {
      if (options.calibration === undefined || options.calibration.length === 0) {
        throw new SchemeError(
          "calibration",
          `${method} needs calibration windows: pass quantize(..., { calibration })`,
        );
      }
      return options.calibration;
    },
    progress: options.onProgress ?? (() => {}),
  };
  let current = model.with({ change: { calibration: await calibrationHash(options.calibration) } });
  const replace = (next: Model) => {
    current[Symbol.dispose]();
    current = next;
  };
  try {
    for (const transform of checked.transforms ?? []) {
      replace(await applyPart("transform", current, transform, context));
    }
    if (checked.linears !== undefined) replace(await applyPart("linears", current, checked.linears, context));
    if (checked.weights !== undefined) {
      const { prepare } = weightMethod(checked.weights);
      if (prepare !== undefined) replace(await prepare(current, checked.weights, context));
      replace(await quantizeWeights(current, checked.weights, context, execution));
    }
    const operands = operandQuantizers(current.device, checked);
    if (operands !== null) {
      const change = Object.fromEntries(operandSites.map((site) => [site, checked[site]]));
      replace(current.with({ interventions: [operands], change }));
    }
    if (checked.kv !== undefined) replace(await applyPart("kv", current, checked.kv, context));
    return current;
  } catch (error) {
    current[Symbol.dispose]();
    throw error;
  }
}

async function applyPart(
  part: "transform" | "linears" | "kv",
  model: Model,
  scheme: Tagged,
  context: QuantizeContext,
): Promise<Model> {
  const method = methodOf(scheme)[part] as ModelMethod<Tagged> | undefined;
  if (method === undefined) throw new SchemeError("combination", `${scheme.method} is no ${part} method`);
  return await method.apply(model, scheme, context);
}

function weightMethod(scheme: Tagged): WeightMethod<Tagged> {
  const method = methodOf(scheme).weights as WeightMethod<Tagged> | undefined;
  if (method === undefined) {
    throw new SchemeError("combination", `weights cannot be quantized by ${scheme.method}`);
  }
  return method;
}

async function quantizeWeights(
  model: Model,
  scheme: Tagged,
  context: QuantizeContext,
  execution: Execution,
): Promise<Model> {
  const method = weightMethod(scheme);
  const { architecture, device } = model;
  const one = async (
    layer: number,
    { role, expert }: LinearPlace,
    input: InputStatistics | null,
  ): Promise<Parameter<Linear>> => {
    const parameter = model.linear(layer, role, expert), { name, shape, values } = parameter;
    const place = { layer, role, expert, site: siteOfRole(role), name };
    if (method.skips?.(scheme, place)) return parameter.retain();
    const weight = { rows: shape[0], columns: shape[1], data: await values() };
    requireFinite(name, weight.data);
    const packed = await method.quantize(weight, scheme, place, input, device);
    context.progress(`${scheme.method} ${name}`);
    const bias = expert === undefined ? model.bias(layer, role) : null;
    return quantizedLinear(device, name, packed, bias, scheme.method, execution);
  };
  const needs = typeof method.needs === "function" ? method.needs(scheme) : method.needs;
  let linears: Map<string, Parameter<Linear>>;
  if (needs === "nothing") {
    linears = new Map();
    for (let layer = 0; layer < architecture.layers; layer++) {
      for (const place of layerLinears(architecture, layer)) {
        linears.set(linearKey(layer, place.role, place.expert), await one(layer, place, null));
      }
    }
  } else {
    const windows = context.calibration(scheme.method);
    linears = await quantizeLayerwise(model, windows, method.sequential?.(scheme) ?? false, one);
  }
  return model.with({ linears, change: { weights: scheme } });
}

function requireFinite(name: string, values: Float32Array): void {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new SchemeError("values", `${name}[${bad}] is ${values[bad]}: expected finite weights`);
}

/** Refuses group sizes that divide no layer's features, before anything is computed. */
function checkShapes(model: Model, scheme: Scheme): void {
  const { architecture } = model;
  if (architecture.experts !== undefined) refuseForExperts(architecture.family, scheme);
  const check = (site: string, part: Tagged | undefined, columns: number, what: string) => {
    if (
      part === undefined || !("groupSize" in part) || typeof part.groupSize !== "number" ||
      part.groupSize === -1 || methodOf(part).shortGroups
    ) return;
    if (columns % part.groupSize !== 0) {
      throw new SchemeError(
        "shape",
        `${site}: groupSize ${part.groupSize} does not divide ${columns} ${what}`,
      );
    }
  };
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const { role, expert } of layerLinears(architecture, layer)) {
      const { name, shape: [, columns] } = model.linear(layer, role, expert);
      check("weights", scheme.weights, columns, `input features of ${name}`);
      check("activations", scheme.activations, columns, `input features of ${name}`);
    }
  }
  for (const site of ["keyBeforeRotary", "query", "key", "value"] as const) {
    check(site, scheme[site], architecture.headDim, "dimensions of a head");
  }
}

/** Methods that rewrite or replace whole blocks know those of dense models only. */
function refuseForExperts(family: string, { transforms = [], linears, weights }: Scheme): void {
  const prepares = weights !== undefined && weightMethod(weights).prepare !== undefined;
  const [refused] = [...transforms, ...(linears ? [linears] : []), ...(prepares ? [weights] : [])];
  if (refused === undefined) return;
  throw new SchemeError(
    "combination",
    `${refused.method} cannot be applied to a mixture of experts (${family}): expected weights by a method that takes one ` +
      `linear layer at a time (rtn, gptq, spqr, qrazor, bcq, zeroQuant), activations, attention operands or kv`,
  );
}

async function calibrationHash(windows: readonly Int32Array[] | undefined): Promise<string | null> {
  if (windows === undefined) return null;
  const bytes = new Uint8Array(
    await new Blob(windows.map((ids) => new Uint8Array(ids.slice().buffer))).arrayBuffer(),
  );
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
