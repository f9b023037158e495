/** The largest magnitude of each channel over a text, by site. */
import type { DeviceBuffer } from "../../kernels/device.ts";
import { type InputSite, inputSites } from "../../model/architecture.ts";
import type { Intervention } from "../../model/decoder/intervention.ts";
import type { Model } from "../../model/model.ts";
import { SchemeError } from "../error.ts";
import type { QuantizeContext } from "../method.ts";

/** Largest magnitude of each input channel, `[layer][site]` -> `[channels]`, over all tokens of the windows. */
export async function activationMaxima(
  model: Model,
  windows: readonly Int32Array[],
  sites: readonly InputSite[],
): Promise<Map<string, Float32Array>> {
  const { device } = model;
  const running = new Map<string, DeviceBuffer>();
  const scan: Intervention = {
    input(x, { layer, site, rows, columns }) {
      if (!sites.includes(site)) return;
      const key = `${layer}.${site}`;
      const maxima = running.get(key) ?? device.allocate(columns);
      running.set(key, maxima);
      device.columnAbsMax(x, maxima, rows);
    },
  };
  for (const ids of windows) {
    for (const hidden of await model.hiddenStates([ids], [scan])) hidden[Symbol.dispose]();
  }
  const result = new Map<string, Float32Array>();
  for (const [key, buffer] of running) {
    using maxima = buffer;
    result.set(key, await device.read(maxima));
  }
  return result;
}

/**
 * The largest magnitudes of the channels that the calibration text reaches, by place: for methods that fix ranges before the model runs.
 * What it gives throws a SchemeError `combination` where nothing was observed: attention operands, the output projection.
 */
export async function calibratedMaxima(
  model: Model,
  method: string,
  context: QuantizeContext,
): Promise<(place: { readonly layer: number | null; readonly site?: string }) => Float32Array> {
  const windows = context.calibration(method);
  // The hash covers the calibration windows: several parts of a scheme look once.
  const key = `site maxima ${await model.hash()}`;
  const known = context.memory.get(key) as Map<string, Float32Array> | undefined;
  const maxima = known ?? await activationMaxima(model, windows, inputSites);
  context.memory.set(key, maxima, 4 * maxima.values().reduce((sum, { length }) => sum + length, 0));
  return ({ layer, site }) => {
    const found = maxima.get(`${layer}.${site}`);
    if (found !== undefined) return found;
    throw new SchemeError(
      "combination",
      `${method} has no calibrated range of ${
        site ?? "what no linear layer of a decoder layer reads"
      }: expected inputs of linear layers`,
    );
  };
}
