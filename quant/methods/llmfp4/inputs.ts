/** What linear layers read on a calibration text, kept value by value for as long as one layer is searched. */
import type { DeviceBuffer } from "../../../kernels/device.ts";
import type { InputSite } from "../../../model/architecture.ts";
import { runLayer } from "../../../model/decoder.ts";
import type { Model } from "../../../model/model.ts";
import { requireNumbers } from "../../../model/decoder/numbers.ts";
import type { Matrix } from "../../method.ts";

/** Inputs of the linear layers of a decoder layer, or of the output projection. */
export type InputVisitor = (
  layer: number | null,
  inputs: ReadonlyMap<InputSite | "head", Matrix>,
) => Promise<void>;

/** Visits layer after layer, the output projection last if it is asked for; the model computes as it is. */
export async function visitInputs(
  model: Model,
  windows: readonly Int32Array[],
  withHead: boolean,
  visit: InputVisitor,
): Promise<void> {
  const { device, architecture } = model;
  const hidden: DeviceBuffer[] = [];
  const checked = (parts: readonly Float32Array[], columns: number, where: string): Matrix => {
    const data = joined(parts);
    requireNumbers(data, data.length, () => `${model.name}: the calibration inputs of ${where}`);
    return { rows: data.length / columns, columns, data };
  };
  try {
    for (const ids of windows) hidden.push(await model.embed(ids));
    for (let index = 0; index < architecture.layers; index++) {
      const seen = new Map<InputSite, { columns: number; parts: Float32Array[] }>();
      const observer = {
        async input(
          x: DeviceBuffer,
          { site, rows, columns }: { site: InputSite; rows: number; columns: number },
        ) {
          const one = seen.get(site) ?? { columns, parts: [] };
          seen.set(site, one);
          one.parts.push(await device.read(x, 0, rows * columns));
        },
      };
      const context = await model.context([observer], null, windows[0]?.length);
      const layer = await model.loadLayer(index);
      for (const [i, ids] of windows.entries()) await runLayer(context, layer, hidden[i], ids.length);
      const inputs = new Map<InputSite | "head", Matrix>();
      for (const [site, { columns, parts }] of seen) {
        inputs.set(site, checked(parts, columns, `layer ${index} (${site})`));
      }
      await visit(index, inputs);
      model.leaveLayer(index);
    }
    if (!withHead) return;
    const parts: Float32Array[] = [];
    for (const [i, ids] of windows.entries()) {
      using last = await model.final(hidden[i], ids.length);
      parts.push(await device.read(last));
    }
    const matrix = checked(parts, model.head.shape[1], "the output projection");
    await visit(null, new Map([["head", matrix]]));
  } finally {
    for (const states of hidden) states[Symbol.dispose]();
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
