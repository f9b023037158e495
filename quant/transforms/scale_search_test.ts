import { assert, assertAlmostEquals, assertEquals, assertLessOrEqual } from "@std/assert";
import type { DeviceBuffer } from "../../kernels/device.ts";
import { referenceDevice } from "../../kernels/reference.ts";
import { roundHalfEven } from "../../kernels/round.ts";
import { denseLinear } from "../../model/decoder/parameter.ts";
import { meanMagnitudes, scaleCandidates } from "../methods/awq.ts";
import type { Matrix } from "../method.ts";
import { inputExtremes, thresholdCandidates, trialQuantizers } from "../methods/qqq.ts";
import { runPlain, runScaled, type SearchedStop, searchScales } from "./scale_search.ts";

/** A single linear layer as a stop. */
async function linearStop(x: number[][], w: number[][]): Promise<SearchedStop> {
  const device = referenceDevice(), rows = w.length, columns = w[0].length;
  const weight = { rows, columns, data: Float32Array.from(w.flat()) };
  const linear = (values: Float32Array) =>
    denseLinear(device, "w", [rows, columns], () => Promise.resolve(values), null).load();
  return {
    device,
    columns,
    inputs: [device.upload(Float32Array.from(x.flat()))],
    weights: [weight],
    linears: [await linear(weight.data)],
    linear,
    async run([one], input, tokens): Promise<DeviceBuffer> {
      const y = device.allocate(tokens * rows);
      await one.run(input, y, tokens);
      return y;
    },
    next: null,
    nextFeatures: 0,
  };
}

/** Symmetric 4-bit rows in float64. */
function roundRows({ columns, data }: Matrix): Float32Array {
  return data.map((value, i) => {
    const row = data.subarray(i - i % columns, i - i % columns + columns);
    const step = Math.max(...row.map(Math.abs)) / 7;
    return step * roundHalfEven(value / step);
  });
}

// The worked example of SPEC-2 section 20.5, whose values were computed in float64 elsewhere.
const X = [[8, 0.5, -0.25, 1], [-4, 0.3, 0.2, -1], [6, -0.4, 0.1, 0.7]];
const W = [[0.5, -0.25, 1, 0.125], [0.1, 0.8, -0.6, 0.3]];

Deno.test("adaptive smoothing finds the threshold of the worked example", async () => {
  const stop = await linearStop(X, W), expected = await runPlain(stop);
  const candidates = [...thresholdCandidates(await inputExtremes(stop), null)];
  assertEquals(candidates.length, 101);
  // The first row has a tie, 0.5 / (1/7) = 3.5, that float32 decides the other way: weights are rounded in float64 here.
  const quantizers = { ...trialQuantizers(stop, {}), weight: roundRows };
  const plain = await searchScales(stop, candidates.slice(0, 1), quantizers, expected);
  assertEquals([...plain.candidate.scales], [1, 1, 1, 1]);
  // Outputs of size 4 carry float32 errors of about 4 * 2^-23, so squared differences of size 0.05 carry 1e-7 of that.
  assertAlmostEquals(plain.error, 0.227526684919, 1e-6);
  const best = await searchScales(stop, candidates, quantizers, expected);
  assertAlmostEquals(best.error, 0.00166992975412, 1e-7);
  assertAlmostEquals(best.candidate.threshold, 3.339, 1e-6);
  assertAlmostEquals(best.candidate.scales[0], 2.395926924, 1e-6);
  assertEquals([...best.candidate.scales.subarray(1)], [1, 1, 1]);
});

Deno.test("AWQ's candidates find the ratio of the worked example", async () => {
  const stop = await linearStop(X, W), expected = await runPlain(stop);
  const candidates = scaleCandidates(await meanMagnitudes(stop), 20);
  const best = await searchScales(stop, candidates, trialQuantizers(stop, {}), expected);
  assertEquals(best.candidate.ratio, 0.3);
  assertAlmostEquals(best.error, 0.0012768015, 1e-7);
});

Deno.test("without quantizers no candidate changes the output", async () => {
  const stop = await linearStop(X, W), [expected] = await runPlain(stop);
  const scales = Float32Array.of(4, 0.5, 2, 1);
  const [output] = await runScaled(stop, scales, { weight: ({ data }) => data });
  assertEquals(await stop.device.read(output), await stop.device.read(expected));
});

Deno.test("thresholds: from no smoothing down to 0.1, only channels beyond them are scaled", () => {
  const least = Float32Array.of(-0.2, -30, 0, -1), most = Float32Array.of(0.1, 5, 0, 400);
  const candidates = [...thresholdCandidates({ least, most }, null)];
  assertEquals(candidates.length, 801);
  assertEquals(candidates[0].threshold, 400);
  assertEquals([...candidates[0].scales], [1, 1, 1, 1]);
  assertAlmostEquals(candidates[800].threshold, 0.1, 1e-12);
  for (const { threshold, scales } of candidates) {
    for (const [j, s] of scales.entries()) {
      const size = Math.max(most[j], -least[j]);
      if (size <= threshold) assertEquals(s, 1);
      else assertAlmostEquals(s, size / threshold, 1e-6 * s);
      assertLessOrEqual(size / s, threshold * (1 + 1e-6));
    }
  }
  const quiet = [
    ...thresholdCandidates({ least: least.map((x) => x / 1e4), most: most.map((x) => x / 1e4) }, null),
  ];
  assertEquals(quiet.map(({ scales }) => [...scales]), [[1, 1, 1, 1]]);
  assertEquals([...thresholdCandidates({ least, most }, 7)].length, 8);
});

Deno.test("a loud channel is scaled down alone, and the error falls", async () => {
  const x = Array.from(
    { length: 12 },
    (_, t) => Array.from({ length: 8 }, (_, j) => Math.sin(3 * t + 5 * j)),
  );
  for (const row of x) row[3] *= 50;
  const w = Array.from({ length: 6 }, (_, r) => Array.from({ length: 8 }, (_, j) => Math.cos(2 * r + 7 * j)));
  const stop = await linearStop(x, w), expected = await runPlain(stop);
  const candidates = [...thresholdCandidates(await inputExtremes(stop), null)];
  const best = await searchScales(stop, candidates, trialQuantizers(stop, {}), expected);
  const plain = await searchScales(stop, candidates.slice(0, 1), trialQuantizers(stop, {}), expected);
  assert(best.candidate.scales[3] > 1);
  for (const [j, s] of best.candidate.scales.entries()) if (j !== 3) assertEquals(s, 1);
  assert(best.error < plain.error, `${best.error} ${plain.error}`);
});
