import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLessOrEqual,
  assertRejects,
  assertThrows,
} from "@std/assert";
import vectors from "../../fixtures/expected/methods2/rotation-w4a8/w4a8.json" with { type: "json" };
import { defaultDevice } from "../../kernels/default.ts";
import type { DeviceBuffer } from "../../kernels/device.ts";
import type { Intervention } from "../../model/decoder/intervention.ts";
import { loadModel } from "../../model/load.ts";
import type { InputStatistics, Matrix, WeightPlace } from "../method.ts";
import { SchemeError } from "../error.ts";
import { quantize } from "../quantize.ts";
import { DualGrainedWeight } from "../weights/dual_grained.ts";
import { bitsPerWeight } from "../weights/linear.ts";
import { RealZeroWeight } from "../weights/real_zero.ts";
import { dgq, dgqMethod, type DgqOptions, percentileFactors } from "./dgq.ts";
import { operandReach } from "./dgq/ranges.ts";
import { searchRows } from "./dgq/search.ts";
import { quantizeRows, rtn } from "./rtn.ts";

const place: WeightPlace = { layer: 0, role: "q", name: "a weight" };
const ids = Int32Array.from({ length: 64 }, (_, i) => (i * 53 + 7) % 700);
const device = await defaultDevice();

/** A repeatable sequence of numbers in [-1, 1). */
function noise(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from(
    { length: count },
    () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 31 - 1,
  );
}

function matrix(rows: readonly (readonly number[])[]): Matrix {
  return { rows: rows.length, columns: rows[0].length, data: Float32Array.from(rows.flat()) };
}

function statistics({ rows, columns, data }: Matrix): InputStatistics {
  const gram = new Float64Array(columns * columns);
  for (let t = 0; t < rows; t++) {
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++) {
        gram[i * columns + j] += data[t * columns + i] * data[t * columns + j];
      }
    }
  }
  return { gram, windows: 1, tokens: rows };
}

async function quantized(weight: Matrix, inputs: Matrix, options: DgqOptions) {
  return await dgqMethod.weights.quantize(weight, dgq(options), place, statistics(inputs), device);
}

Deno.test("the searches find the original code's codes, scales and zero points", async () => {
  const { W, X, cases } = vectors.dgq.search;
  for (const { group, dual, scale, zero, scale8, W: expected } of cases) {
    const found = await quantized(matrix(W), matrix(X), {
      groupSize: group,
      scales: dual ? "integer" : "float",
    });
    const what = `groups of ${group}, ${dual ? "two levels" : "one"}`;
    assert(found instanceof (dual ? DualGrainedWeight : RealZeroWeight));
    const scales = found instanceof DualGrainedWeight ? found.groupScales : found.scales;
    for (const [i, one] of scale.flat().entries()) {
      assertEquals(found.zeros[i], zero.flat()[i], what);
      // A group of zeros: the original's 252 is no int8.
      if (one === 252) assertEquals(scales[i], 1);
      else assertAlmostEquals(scales[i], one, 2 ** -23 * one, what);
    }
    if (found instanceof DualGrainedWeight) {
      for (const [i, one] of found.rowScales.entries()) {
        assertAlmostEquals(one, scale8[i], 2 ** -23 * scale8[i], what);
      }
    }
    for (const [i, value] of found.dequantize().entries()) {
      assertAlmostEquals(value, expected.flat()[i], 2 ** -22 * Math.abs(value), what);
    }
  }
});

Deno.test("factors and ranges are the original code's", async () => {
  const { absmax, gamma, column } = vectors.dgq.smooth;
  for (const [j, factor] of percentileFactors(Float32Array.from(absmax)).entries()) {
    assertAlmostEquals(factor, column[j], 1e-6 * column[j]);
    assertAlmostEquals(1 / factor, gamma[j], 1e-6);
  }
  assertEquals([...percentileFactors(Float32Array.of(0, 5e-5, 0))], [1, 1, 1]);
  for (
    const [x, expected, ranges] of [
      [vectors.dgq.activation.x, vectors.dgq.activation.perToken, "token"],
      [vectors.dgq.activationPerTensor.x, vectors.dgq.activationPerTensor.y, "tensor"],
    ] as const
  ) {
    const rows = x.length, columns = x[0].length;
    using buffer = device.upload(Float32Array.from(x.flat()));
    await dgqMethod.operand.apply(device, buffer, { rows, columns, heads: 1 }, dgq({ ranges }));
    for (const [i, value] of (await device.read(buffer)).entries()) {
      assertAlmostEquals(value, expected.flat()[i], 1e-6 * Math.abs(value), `${ranges} ${i}`);
    }
  }
});

