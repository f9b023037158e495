/** An eighth of all pairs of methods; `all_pairs_heavy_test.ts` runs the others too. */
import { onSoftwareGpu } from "../../kernels/conformance/software_gpu.ts";
import { checkPairs } from "./composition_testing.ts";

Deno.test("every eighth pair of methods composes, on a finite model close to the float one", {
  ignore: onSoftwareGpu,
}, () => checkPairs(8));
