import { BoundedMemory } from "../calibration/memory.ts";
import { assert, assertAlmostEquals, assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import fc from "fast-check";
import { corpus } from "../../eval/corpus.ts";
import { defaultDevice } from "../../kernels/default.ts";
import { loadModel } from "../../model/load.ts";
import { bitsPerWeight } from "../weights/linear.ts";
import { UniformWeight } from "../weights/uniform.ts";
import {
  inputExtremes,
  qqq,
  type QqqOptions,
  qqqWithHessian,
  smoothInputs,
  thresholdCandidates,
} from "./qqq.ts";
import { QqqWeight } from "../weights/qqq.ts";
import { quantizeRows, rtn } from "./rtn.ts";
import type { SearchedStop } from "../transforms/scale_search.ts";
import { SchemeError } from "../error.ts";

/** A repeatable sequence of numbers in [-1, 1). */
function noise(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from(
    { length: count },
    () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 31 - 1,
  );
}

/** Uncorrelated inputs of equal size: nothing to compensate. */
function white(columns: number): Float64Array {
  const hessian = new Float64Array(columns * columns);
  for (let j = 0; j < columns; j++) hessian[j * (columns + 1)] = 8;
  return hessian;
}

function quantizeWhite(data: Float32Array, columns: number, options: QqqOptions) {
  const weight = { rows: data.length / columns, columns, data };
  return qqqWithHessian(weight, white(columns), qqq({ percdamp: 0, ...options }));
}

Deno.test("two roundings: the example of SPEC-2 section 20.10", () => {
  const codes = Uint8Array.of(7 + 8, -3 + 8, 8, -6 + 8), scales = Float32Array.of(0.12);
  const weight = new QqqWeight(
    new UniformWeight({ shape: [1, 4], bits: 4, groupSize: 4, codes, scales, zeros: 8 }),
  );
  assertEquals(weight.groupScales[0], 18.140625);
  assertEquals([...weight.integers()], [127, -54, 0, -109]);
  for (const [i, value] of [0.84, -0.357165, 0, -0.720945].entries()) {
    assertAlmostEquals(weight.dequantize()[i], value, 5e-7);
  }
});

Deno.test("without correlations, rows are rounded to nearest between -7 and 7", () => {
  const data = noise(6 * 64, 3);
  const ours = quantizeWhite(data, 64, {});
  assertEquals(
    ours.dequantize(),
    quantizeRows({ rows: 6, columns: 64, data }, rtn({ bits: 4, symmetric: true })).dequantize(),
  );
});

Deno.test("without correlations, groups are rounded to nearest on 15 steps between the extremes", () => {
  const data = noise(6 * 64, 4);
  const ours = quantizeWhite(data, 64, { groupSize: 16, groupWeights: "asRounded" });
  const nearest = rtn({ bits: 4, groupSize: 16, symmetric: true, codes: "offsetBinary" });
  assertEquals(ours.dequantize(), quantizeRows({ rows: 6, columns: 64, data }, nearest).dequantize());
  // One group per row: a step of 2/15 of the largest weight, not the 1/7 of whole rows.
  const single = quantizeWhite(data, 64, { groupSize: 64, groupWeights: "asRounded" });
  assert(single.dequantize().some((value, i) => value !== quantizeWhite(data, 64, {}).dequantize()[i]));
});

Deno.test("the second rounding moves a weight by at most half an int8 step, and fits int8", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(4, 16),
      fc.integer({ min: 1, max: 1 << 30 }),
      (rows, groups, size, seed) => {
        const columns = groups * size;
        // Groups of very different sizes, and one of zeros.
        const data = noise(rows * columns, seed).map((w, i) =>
          w * [1, 0.01, 30, 0][Math.floor(i / size) % 4]
        );
        const once = quantizeWhite(data, columns, { groupSize: size, groupWeights: "asRounded" })
          .dequantize();
        const twice = quantizeWhite(data, columns, { groupSize: size }) as QqqWeight;
        const integers = twice.integers(), values = twice.dequantize();
        for (let i = 0; i < values.length; i++) {
          const step = twice.rowScales[Math.floor(i / columns)];
          // Half a step of rounding; the float16 group scale adds 2^-11 of up to 127 steps.
          assertLessOrEqual(Math.abs(values[i] - once[i]), step * (0.5 + 127 * 2 ** -11) * (1 + 1e-5));
          assertLessOrEqual(Math.abs(integers[i]), 127);
        }
      },
    ),
    { seed: 1, numRuns: 60 },
  );
});

Deno.test("the integer product is that of the rounded weight and the rounded token; a token of zeros gives zeros", () => {
  const columns = 64, rows = 8;
  const weight = quantizeWhite(noise(rows * columns, 5), columns, { groupSize: 16 }) as QqqWeight;
  const x = noise(columns, 6).map((value) => 3 * value), y = weight.multiply(x), values = weight.dequantize();
  const scale = Math.fround(Math.max(...x.map(Math.abs)) / 127);
  for (let row = 0; row < rows; row++) {
    let sum = 0, size = 0;
    for (let j = 0; j < columns; j++) {
      const product = values[row * columns + j] * scale * Math.round(Math.fround(x[j] / scale));
      sum += product;
      size += Math.abs(product);
    }
    // Each dequantized weight was rounded to float32 once, the result once.
    assertLessOrEqual(Math.abs(y[row] - sum), 2 ** -23 * (size + Math.abs(sum)));
  }
  assertEquals([...weight.multiply(new Float32Array(columns))], new Array(rows).fill(0));
});

