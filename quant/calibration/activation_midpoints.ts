/** The middle of each channel's range over a text, as a running mean over windows. */
import type { InputSite } from "../../model/architecture.ts";
import type { Intervention } from "../../model/decoder/intervention.ts";
import type { Model } from "../../model/model.ts";

/**
 * `(max + min) / 2` of each input channel, `layer.site` -> `[channels]`: that of the first window, then 0.99 of what was and 0.01 of each
 * further window's (Outlier Suppression+, Wei et al., 2023, as OmniQuant's code computes it).
 */
export async function activationMidpoints(
  model: Model,
  windows: readonly Int32Array[],
  sites: readonly InputSite[],
): Promise<Map<string, Float32Array>> {
  const { device } = model, found = new Map<string, Float32Array>();
  const scan: Intervention = {
    async input(x, { layer, site, rows, columns }) {
      if (!sites.includes(site)) return;
      const values = await device.read(x), middle = new Float32Array(columns);
      for (let column = 0; column < columns; column++) {
        let least = Infinity, most = -Infinity;
        for (let i = column; i < rows * columns; i += columns) {
          least = Math.min(least, values[i]);
          most = Math.max(most, values[i]);
        }
        middle[column] = (most + least) / 2;
      }
      const before = found.get(`${layer}.${site}`);
      if (before === undefined) found.set(`${layer}.${site}`, middle);
      else for (let i = 0; i < columns; i++) before[i] = 0.99 * before[i] + 0.01 * middle[i];
    },
  };
  for (const ids of windows) {
    for (const hidden of await model.hiddenStates([ids], [scan])) hidden[Symbol.dispose]();
  }
  return found;
}
