/** Inputs of all layers. */
import type { DeviceBuffer } from "../../kernels/device.ts";
import { runLayer } from "../../model/decoder.ts";
import type { Model } from "../../model/model.ts";
import { requireStates } from "./numbers.ts";

/** Inputs `[tokens, hidden]` of every layer, and of the final norm, for each window. */
export async function layerInputs(model: Model, windows: readonly Int32Array[]): Promise<Float32Array[][]> {
  const { device, architecture } = model;
  const hidden: DeviceBuffer[] = [];
  const inputs: Float32Array[][] = [];
  try {
    for (const ids of windows) hidden.push(await model.embed(ids));
    const context = await model.context();
    for (let index = 0; index < architecture.layers; index++) {
      const states = await Promise.all(hidden.map((x) => device.read(x)));
      requireStates(model, states, `before layer ${index}`);
      inputs.push(states);
      const layer = await model.loadLayer(index);
      for (const [i, ids] of windows.entries()) await runLayer(context, layer, hidden[i], ids.length);
      model.leaveLayer(index);
    }
    const last = await Promise.all(hidden.map((x) => device.read(x)));
    requireStates(model, last, "after the last layer");
    inputs.push(last);
  } finally {
    for (const x of hidden) x[Symbol.dispose]();
  }
  return inputs;
}
