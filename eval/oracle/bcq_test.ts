/** Binary coding against the original LUT-GEMM code, on every configuration that was run. */
import { onSoftwareGpu } from "../../kernels/conformance/software_gpu.ts";
import { bcqSchemes } from "./schemes/bcq.ts";
import { checkAgainstOracle } from "./check_testing.ts";

const quick = {
  "llama": ["bcq-3-pc-r30", "bcq-2-g128-r5"],
  "llama-outlier": ["bcq-4-g128-r30", "bcq-rtn4-pc (rtn=true)"],
  "opt": ["bcq-3-g32-r30"],
};

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(
    `${model}: binary coding gives the original code's perplexities`,
    { ignore: onSoftwareGpu },
    async (t) => {
      await checkAgainstOracle(t, model, bcqSchemes(model), { tolerance: 5e-4, quick: ids });
    },
  );
}
