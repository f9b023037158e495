/** Where a quantization keeps what it has finished, under what it goes, and how much that is at most. */
import { hashOf } from "../../base/hash.ts";
import { hashOfSources } from "../../base/source.ts";
import { layerLinears } from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import { Finished } from "../resumption/finished.ts";
import { parseScheme, type Scheme } from "../scheme.ts";
import { type ResolvedScheme, resolveScheme, sparsityStage } from "./resolve.ts";

/**
 * Most bytes that a quantization keeps: for each of its stages that look at a calibration text all weights in float32, and hidden states of
 * all windows before every layer; a learnt model in full.
 *
 * @throws {SchemeError} as {@linkcode parseScheme}
 *
 * @example
 * ```ts
 * import { loadModel, rtn } from "quantbook";
 * import { assert } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * assert(resumeLimit(model, { weights: rtn({ bits: 4 }) }, []) < 30e6);
 * ```
 */
export function resumeLimit(model: Model, scheme: Scheme, calibration: readonly Int32Array[]): number {
  return limitOf(model, resolveScheme(parseScheme(scheme)), calibration);
}

function limitOf(model: Model, scheme: ResolvedScheme, calibration: readonly Int32Array[]): number {
  const { architecture } = model, { transforms, weights, kv } = scheme;
  let values = 0;
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const { role, expert } of layerLinears(architecture, layer)) {
      const [out, inputs] = model.linear(layer, role, expert).shape;
      values += out * inputs;
    }
  }
  const tokens = calibration.reduce((sum, { length }) => sum + length, 0),
    states = tokens * architecture.hiddenSize;
  const whole = [...transforms, kv].filter((one) => one?.method.cost?.calibrates).length;
  const stages = 1 + (sparsityStage(scheme) === null ? 0 : 1) + transforms.length +
    (weights?.part.prepare ? 1 : 0) + (kv ? 1 : 0);
  const copies = 4 + whole * (architecture.layers + 4);
  return 4 * (stages * values + copies * states) + 2 ** 24;
}

let code: Promise<string> | undefined;

/** Opens the records of a run. */
export async function openFinished(
  directory: string,
  model: Model,
  scheme: ResolvedScheme,
  { calibration = [], ...determined }: {
    readonly calibration?: readonly Int32Array[];
    readonly execution: string;
    readonly scheme: Scheme;
  },
): Promise<Finished> {
  // What was finished by other code is not taken for this code's.
  code ??= hashOfSources(new URL("../", import.meta.url), [
    new URL("../quantize.ts", import.meta.url),
    new URL(import.meta.url),
  ]);
  const key = hashOf({
    ...determined,
    code: await code,
    model: await model.hash(),
    device: model.device.description,
  });
  return await Finished.open(directory, key, limitOf(model, scheme, calibration));
}
