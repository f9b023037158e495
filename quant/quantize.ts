/** Applies a scheme to a model: transforms, then weights, then activations and attention operands, then the cache. */
import { sha256Hex } from "../base/hash.ts";
import { type Model, requireModel } from "../model/model.ts";
import { BoundedMemory } from "./calibration/memory.ts";
import { SchemeError } from "./error.ts";
import type { CalibrationMemory, QuantizeContext, Share } from "./method.ts";
import { oneOf } from "./options.ts";
import { ownCode } from "./quantize/code.ts";
import { requireFit } from "./quantize/fit.ts";
import { calibrateOperands, operandQuantizers } from "./quantize/operands.ts";
import { allWeights, resolveScheme, sparsityStage } from "./quantize/resolve.ts";
import { openFinished } from "./quantize/resume.ts";
import { quantizeEnds, quantizeWeights, weightQuantizers } from "./quantize/weights.ts";
import { operandSites, parseScheme, type Scheme } from "./scheme.ts";
import type { Execution } from "./weights/linear.ts";

/** What {@linkcode quantize} runs with. */
export interface QuantizeOptions {
  /** Windows of tokens for methods that calibrate. */
  readonly calibration?: readonly Int32Array[];
  /**
   * How weights are multiplied afterwards (default `"simulated"`): `"packed"` holds them on the device as the bits they
   * are stored as and gives the same results. Methods that bring their own linear layers decide for themselves.
   */
  readonly execution?: Execution;
  /**
   * A directory where finished layers are kept (default: nowhere). A call that was ended goes on where it was when it is made again with the
   * same model, scheme, calibration, device and code, ends with the same bits, and repeats one layer at most (of a search for maxima over a
   * text, one window; of rotations that are learnt, one step). {@linkcode resumeLimit} says how much is kept at most; a call that is done
   * leaves its folder, which may be removed.
   */
  readonly resume?: string;
  /** What calibration finds, for the next call with the same model and windows (default: nothing is kept). */
  readonly memory?: CalibrationMemory;
  /** Called with a line about each finished step, and of weights with how many are done. */
  readonly onProgress?: (message: string, share?: Share) => void;
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
  const context: Omit<QuantizeContext, "finished"> = {
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
  const finished = options.resume === undefined
    ? null
    : await openFinished(options.resume, current, resolved, { calibration, execution, scheme: checked });
  const at = (stage: string): QuantizeContext => ({ ...context, finished: finished?.of(stage) ?? null });
  const replace = (next: Model) => {
    current[Symbol.dispose]();
    current = next;
  };
  try {
    const { transforms, linears, weights, kv, head, embedding } = resolved;
    for (const [i, one] of transforms.entries()) {
      replace(await one.part.apply(current, one.scheme, at(`transform${i}`)));
    }
    if (linears !== undefined) replace(await linears.part.apply(current, linears.scheme, at("linears")));
    if (weights?.part.prepare !== undefined) {
      replace(await weights.part.prepare(current, weights.scheme, at("prepare")));
    }
    const overrides = checked.overrides && { overrides: checked.overrides };
    const zeros = sparsityStage(resolved);
    if (zeros !== null) {
      const change = { sparsity: checked.sparsity, ...overrides }, own = at("sparsity");
      const quantizers = await weightQuantizers(current, zeros, own);
      const none = { rounding: null, layered: { attention: [], inputs: [] } };
      const plain = { ...own, execution: "simulated" as const, quantizers, ...none };
      replace(await quantizeWeights(current, zeros, change, plain));
    }
    const { found, layered } = await calibrateOperands(current, resolved, at("operands"));
    const rounding = operandQuantizers(current.device, current.architecture, resolved, found);
    const toWeights = {
      ...at("weights"),
      execution,
      rounding,
      layered,
      quantizers: await weightQuantizers(current, resolved, at("ranges")),
    };
    if (allWeights(resolved).length > 0) {
      const change = { weights: weights?.scheme, ...overrides };
      replace(await quantizeWeights(current, resolved, change, toWeights));
    }
    if ((head.weights ?? embedding) !== undefined) {
      const change = { head: checked.head, embedding: checked.embedding };
      replace(await quantizeEnds(current, resolved, change, toWeights));
    }
    if (rounding !== null) {
      const sites = Object.fromEntries(operandSites.map((site) => [site, checked[site]]));
      const change = { ...sites, ...overrides, ...head.activations && { head: checked.head } };
      replace(current.with({ interventions: [rounding], change }));
    }
    if (kv !== undefined) replace(await kv.part.apply(current, kv.scheme, at("kv")));
    return current;
  } catch (error) {
    current[Symbol.dispose]();
    throw error;
  }
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
