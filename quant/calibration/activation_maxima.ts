/** The largest magnitude of each channel over a text, by site. */
import type { DeviceBuffer } from "../../kernels/device.ts";
import { type InputSite, inputSites } from "../../model/architecture.ts";
import type { Intervention } from "../../model/decoder/intervention.ts";
import type { Model } from "../../model/model.ts";
import { SchemeError } from "../error.ts";
import type { QuantizeContext } from "../method.ts";
import type { Finished } from "../resumption/finished.ts";

/** What is kept after each window. */
interface Scanned {
  readonly windows: number;
  readonly maxima: Readonly<Record<string, Float32Array>>;
}

/**
 * Largest magnitude of each input channel, `[layer][site]` -> `[channels]`, over all tokens of the windows.
 *
 * @param finished where the maxima are kept after each window, if anywhere
 */
export async function activationMaxima(
  model: Model,
  windows: readonly Int32Array[],
  sites: readonly InputSite[],
  finished: Finished | null = null,
): Promise<Map<string, Float32Array>> {
  const { device } = model;
  const running = new Map<string, DeviceBuffer>(), record = `maxima ${sites.join(" ")}`;
  const before = await finished?.read(record) as Scanned | undefined ?? { windows: 0, maxima: {} };
  for (const [key, values] of Object.entries(before.maxima)) running.set(key, device.upload(values));
  const scan: Intervention = {
    input(x, { layer, site, rows, columns }) {
      if (!sites.includes(site)) return;
      const key = `${layer}.${site}`;
      const maxima = running.get(key) ?? device.allocate(columns);
      running.set(key, maxima);
      device.columnAbsMax(x, maxima, rows);
    },
  };
  const read = async () => {
    const result = new Map<string, Float32Array>();
    for (const [key, maxima] of running) result.set(key, await device.read(maxima));
    return result;
  };
  for (const [i, ids] of windows.entries()) {
    if (i < before.windows) continue;
    for (const hidden of await model.hiddenStates([ids], [scan])) hidden[Symbol.dispose]();
    await finished?.write(record, { windows: i + 1, maxima: Object.fromEntries(await read()) });
  }
  const result = await read();
  for (const maxima of running.values()) maxima[Symbol.dispose]();
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
  const maxima = known ?? await activationMaxima(model, windows, inputSites, context.finished);
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
