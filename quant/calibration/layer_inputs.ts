/** Inputs of all layers. */
import type { DeviceBuffer } from "../../kernels/device.ts";
import { runLayer } from "../../model/decoder.ts";
import type { Model } from "../../model/model.ts";
import type { Finished } from "../resumption/finished.ts";
import { requireStates } from "./numbers.ts";

/**
 * Inputs `[tokens, hidden]` of every layer, and of the final norm, for each window.
 *
 * @param finished where those of each layer are kept, if anywhere
 */
export async function layerInputs(
  model: Model,
  windows: readonly Int32Array[],
  finished: Finished | null = null,
): Promise<Float32Array[][]> {
  const { device, architecture } = model;
  const hidden: DeviceBuffer[] = [];
  const inputs: Float32Array[][] = [];
  try {
    for (;;) {
      const known = await finished?.read(`inputs${inputs.length}`) as Float32Array[] | undefined;
      if (known === undefined) break;
      inputs.push(known);
    }
    if (inputs.length > architecture.layers) return inputs;
    const latest = inputs.pop();
    for (const [i, ids] of windows.entries()) {
      hidden.push(latest === undefined ? await model.embed(ids) : device.upload(latest[i]));
    }
    const context = await model.context();
    for (let index = inputs.length; index < architecture.layers; index++) {
      const states = await Promise.all(hidden.map((x) => device.read(x)));
      requireStates(model, states, `before layer ${index}`);
      inputs.push(states);
      await finished?.write(`inputs${index}`, states);
      const layer = await model.loadLayer(index);
      for (const [i, ids] of windows.entries()) await runLayer(context, layer, hidden[i], ids.length);
      model.leaveLayer(index);
    }
    const last = await Promise.all(hidden.map((x) => device.read(x)));
    requireStates(model, last, "after the last layer");
    inputs.push(last);
    await finished?.write(`inputs${architecture.layers}`, last);
  } finally {
    for (const x of hidden) x[Symbol.dispose]();
  }
  return inputs;
}
