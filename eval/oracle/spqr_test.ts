/** SpQR against the original code: perplexities, and one layer's codes, statistics and outliers as they were stored. */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { onSoftwareGpu } from "../../kernels/conformance/software_gpu.ts";
import { loadModel } from "../../model/load.ts";
import { type Spqr, spqrWithHessian } from "../../quant/methods/spqr.ts";
import { oracleTensors } from "../oracle.ts";
import { checkAgainstOracle } from "./check_testing.ts";

import { spqrSchemes } from "./schemes/spqr.ts";

const quick = {
  "llama": ["spqr-3-g16-q3-16-t.25"],
  "llama-outlier": ["spqr-2-g32-q3-16-t.5", "spqr-3-g16-q3-16-t.25-simplified"],
  "opt": ["spqr-3-g16-q3-16-noout"],
};

// Without outliers kept, weights this coarse ruin the outlier model, and the way they do is chaotic.
const chaotic = ["spqr-3-g16-q3-16-noout", "spqr-2-g32-q3-16-noout"];

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(`${model}: SpQR gives the original code's perplexities`, { ignore: onSoftwareGpu }, async (t) => {
    await checkAgainstOracle(t, model, spqrSchemes(), { tolerance: 5e-3, quick: ids, chaotic });
  });
}

Deno.test("SpQR stores what the original code stored: codes, statistics, outliers, order of columns", async () => {
  const tensors = await oracleTensors("llama-outlier");
  const numbers = (name: string) => {
    const data = tensors.get(name)?.data;
    assert(data !== undefined && !(data instanceof BigInt64Array), name);
    return Array.from(data as ArrayLike<number>);
  };
  using model = await loadModel("fixture:llama-outlier");
  const { shape: [rows, columns], values } = model.linear(0, "q");
  const weight = { rows, columns, data: await values() };
  const hessian = Float64Array.from(numbers("gptq.H.first"));
  for (const [tag, id] of [["spqr3", "spqr-3-g16-q3-16-t.25"], ["spqr3noout", "spqr-3-g16-q3-16-noout"]]) {
    const { weight: packed } = spqrWithHessian(weight, hessian, spqrSchemes().get(id)?.weights as Spqr);
    const stored = (name: string) => numbers(`${tag}.layers.0.q_proj.${name}`);
    assertEquals([...packed.permutation ?? []], stored("perm"));
    assertEquals([...packed.scales.codes() ?? []], stored("quant_layer_scale"));
    assertEquals([...packed.zeros.codes() ?? []], stored("quant_layer_zeros"));
    for (const [name, vector] of [["scale", packed.scales], ["zero", packed.zeros]] as const) {
      for (const part of ["scale", "zero"] as const) {
        for (const [group, expected] of stored(`quant_layer_${name}_qq_${part}`).entries()) {
          const difference = Math.abs(vector.quantizer(group)[part] - expected);
          assertLessOrEqual(difference, 1e-4 * Math.abs(expected) + 1e-6, `${tag} ${name} ${part} ${group}`);
        }
      }
    }
    assertEquals([...packed.codes()], stored("quant_weights"));
    const dense = new Float32Array(rows * columns);
    const { start, column, value } = packed.outliers;
    for (let row = 0; row < rows; row++) {
      for (let k = start[row]; k < start[row + 1]; k++) dense[row * columns + column[k]] = value[k];
    }
    // The fixture holds the first 64 rows.
    for (const [i, expected] of stored("outliers").entries()) {
      assertEquals(dense[i] === 0, expected === 0, `${tag} outlier at ${i}`);
      assertLessOrEqual(Math.abs(dense[i] - expected), 1e-4 * Math.abs(expected));
    }
  }
});
