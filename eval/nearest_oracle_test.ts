/**
 * Round to nearest and SmoothQuant against the original code: every configuration that was run on the fixture models,
 * window by window. `QUANTBOOK_ORACLE_WINDOWS` (default 1, at most 16) says how many test windows are compared;
 * `deno task test:oracle` takes all.
 */
import { assert, assertLessOrEqual } from "@std/assert";
import { loadModel } from "../model/load.ts";
import { quantize } from "../quant/quantize.ts";
import { oracle, oracleWindows } from "./oracle.ts";
import { perplexity } from "./perplexity.ts";
import { nearestSchemes } from "./reference_schemes.ts";

const count = Number(Deno.env.get("QUANTBOOK_ORACLE_WINDOWS") ?? 1);
const calibration = await oracleWindows("calib");
const windows = (await oracleWindows("test")).slice(0, count);
/** Relative difference of perplexity: two codes that differ by float32 rounding move it by this much at most. */
const tolerance = 2e-3;

for (const name of ["llama", "llama-outlier", "opt"]) {
  Deno.test(`${name}: round to nearest and SmoothQuant give the original code's perplexities`, async (t) => {
    using model = await loadModel(`fixture:${name}`);
    let compared = 0;
    for (const [id, scheme] of nearestSchemes()) {
      const expected = await oracle(name, id).catch(() => null);
      if (expected?.windowNll == null) continue;
      compared++;
      await t.step(id, async () => {
        using quantized = await quantize(model, scheme, { calibration });
        const measured = await perplexity(quantized, windows);
        const nll = expected.windowNll?.slice(0, count) ?? [];
        const reference = Math.exp(nll.reduce((sum, x) => sum + x, 0) / nll.length);
        const difference = Math.abs(measured.value / reference - 1);
        // The float model has no codes to flip: 1e-4 relative.
        const bound = id === "fp32" ? 1e-4 : tolerance;
        assertLessOrEqual(difference, bound, `${name} ${id}: ${measured.value}, original ${reference}`);
      });
    }
    assert(compared >= 60, `only ${compared} configurations were compared`);
  });
}
