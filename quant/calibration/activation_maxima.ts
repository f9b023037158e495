/** The largest magnitude of each channel over a text, by site. */
import type { DeviceBuffer } from "../../kernels/device.ts";
import type { InputSite } from "../../model/architecture.ts";
import type { Intervention } from "../../model/decoder/intervention.ts";
import type { Model } from "../../model/model.ts";

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