Deno.test("group scales that are integers times a row scale stay, and so do weights on them", async () => {
  // Integer scales 18 and 3, codes 1 to 15 about 8: the largest weight is 126 units, and a row scale of 1.0018 units is tried.
  const unit = 1 / 64, codes = Array.from({ length: 15 }, (_, q) => q - 7);
  const weight = matrix([[...codes.map((q) => 18 * q * unit), ...codes.map((q) => 3 * q * unit)]]);
  const input = statistics({ rows: 64, columns: 30, data: noise(64 * 30, 1) });
  const groups = {
    groupSize: 15,
    scales: Float32Array.of(18 * unit, 3 * unit),
    zeros: Float32Array.of(8, 8),
  };
  const found = new DualGrainedWeight(await searchRows(weight, input, groups, device));
  assertEquals([...found.groupScales], [18, 3]);
  const energy = (values: Float32Array) =>
    values.reduce((sum, a, i) => sum + values.reduce((s, b, j) => s + a * b * input.gram[30 * i + j], 0), 0);
  const errors = found.dequantize().map((value, i) => value - weight.data[i]);
  // With that row scale every weight, and so every output, is off by 0.0018 of itself; what is chosen is no worse.
  assertLessOrEqual(energy(errors), 0.0019 ** 2 * energy(weight.data));
});

Deno.test("two levels are at most as good as free scales on a group, and never far: all weights are int8", async () => {
  for (const seed of [1, 2, 3]) {
    const weight = {
      rows: 12,
      columns: 64,
      data: noise(12 * 64, seed).map((w, i) => w * [1, 0.02, 5, 0][Math.floor(i / 16) % 4]),
    };
    const inputs = { rows: 96, columns: 64, data: noise(96 * 64, seed + 9) };
    const errorOf = (values: Float32Array) => {
      let sum = 0;
      for (let t = 0; t < 96; t++) {
        for (let row = 0; row < 12; row++) {
          let y = 0;
          for (let j = 0; j < 64; j++) {
            y += inputs.data[t * 64 + j] * (values[row * 64 + j] - weight.data[row * 64 + j]);
          }
          sum += y * y;
        }
      }
      return sum;
    };
    const dual = await quantized(weight, inputs, { groupSize: 16 });
    const single = await quantized(weight, inputs, { groupSize: 16, scales: "float" });
    assert(dual instanceof DualGrainedWeight);
    assert(
      dual.integers().every((w) => Math.abs(w) <= 127) && dual.groupScales.every((s) => s >= 1 && s <= 127),
    );
    const [two, one] = [errorOf(dual.dequantize()), errorOf(single.dequantize())];
    const nearest = errorOf(quantizeRows(weight, rtn({ bits: 4, groupSize: 16 })).dequantize());
    assertLessOrEqual(one, nearest);
    // A group 250 times smaller than the row's largest has an integer scale of 1, and its step is the row's.
    assertLessOrEqual(
      two,
      2 * nearest,
      `seed ${seed}: ${two}, ${one} with free scales, ${nearest} to nearest`,
    );
  }
});

Deno.test("groups of zeros, of equal weights and of one sign", async () => {
  const inputs = { rows: 32, columns: 8, data: noise(256, 4) };
  const zeros = await quantized(matrix([[0, 0, 0, 0, 0, 0, 0, 0]]), inputs, { groupSize: 4 });
  assertEquals([...zeros.dequantize()], new Array(8).fill(0));
  const equal = await quantized(matrix([[0.5, 0.5, 0.5, 0.5, -2, -2, -2, -2]]), inputs, { groupSize: 4 });
  for (const [i, value] of equal.dequantize().entries()) {
    // Fifteenths of 2 and 0.5 are about 8.5 and 2.1 steps of the row's int8; a half of one is 6% of the first and 20% of 2.5.
    assertLessOrEqual(Math.abs(value - (i < 4 ? 0.5 : -2)), i < 4 ? 0.1 : 0.12);
  }
  // 1 to 1.001 would have its zero point at -15000: no int8.
  const narrow = await quantized(matrix([[1, 1.0005, 1.001, 1.0002, 1, 1, 1.001, 1]]), inputs, {
    groupSize: 4,
  });
  assert(narrow instanceof DualGrainedWeight);
  for (const value of narrow.dequantize()) assertLessOrEqual(Math.abs(value - 1), 0.07);
});

