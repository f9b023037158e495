/** Statistics against closed forms; what must be unchanged is unchanged; noise halves with every bit. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { loadModel } from "../../model/load.ts";
import { quantize } from "../../quant/quantize.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { analyzeLayers, channelProfiles, distortionOf, distributionOf, inputDistances } from "./analysis.ts";
import { corpus } from "../corpus.ts";
import { CorpusError } from "../windows.ts";

Deno.test("moments of known distributions", () => {
  const uniform = distributionOf(Float64Array.from({ length: 20001 }, (_, i) => i / 10000 - 1));
  assertAlmostEquals(uniform.mean, 0, 1e-12);
  assertAlmostEquals(uniform.deviation, 1 / Math.sqrt(3), 1e-4);
  assertAlmostEquals(uniform.kurtosis, -1.2, 1e-3);
  // One outlier among n equal values: kurtosis n - 1 + 1 / (n - 1) - 3, here with n = 101.
  const outlier = distributionOf([...new Array(100).fill(0), 1]);
  assertAlmostEquals(outlier.kurtosis, 100 + 1 / 100 - 1 - 3, 1e-9);
  assertEquals(distributionOf([3, -7, 2]).absmax, 7);
});

Deno.test("distortion: equal, halved, cancelling errors, other lengths", () => {
  assertEquals(distortionOf([1, 2], [1, 2]), { sqnr: Infinity, mse: 0 });
  assertAlmostEquals(distortionOf([1, 1], [0.5, 0.5]).sqnr, 10 * Math.log10(4), 1e-12);
  // The reference code calls this infinite: the errors' sum is 0.
  assertAlmostEquals(distortionOf([1, 1], [2, 0]).sqnr, 0, 1e-12);
  assertThrows(() => distortionOf([1], [1, 2]), CorpusError, "original has 1 values");
});

Deno.test("a model against itself has no noise; quantized weights have 6 dB more with each bit", async () => {
  using model = await loadModel("fixture:llama");
  const windows = await corpus("sotu", { windows: 1, length: 48 });
  const same = await analyzeLayers(model, model, windows);
  assertEquals(same.length, 4 * 7);
  for (const { weightError, inputError, outputError, bits } of same) {
    assertEquals([weightError.mse, inputError.mse, outputError.mse, bits], [0, 0, 0, null]);
  }
  const mean = async (bits: number) => {
    using quantized = await quantize(model, { weights: rtn({ bits }) });
    const layers = await analyzeLayers(quantized, model, windows);
    for (const { inputError } of layers) assertEquals(inputError.mse, 0);
    return layers.reduce((sum, { weightError }) => sum + weightError.sqnr, 0) / layers.length;
  };
  const gain = (await mean(8) - await mean(4)) / 4;
  assert(gain > 5.7 && gain < 6.3, `${gain} dB per bit`);
});

Deno.test("activation quantizers are seen at the input; errors reach later layers only", async () => {
  using model = await loadModel("fixture:llama");
  const windows = await corpus("sotu", { windows: 2, length: 32 });
  using quantized = await quantize(model, { activations: rtn({ bits: 4, granularity: "token" }) });
  const layers = await analyzeLayers(quantized, model, windows);
  for (const { weightError, inputError } of layers) {
    assertEquals(weightError.mse, 0);
    // 4 bits cover the range with 15 steps.
    assert(inputError.sqnr > 5 && inputError.sqnr < 30, `${inputError.sqnr} dB`);
  }
  const distances = await inputDistances(quantized, model, windows);
  assertEquals(distances.length, 4 * 4);
  assertEquals(distances[0].mse, 0);
  assert(distances.slice(1).every(({ sqnr }) => sqnr < 40));
});

Deno.test("outlier channels stand out in the outlier model", async () => {
  const windows = await corpus("sotu", { windows: 1, length: 64 });
  const peak = async (specifier: string) => {
    using model = await loadModel(specifier);
    const profile = (await channelProfiles(model, windows)).get("1.attention") ?? new Float32Array(1);
    const sorted = profile.toSorted();
    return sorted[sorted.length - 1] / sorted[sorted.length >> 1];
  };
  const [outlier, plain] = [await peak("fixture:llama-outlier"), await peak("fixture:llama")];
  assert(outlier > 3 * plain, `${outlier} against ${plain}`);
});
