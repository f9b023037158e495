/** LLM.int8() against bitsandbytes on a float32 model, at every threshold that was run. */
import { onSoftwareGpu } from "../../kernels/conformance/software_gpu.ts";
import { llmInt8Schemes } from "./schemes/llmint8.ts";
import { checkAgainstOracle } from "./check_testing.ts";

for (const model of ["llama", "llama-outlier", "opt"]) {
  Deno.test(`${model}: LLM.int8() gives bitsandbytes' perplexities`, { ignore: onSoftwareGpu }, async (t) => {
    // Without decomposition (threshold 0) all inputs are rounded on the fly. Eight runs of ours with inputs perturbed by
    // 2^-22 spread by 0.03% (llama) and 0.14% (llama-outlier, whose ranges are wide), one standard deviation; the
    // original lies 1.6 of them from their mean in both. The others agree to 0.01%.
    await checkAgainstOracle(t, model, llmInt8Schemes(), {
      tolerance: 1e-3,
      quick: ["int8-t6.0-fp32"],
      bounds: { "int8-t0.0-fp32": 4e-3 },
    });
  });
}
