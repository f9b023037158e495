/** ZeroQuant's weights and activations against DeepSpeed, on every configuration that was run (without distillation). */
import { onSoftwareGpu } from "../../kernels/conformance/software_gpu.ts";
import { checkAgainstOracle } from "./check_testing.ts";
import { zeroQuantSchemes } from "./schemes/zeroquant.ts";

for (const model of ["llama", "llama-outlier"]) {
  Deno.test(`${model}: ZeroQuant gives DeepSpeed's perplexities`, { ignore: onSoftwareGpu }, async (t) => {
    // The outlier model at W4A4 is NaN in the reference (a token that rounds to zeros): nothing to compare.
    await checkAgainstOracle(t, model, zeroQuantSchemes(), {
      tolerance: 2e-3,
      quick: ["zq-w4-8a16-g256", "zq-w4-8a8-g256"],
      // Nothing is rounded on the fly here: the models differ by float arithmetic alone.
      bounds: { "zq-w4-8a16-g256": 1e-5 },
    });
  });
}
