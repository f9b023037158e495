/** Makes the manifest of a sweep: every cell with its hash and what it is expected to take. */
import { defaultDevice } from "../../kernels/default.ts";
import { loadModel } from "../../quant/published/load.ts";
import type { Model } from "../../model/model.ts";
import { ownCode } from "../../quant/quantize/code.ts";
import { resolveScheme } from "../../quant/quantize/resolve.ts";
import { parseScheme } from "../../quant/scheme.ts";
import { requireWindows, type TokenWindows } from "../windows.ts";
import { type Cell, cellKey, hashTokens, measuringCode, type SweepOptions } from "./cell.ts";
import { type DeviceProfile, predictCost } from "../cost.ts";
import { type Manifest, type PlannedCell, SweepError } from "./manifest.ts";

/** The arguments of a call of `sweep`, to be carried out elsewhere. */
export interface SweepPlan extends Pick<SweepOptions, "windows" | "calibration" | "execution"> {
  /** What to measure. */
  readonly cells: readonly Cell[];
}

/**
 * Plans sweeps. Cells that have been planned already are left out, so sweeps may overlap.
 *
 * @param device name of the device that will run it
 *
 * @example
 * ```ts
 * import { corpus, defaultDevice, rtn } from "quantbook";
 * import { loadProfile, mergeResults, planSweeps, runShard } from "quantbook/eval";
 * import { assertEquals } from "@std/assert";
 *
 * const windows = await corpus("sotu", { windows: 2, length: 32 });
 * const cells = [8, 4].map((bits) => ({ model: "fixture:llama", label: `W${bits}`, scheme: { weights: rtn({ bits }) } }));
 * const { name } = await defaultDevice();
 * const manifest = await planSweeps([{ cells, windows }], name, await loadProfile(name));
 * const results = await Deno.makeTempDir();
 * for (const index of [0, 1]) await runShard(manifest, { shard: { index, count: 2 }, results });
 * const { rows } = await mergeResults(manifest, results, []);
 * assertEquals(rows.map(({ label }) => label), ["W8", "W4"]);
 * await Deno.remove(results, { recursive: true });
 * ```
 */
export async function planSweeps(
  plans: readonly SweepPlan[],
  device: string,
  profile: DeviceProfile,
): Promise<Manifest> {
  const code = await measuringCode();
  const tokens = new Map<string, TokenWindows>();
  const cells = new Map<string, PlannedCell>();
  const models = new Map<string, Model>();
  try {
    for (const { windows, calibration = [], execution = "simulated", cells: wanted } of plans) {
      const hashes = { windows: hashTokens(windows), calibration: hashTokens(calibration) };
      const lengths = (all: TokenWindows) => all.map(({ length }) => length);
      const texts = { windows: lengths(windows), calibration: lengths(calibration) };
      tokens.set(hashes.windows, windows).set(hashes.calibration, calibration);
      for (const { model: specifier, label, scheme: given } of wanted) {
        // Nothing but shapes is read of a model that does not run.
        const model = models.get(specifier) ??
          await loadModel(specifier, { device: await defaultDevice() });
        models.set(specifier, model);
        requireWindows(windows, model);
        const scheme = parseScheme(given);
        const { code: methods, unknown } = await ownCode(resolveScheme(scheme));
        if (unknown.length > 0) {
          throw new SweepError(
            "grid",
            `${label}: method ${unknown[0]} has neither version nor source: its rows cannot be stored`,
          );
        }
        const key = cellKey({
          code,
          device,
          execution,
          ...hashes,
          model: await model.hash(),
          scheme,
          methods,
        });
        const predicted = predictCost(model.architecture, scheme, { ...texts, execution }, profile);
        if (!cells.has(key)) {
          cells.set(key, { key, model: specifier, label, scheme, ...hashes, execution, predicted });
        }
      }
    }
  } finally {
    for (const model of models.values()) model[Symbol.dispose]();
  }
  return { code, device, tokens, cells: [...cells.values()] };
}
