/** Applies a scheme to a model: transforms, then weights, then activations and attention operands, then the cache. */
import { sha256Hex } from "../base/hash.ts";
import { layerLinears, type LinearPlace, siteOfRole } from "../model/architecture.ts";
import type { Linear, Parameter } from "../model/decoder/parameter.ts";
import { linearKey } from "../model/decoder/parameters.ts";
import { type Model, requireModel } from "../model/model.ts";
import { quantizeLayerwise } from "./calibration/layerwise.ts";
import { BoundedMemory } from "./calibration/memory.ts";
import { SchemeError } from "./error.ts";
import type { CalibrationMemory, InputStatistics, QuantizeContext, WeightMethod } from "./method.ts";
import { oneOf, type Tagged } from "./options.ts";
import { ownCode } from "./quantize/code.ts";
import { requireFit } from "./quantize/fit.ts";
import { operandQuantizers } from "./quantize/operands.ts";
import { type Bound, needsGram, resolveScheme } from "./quantize/resolve.ts";
import { operandSites, parseScheme, type Scheme } from "./scheme.ts";
import { type Execution, quantizedLinear } from "./weights/linear.ts";

/** What {@linkcode quantize} runs with. */
export interface QuantizeOptions {
  /** Windows of tokens for methods that calibrate. */
  readonly calibration?: readonly Int32Array[];
  /**
   * How weights are multiplied afterwards (default `"simulated"`): `"packed"` holds them on the device as the bits they
   * are stored as and gives the same results. Methods that bring their own linear layers decide for themselves.
   */
  readonly execution?: Execution;
  /** What calibration finds, for the next call with the same model and windows (default: nothing is kept). */
  readonly memory?: CalibrationMemory;
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
  requireModel(model);
  const checked = parseScheme(scheme), resolved = resolveScheme(checked);
  const { execution = "simulated", calibration, memory = new BoundedMemory() } = options;
  oneOf(["simulated", "packed"]).read("execution", execution);
  requireFit(model, resolved);
  const context: QuantizeContext = {
    calibration(method) {
      if (calibration !== undefined && calibration.length > 0) return calibration;
      throw new SchemeError(
        "calibration",
        `${method} needs calibration windows: pass quantize(..., { calibration })`,
      );
    },
    progress: options.onProgress ?? (() => {}),
    memory,
  };
  const { code } = await ownCode(resolved);
  const own = Object.keys(code).length > 0 ? { code } : {};
  let current = model.with({ change: { calibration: calibrationHash(calibration), ...own } });
  const replace = (next: Model) => {
    current[Symbol.dispose]();
    current = next;
  };
  try {
    const { transforms, linears, weights, kv } = resolved;
    for (const one of transforms) replace(await one.part.apply(current, one.scheme, context));
    if (linears !== undefined) replace(await linears.part.apply(current, linears.scheme, context));
    if (weights !== undefined) {
      if (weights.part.prepare !== undefined) {
        replace(await weights.part.prepare(current, weights.scheme, context));
      }
      replace(await quantizeWeights(current, weights, context, execution));
    }
    const operands = operandQuantizers(current.device, resolved);
    if (operands !== null) {
      const change = Object.fromEntries(operandSites.map((site) => [site, checked[site]]));
      replace(current.with({ interventions: [operands], change }));
    }
    if (kv !== undefined) replace(await kv.part.apply(current, kv.scheme, context));
    return current;
  } catch (error) {
    current[Symbol.dispose]();
    throw error;
  }
}

async function quantizeWeights(
  model: Model,
  bound: Bound<WeightMethod<Tagged>>,
  context: QuantizeContext,
  execution: Execution,
): Promise<Model> {
  const { scheme, part: method } = bound;
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
    const stored = await method.quantize(weight, scheme, place, input, device);
    context.progress(`${scheme.method} ${name}`);
    const bias = expert === undefined ? model.bias(layer, role) : null;
    return quantizedLinear(device, name, stored, bias, scheme.method, execution);
  };
  let linears = new Map<string, Parameter<Linear>>();
  if (needsGram(bound)) {
    const windows = context.calibration(scheme.method);
    linears = await quantizeLayerwise(model, windows, method.sequential?.(scheme) ?? false, one);
  } else {
    for (let layer = 0; layer < architecture.layers; layer++) {
      for (const place of layerLinears(architecture, layer)) {
        linears.set(linearKey(layer, place.role, place.expert), await one(layer, place, null));
      }
    }
  }
  return model.with({ linears, change: { weights: scheme } });
}

function requireFinite(name: string, values: Float32Array): void {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new SchemeError("values", `${name}[${bad}] is ${values[bad]}: expected finite weights`);
}

function calibrationHash(windows: readonly Int32Array[] | undefined): string | null {
  if (windows === undefined) return null;
  const ids = new Int32Array(windows.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const window of windows) {
    ids.set(window, at);
    at += window.length;
  }
  return sha256Hex(new Uint8Array(ids.buffer));
}
