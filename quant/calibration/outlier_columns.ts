/** Outlier features: input columns in which some token has a magnitude far above the rest (LLM.int8(), section 4). */
import type { Device } from "../../kernels/device.ts";
import type { InputSite } from "../../model/architecture.ts";
import type { Intervention, LinearInput } from "../../model/decoder/intervention.ts";
import type { Model } from "../../model/model.ts";
import { halfPrecision } from "../weights/int8.ts";

/** The columns of `x` `[rows, columns]` in which a float16 magnitude reaches the threshold, in order. */
export function outlierColumns(x: Float32Array, columns: number, threshold: number): number[] {
  if (threshold === 0) return [];
  const found = new Uint8Array(columns);
  for (let i = 0, j = 0; i < x.length; i++) {
    if (Math.abs(x[i]) >= threshold) found[j] = 1;
    if (++j === columns) j = 0;
  }
  return Array.from(found.keys().filter((j) => found[j] === 1));
}

/** An observer that tells how many columns each input of linear layers has above the threshold. */
export function outlierCounter(
  device: Device,
  threshold: number,
  visit: (outliers: number, at: LinearInput) => void,
): Intervention {
  return {
    async input(x, at) {
      const values = halfPrecision(await device.read(x, 0, at.rows * at.columns));
      visit(outlierColumns(values, at.columns, threshold).length, at);
    },
  };
}

/** Outlier columns of one input of linear layers. */
export interface OutlierShare {
  /** Decoder layer, from 0. */
  readonly layer: number;
  /** Which of the layer's inputs. */
  readonly site: InputSite;
  /** Share of columns, from 0 to 1, that reach the threshold in a window; mean over windows. */
  readonly share: number;
}

/**
 * The share of columns that LLM.int8() takes for outliers, for each input of linear layers. A window is one call: a
 * column counts when any of its tokens reaches the threshold.
 *
 * @example
 * ```ts
 * import { corpus, loadModel } from "quantbook";
 * import { outlierShares } from "quantbook/quant";
 * import { assert } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama-outlier");
 * const windows = await corpus("sotu", { split: "test", windows: 1, length: 64 });
 * const shares = await outlierShares(model, windows, 6);
 * assert(shares.some(({ site, share }) => site === "attention" && share > 0 && share < 0.05));
 * ```
 */
export async function outlierShares(
  model: Model,
  windows: readonly Int32Array[],
  threshold: number,
): Promise<OutlierShare[]> {
  const shares = new Map<string, OutlierShare>();
  const counter = outlierCounter(model.device, threshold, (outliers, { layer, site, columns }) => {
    const key = `${layer}.${site}`;
    const share = (shares.get(key)?.share ?? 0) + outliers / columns / windows.length;
    shares.set(key, { layer, site, share });
  });
  for (const ids of windows) {
    for (const hidden of await model.hiddenStates([ids], [counter])) hidden[Symbol.dispose]();
  }
  return [...shares.values()];
}

/** The chosen columns of a matrix. */
export function selectColumns(
  data: Float32Array,
  columns: number,
  selected: readonly number[],
): Float32Array {
  const part = new Float32Array(data.length / columns * selected.length);
  for (let start = 0, i = 0; start < data.length; start += columns) {
    for (const column of selected) part[i++] = data[start + column];
  }
  return part;
}