Deno.test("measured bits: 4 + 32/in per row, 4 + 16/groupSize + 32/in in groups", () => {
  const columns = 128, data = noise(4 * columns, 7);
  assertEquals(bitsPerWeight(quantizeWhite(data, columns, {})), 4 + 32 / columns);
  assertEquals(bitsPerWeight(quantizeWhite(data, columns, { groupSize: 64 })), 4 + 16 / 64 + 32 / columns);
});

Deno.test("thresholds fall from the largest magnitude in steps of the positive side alone (SPEC-2 20.5)", () => {
  const of = (most: number[], least: number[], steps: number | null) => [
    ...thresholdCandidates({ least: Float32Array.from(least), most: Float32Array.from(most) }, steps),
  ];
  // The negative side is larger: T0 = 8. Two steps of 3.95 to 0.1.
  const three = of([4, 0.5], [-2, -8], 2);
  assertEquals(three.length, 3);
  for (const [i, threshold] of [8, 4.05, 0.1].entries()) {
    assertAlmostEquals(three[i].threshold, threshold, 1e-12);
    // Each channel by the side that is farther beyond the threshold, or not at all.
    const scales = [Math.max(1, 4 / threshold), 8 / threshold];
    for (const [j, scale] of scales.entries()) assertAlmostEquals(three[i].scales[j], scale, 1e-6 * scale);
  }
  assertEquals([...three[0].scales], [1, 1]);
  // 0.5 is a step only on the positive side, and 100 steps are the fewest.
  for (
    const [most, least, count] of [[4, -8, 100], [4, -800, 100], [60, -1, 120], [60.4, -100, 120], [
      -1,
      -8,
      100,
    ]]
  ) {
    const found = of([most], [least], null), start = Math.max(most, -least), step = (start - 0.1) / count;
    assertEquals(found.length, count + 1);
    for (const [i, { threshold }] of found.entries()) {
      // The largest magnitude is a float32 number.
      assertAlmostEquals(threshold, start - i * step, 1e-6 * start);
    }
  }
  // Below 0.1 nothing is searched; at 0.1 something is.
  assertEquals(of([0.05], [-0.09], null).map(({ scales }) => [...scales]), [[1]]);
  assertEquals(of([0], [-0.25], 1).map(({ scales }) => scales[0]), [1, 2.5]);
});

Deno.test("extremes are those of each channel over all tokens of all windows", async () => {
  const device = await defaultDevice();
  const windows = [[1, -2, 3, 0, 5, -6], [-7, 4, 2]].map((values) =>
    device.upload(Float32Array.from(values))
  );
  const { least, most } = await inputExtremes(
    { device, inputs: windows, columns: 3 } as unknown as SearchedStop,
  );
  assertEquals([[...least], [...most]], [[-7, -2, -6], [1, 5, 3]]);
  for (const one of windows) one[Symbol.dispose]();
});

Deno.test("smoothing preserves the model's function, biases and ReLU included", async () => {
  using model = await loadModel("fixture:opt-outlier");
  const windows = await corpus("calibration", { windows: 1, length: 48, seed: 0 });
  const lines: string[] = [];
  const context = {
    calibration: () => windows,
    progress: (line: string) => void lines.push(line),
    memory: new BoundedMemory(),
    finished: null,
  };
  using smoothed = await smoothInputs(model, qqq({ thresholds: 2 }), context);
  assertEquals(lines.length, 4 * model.architecture.layers);
  const ids = Int32Array.from({ length: 24 }, (_, i) => 11 * i + 1);
  const before = await model.logits(ids), after = await smoothed.logits(ids);
  const largest = before.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  // float32 rounding of scaled weights: SPEC-2 section 43.10 allows 1e-4.
  for (const [i, value] of after.entries()) assertLessOrEqual(Math.abs(value - before[i]), 1e-4 * largest);
  const channels = lines.map((line) => Number(line.match(/(\d+) channels/)?.[1]));
  assert(channels.some((count) => count > 0), `nothing was smoothed: ${lines}`);
});

Deno.test("options are checked", () => {
  assertThrows(() => qqq({ bits: 8 } as unknown as QqqOptions), SchemeError, "bits is 8");
  assertThrows(() => qqq({ thresholds: 0 }), SchemeError, "thresholds is 0");
  assertThrows(() => qqq({ groups: 1 } as QqqOptions), SchemeError, 'no option "groups"');
  assertEquals(qqq(JSON.parse(JSON.stringify(qqq({ groupSize: 128 })))), qqq({ groupSize: 128 }));
});
