/** Round to nearest and SmoothQuant against the original code, on every configuration that was run. */
import { onSoftwareGpu } from "../../kernels/conformance/software_gpu.ts";
import { checkAgainstOracle } from "./check_testing.ts";
import { nearestSchemes } from "./schemes/nearest.ts";

const quick = {
  "llama": [
    "fp32",
    "rtn-w4-pc",
    "rtn-w3-g32",
    "rtn-w4-g32-symLegacy",
    "june-rtn-w4-pc",
    "head-qkvs8-tensor",
    "sq-w8a8-a0.50",
  ],
  "llama-outlier": [
    "fp32",
    "rtn-w2-pc",
    "rtn-w8a8",
    "rtn-w6a6",
    "sq-w6a6-a0.50",
    "sq-w4a4-a0.80",
    "head-k4-preRoPE",
  ],
  "opt": ["fp32", "rtn-w4-g128", "rtn-w4a8", "sq-w8a8-a0.85", "head-rtn-w4-pertensor"],
};

// With 4-bit activations a flipped code moves a value by a fifteenth of its range, 17 times as far as with 8 bits. Windows
// then differ from the original's by 15e-3 nats (standard deviation, measured on sq-w4a4-a0.80), their mean by 4e-3.
const coarse = Object.fromEntries(
  [...nearestSchemes().keys()].filter((id) => /a4(-|$)/.test(id)).map((id) => [id, 1e-2]),
);

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(`${model}: round to nearest and SmoothQuant give the original code's perplexities`, {
    ignore: onSoftwareGpu,
  }, async (t) => {
    // Float differs by rounding alone. Quantized values can also fall to the other side of a rounding boundary.
    await checkAgainstOracle(t, model, nearestSchemes(), {
      tolerance: 2e-3,
      quick: ids,
      bounds: { fp32: 1e-4, ...coarse },
    });
  });
}
