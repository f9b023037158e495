/** A cell of a sweep is what `quantize` makes of its scheme, though cells share their weights. */
import { assert, assertEquals } from "@std/assert";
import { loadModel } from "../../model/load.ts";
import { fptq } from "../../quant/methods/fptq.ts";
import { kivi } from "../../quant/methods/kivi.ts";
import { nvfp4 } from "../../quant/methods/nvfp4.ts";
import { quik } from "../../quant/methods/quik.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { smoothQuant } from "../../quant/methods/smoothquant.ts";
import { quantize } from "../../quant/quantize.ts";
import { stagesOf } from "../../quant/quantize/stages.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { corpus } from "../corpus.ts";
import { perplexity } from "../metrics/perplexity.ts";
import { sweep } from "../sweep.ts";

const weights = rtn({ bits: 3 }), token = rtn({ bits: 4, granularity: "token" }), layers = [0, 1];
/** In an order in which each could take the weights of the one before. */
const schemes: Readonly<Record<string, Scheme>> = {
  plain: { weights },
  cache: { weights, kv: kivi({ bits: 2 }) },
  "float layers": { weights, overrides: [{ layers, weights: "float" }] },
  "other layers": { weights, overrides: [{ layers, weights: rtn({ bits: 8 }), activations: token }] },
  "other activations": { weights, activations: token, overrides: [{ layers, activations: "float" }] },
  "only some layers": { overrides: [{ layers, linears: ["down"], weights }] },
  "the ends": { weights, head: { weights, activations: token }, embedding: weights },
  "smoothed": { transforms: [smoothQuant()], weights, activations: token },
  "ranges at hand": { weights, activations: nvfp4(), key: nvfp4(), value: quik({ kept: 0 }) },
  "ranges calibrated": { weights, activations: fptq({ ranges: "static" }) },
  "ranges calibrated elsewhere": { weights, activations: nvfp4({ tensorScale: "calibrated" }) },
  "ranges calibrated in some layers": { weights, overrides: [{ layers, activations: fptq() }] },
};

Deno.test("rows have the perplexity of quantize with the whole scheme", async () => {
  const windows = await corpus("sotu", { windows: 1, length: 48 });
  const calibration = await corpus("sotu", { split: "train", windows: 2, length: 48, seed: 0 });
  const cells = Object.entries(schemes).map(([label, scheme]) => ({ model: "fixture:llama", label, scheme }));
  const rows = await sweep(cells, { windows, calibration, results: null });
  using model = await loadModel("fixture:llama");
  for (const { label, scheme, perplexity: { value } } of rows) {
    using quantized = await quantize(model, scheme, { calibration });
    assertEquals(value, (await perplexity(quantized, windows)).value, label);
  }
  // The schemes differ from one another, so that one taken for another shows.
  const values = new Set(rows.map(({ perplexity: { value } }) => value));
  assert(values.size === rows.length, `${values.size} values of ${rows.length} schemes`);
});

Deno.test("weights are shared where activations and caches have nothing calibrated", () => {
  for (const [label, scheme] of Object.entries(schemes)) {
    assertEquals(stagesOf(scheme) === null, label.startsWith("ranges calibrated"), label);
  }
});