Deno.test("measured bits: 4 + (8 + 4) / groupSize + 32 / in; 8 bits of zero point where weights of a group have one sign", async () => {
  const inputs = { rows: 32, columns: 128, data: noise(32 * 128, 5) }, data = noise(4 * 128, 6);
  const both = await quantized({ rows: 4, columns: 128, data }, inputs, { groupSize: 32 });
  assertEquals(bitsPerWeight(both), 4 + 12 / 32 + 32 / 128);
  const positive = data.map((w) => 1.5 + w / 2);
  const one = await quantized({ rows: 4, columns: 128, data: positive }, inputs, { groupSize: 32 });
  assertEquals(bitsPerWeight(one), 4 + 16 / 32 + 32 / 128);
  const parts = { shape: [1, 2], groupSize: 2, codes: Uint8Array.of(15, 0), zeros: Int8Array.of(0) } as const;
  assertThrows(
    () => new DualGrainedWeight({ ...parts, rowScales: Float32Array.of(1), groupScales: Uint8Array.of(9) }),
    SchemeError,
    "expected an int8",
  );
  assertThrows(
    () =>
      new DualGrainedWeight({ ...parts, rowScales: Float32Array.of(1, 2), groupScales: Uint8Array.of(1) }),
    SchemeError,
    "2 row scales",
  );
});

Deno.test("smoothing keeps the function; packed execution gives the values' logits; operands are rounded", async () => {
  using model = await loadModel("fixture:llama-outlier");
  const own = dgq({ groupSize: 64 }), calibration = [ids];
  using smoothed = await quantize(model, { transforms: [own] }, { calibration });
  const [a, b] = [await model.logits(ids), await smoothed.logits(ids)];
  const size = Math.sqrt(a.reduce((sum, value) => sum + value * value, 0) / a.length);
  assert(a.every((value, i) => Math.abs(value - b[i]) < 1e-4 * size));
  assert(a.some((value, i) => value !== b[i]));
  using simulated = await quantize(model, { transforms: [own], weights: own }, { calibration });
  using packed = await quantize(model, { transforms: [own], weights: own }, {
    calibration,
    execution: "packed",
  });
  const [c, d] = [await simulated.logits(ids), await packed.logits(ids)];
  // Float32 rounding of a few hundred products in another order, in each of four layers.
  assert(c.every((value, i) => Math.abs(value - d[i]) < 4 * 64 * 2 ** -24 * 40 * size));
  using all = await quantize(
    model,
    { transforms: [own], weights: own, activations: own, query: own, key: own, value: own },
    { calibration },
  );
  const e = await all.logits(ids);
  assert(e.every(Number.isFinite) && e.some((value, i) => value !== c[i]));
});

Deno.test("the least of the windows is that of a dimension over all heads, as the original code's queries, keys and values have it", async () => {
  using model = await loadModel("fixture:llama");
  const windows = [ids.slice(0, 9), ids.slice(20, 31)], { headDim } = model.architecture;
  const reach = await operandReach(model, windows, "leastWindow");
  const least = new Map<string, Float32Array>();
  for (const window of windows) {
    const most = new Map<string, Float32Array>();
    const note = async (key: string, x: DeviceBuffer, columns: number) => {
      const values = await model.device.read(x), maxima = most.get(key) ?? new Float32Array(columns);
      for (const [i, one] of values.entries()) {
        maxima[i % columns] = Math.max(maxima[i % columns], Math.abs(one));
      }
      most.set(key, maxima);
    };
    const observer: Intervention = {
      input: (x, { layer, site, columns }) => note(`${layer}.${site}`, x, columns),
      query: (x, { layer }) => note(`${layer}.query`, x, headDim),
      key: (x, { layer }) => note(`${layer}.key`, x, headDim),
      value: (x, { layer }) => note(`${layer}.value`, x, headDim),
    };
    for (const states of await model.hiddenStates([window], [observer])) states[Symbol.dispose]();
    for (const [key, maxima] of most) {
      const before = least.get(key);
      least.set(key, before === undefined ? maxima : maxima.map((one, i) => Math.min(one, before[i])));
    }
  }
  assertEquals([...reach.keys()].sort(), [...least.keys()].sort());
  for (const [key, maxima] of least) assertEquals(reach.get(key), Math.max(...maxima), key);
});

Deno.test("what does not fit is refused", async () => {
  assertThrows(() => dgq({ ranges: "row" } as unknown as DgqOptions), SchemeError, "ranges is");
  assertThrows(() => dgq({ groups: 1 } as DgqOptions), SchemeError, 'no option "groups"');
  assertEquals(dgq(JSON.parse(JSON.stringify(dgq({ groupSize: 64 })))), dgq({ groupSize: 64 }));
  await assertRejects(
    () => quantized(matrix([[1, 2, 3]]), matrix([[1, 2, 3]]), { groupSize: 2 }),
    SchemeError,
    "groupSize 2 does not divide 3",
  );
  using model = await loadModel("fixture:llama");
  await assertRejects(
    () => quantize(model, { weights: dgq() }),
    SchemeError,
    "dgq needs calibration windows",
  );
  await assertRejects(
    async () => {
      using scored = await quantize(model, { scores: dgq() }, { calibration: [ids] });
      await scored.logits(ids);
    },
    SchemeError,
    "dgq has no fixed range of scores",
  );
});
