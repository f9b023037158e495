/** `deno run -A examples/own_sweep.ts`: which migration strength is best for 6 bits? Rows are stored: a second run costs nothing. */
import { corpus, pairedDifference, rtn, smoothQuant, sweep } from "quantbook";

const windows = await corpus("sotu", { split: "test", windows: 8, length: 256 });
const calibration = await corpus("calibration", { windows: 8, length: 256, seed: 0 });
const quantizers = {
  weights: rtn({ bits: 6, granularity: "channel" }),
  activations: rtn({ bits: 6, granularity: "token" }),
} as const;
const cells = [null, 0.35, 0.5, 0.65, 0.8].map((alpha) => ({
  model: "fixture:llama-outlier",
  label: alpha === null ? "not smoothed" : `alpha ${alpha}`,
  scheme: { ...quantizers, ...alpha !== null && { transforms: [smoothQuant({ alpha })] } },
}));
const rows = await sweep(cells, {
  windows,
  calibration,
  onRow: ({ label, perplexity: { value, standardError } }) =>
    console.log(`${label.padEnd(14)} ${value.toFixed(2)} ± ${standardError.toFixed(2)}`),
});
const best = rows.toSorted((a, b) => a.perplexity.value - b.perplexity.value)[0];
const { pValue } = pairedDifference(best.perplexity, rows[0].perplexity);
console.log(`best: ${best.label}, p = ${pValue.toExponential(1)} against ${rows[0].label}`);
