/** FP8, MX, NVFP4 and bitsandbytes' formats against the runs of torchao, compressed-tensors, microxcaling, fouroversix and bitsandbytes. */
import { assertThrows } from "@std/assert";
import { checkGolden } from "./golden_testing.ts";
import { goldenRun } from "./golden.ts";

/** Weights alone move a perplexity by the rounding of float32 sums; a rounded activation moves it by whole steps (README, `noise`). */
const bound = (id: string) => /\.wa\.|-a\./.test(id) ? 3e-3 : 1e-4;

const quick: Readonly<Record<string, readonly string[]>> = {
  llama: ["fp8.e4m3.w.block128", "mxfp4.w.floor", "nvfp4.w.46-mse", "bnb.fp4.b64.dq", "nvfp4.wa.ct-static"],
  "llama-outlier": ["mxfp4.wa.even", "fp8.e4m3.wa.tensor-tensor"],
  opt: ["nvfp4.w.ao-single"],
};

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(`formats: the original code's perplexities on ${model}`, async (t) => {
    await checkGolden(t, "formats", model, { covers: (_, method) => method === "format", bound, quick: ids });
  });
}

Deno.test("formats: ids that nobody knows are refused with what is known", () => {
  for (
    const [id, message] of [
      ["fp9.e4m3.w.tensor", "expected fp8, mxfp8"],
      ["fp8.e4m3.w.token", "expected weights by tensor"],
      ["fp8.e4m4.w.tensor", "expected fp8.<element>"],
      ["mxfp4.w.ceiling", "expected floor, rceil"],
      ["mxfp8.w.floor", "expected mxfp8.<e4m3|e5m2>"],
      ["nvfp4.w.46-l1", "expected ao, ao-dynamic"],
      ["bnb.nf5.b64", "expected bnb.<nf4|fp4>"],
      ["mxfp4-w.nf4-a.floor", "expected fp8, mxfp8"],
    ]
  ) {
    const result = { id, method: "format", config: {}, model: "llama" };
    assertThrows(() => goldenRun("formats", result), Error, message);
  }
});
