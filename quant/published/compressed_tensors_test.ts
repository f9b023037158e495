/** Files of compressed-tensors as llm-compressor writes them, and as version 0.9 did. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { CheckpointError } from "../../model/files/error.ts";
import { checkForward, foreign, goldenOf, hasForeign, testFolder } from "./golden_testing.ts";
import { loadModel } from "./load.ts";

testFolder("compressed-tensors", [
  "llama2l-w4a16-g32-sym",
  "mini-fp8-block",
  "mini-fp8-dynamic",
  "mini-int8-w8a8-static-asym",
  "mini-kv-fp8",
  "mini-kv-only-int8",
  "mini-mixed-w4-w8",
  "mini-mxfp4",
  "mini-mxfp4a16",
  "mini-mxfp8",
  "mini-nvfp4",
  "mini-nvfp4a16",
  "mini-w2g32-asym",
  "mini-w4afp8",
  "mini-w4channel-asym",
  "mini-w4channel-sym",
  "mini-w4g32-actorder-static",
  "mini-w4g32-actorder-weight",
  "mini-w4g32-asym",
  "mini-w4g32-bf16",
  "mini-w5g32-sym",
  "old-sparse24-bitmask",
  "old-w3g32-tenfields",
  "old-w4g32-actorder-group",
  "opt-mini-w4g32",
]);
testFolder("sharded", ["mini-w4g32-asym-3shards"]);

Deno.test({
  name: "marlin-24: rows as they were before they were packed, logits, perplexity; groups are refused",
  ignore: !hasForeign,
  async fn() {
    // Nothing unpacks it: expected are the values before packing. Their digests tell -0 from 0, which codes do not.
    const directory = `${foreign}/compressed-tensors/old-marlin24-w4channel`,
      golden = await goldenOf(directory);
    using model = await loadModel(directory);
    for (const [name, { first8, absmax, sum }] of Object.entries(golden.weights)) {
      const values = await model.checkpoint.tensor(name);
      for (const [i, value] of first8.entries()) assert(values[i] === value, `${name} ${i}`);
      assertEquals(values.reduce((most, x) => Math.max(most, Math.abs(x)), 0), absmax);
      // Sums of float64 in another order.
      assert(Math.abs(Array.from(values).reduce((a, b) => a + b, 0) - sum) < 1e-9 * values.length, name);
    }
    await checkForward(model, directory, golden);
    const groups = `${foreign}/compressed-tensors/old-marlin24-w4g128`;
    await assertRejects(
      () => loadModel(groups),
      CheckpointError,
      "scales of groups lie in two orders under this name",
    );
  },
});
