import { assert, assertAlmostEquals, assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import fc from "fast-check";
import vectors from "../../fixtures/vectors.json" with { type: "json" };
import { oracleTensors } from "../../eval/oracle.ts";
import { packedValues } from "../../kernels/host/packed.ts";
import { loadModel } from "../../model/load.ts";
import { bcq, type BcqOptions, binaryCode } from "./bcq.ts";
import { BcqWeight } from "../weights/binary.ts";
import type { Matrix } from "../method.ts";
import { bitsPerWeight, storedWeight, weightStorage } from "../weights/linear.ts";
import { UniformWeight } from "../weights/uniform.ts";
import { quantize } from "../quantize.ts";
import { quantizeRows, rtn } from "./rtn.ts";
import { SchemeError } from "../error.ts";

/** A unit in the last place of 1 in float32, halved: the largest relative error of one rounding. */
const unit = 2 ** -24;

function noise(rows: number, columns: number, seed: number): Matrix {
  let state = seed >>> 0;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  return { rows, columns, data: Float32Array.from({ length: rows * columns }, () => next() + next() - 1) };
}

function squaredError(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);
}

Deno.test("binary coding agrees with the golden vectors", () => {
  const weight = { rows: 2, columns: 16, data: Float32Array.from(vectors.bcq.w.flat()) };
  for (const { bits, rounds, alpha, dequant, sse } of vectors.bcq.cases) {
    const coded = binaryCode(weight, bcq({ bits, rounds }));
    const values = coded.dequantize();
    // Sums come in another order than those of the vectors, which costs each of at most 30 rounds a unit of 0.05.
    for (const [i, value] of alpha.flat().entries()) assertAlmostEquals(coded.alphas[i], value, 1e-7);
    for (const [i, value] of dequant.flat().entries()) assertAlmostEquals(values[i], value, 2e-7);
    assertAlmostEquals(squaredError(values, weight.data), sse, 1e-6 * sse);
  }
});

Deno.test("signs, scales and errors are the original code's", async () => {
  const tensors = await oracleTensors("llama");
  using model = await loadModel("fixture:llama");
  for (const [tag, rounds] of [["bcq3", 30], ["bcq3greedy", 0]] as const) {
    for (const [role, module] of [["q", "q_proj"], ["down", "down_proj"]] as const) {
      const { shape: [rows, columns], values } = model.linear(0, role);
      const weight = { rows, columns, data: await values() };
      const coded = binaryCode(weight, bcq({ bits: 3, rounds }));
      const alphas = tensors.get(`${tag}.layers.0.${module}.alpha`)?.data as Float32Array;
      const signs = tensors.get(`${tag}.layers.0.${module}.B`)?.data as Int8Array;
      for (const [i, alpha] of alphas.entries()) assertAlmostEquals(coded.alphas[i] / alpha, 1, 1e-6);
      const patterns = coded.patterns();
      let theirs = 0;
      for (let i = 0; i < 64 * columns; i++) {
        let value = 0;
        for (let plane = 0; plane < 3; plane++) {
          const sign = signs[3 * i + plane];
          assertEquals((patterns[i] >> plane & 1) * 2 - 1, sign);
          value += sign * alphas[3 * Math.floor(i / columns) + plane];
        }
        theirs += (value - weight.data[i]) ** 2;
      }
      const ours = squaredError(
        coded.dequantize().subarray(0, 64 * columns),
        weight.data.subarray(0, 64 * columns),
      );
      assertAlmostEquals(ours / theirs, 1, 1e-6);
    }
  }
});

Deno.test("uniform codes become planes without loss", () => {
  const { scale, zero, bits, alpha, offset, expected } = vectors.bcq.rtn_to_bcq;
  const uniform = new UniformWeight({
    ...{ shape: [1, 16], bits, groupSize: 16, scales: Float32Array.of(scale) },
    codes: Uint8Array.from({ length: 16 }, (_, code) => code),
    zeros: Uint8Array.of(zero),
  });
  const coded = BcqWeight.fromUniform(uniform);
  assertEquals(coded.alphas, Float32Array.from(alpha));
  assertEquals(coded.offsets, Float32Array.of(offset));
  for (const [i, value] of coded.dequantize().entries()) assertAlmostEquals(value, expected[i], 4 * unit);
});

Deno.test("round to nearest as planes is round to nearest, up to the rounding of sums", () => {
  fc.assert(fc.property(
    fc.integer({ min: 2, max: 8 }),
    fc.constantFrom(8, 12, 24),
    fc.integer(),
    (bits, groupSize, seed) => {
      const weight = noise(3, 24, seed);
      const uniform = quantizeRows(weight, rtn({ bits, groupSize }));
      const coded = binaryCode(weight, bcq({ bits, groupSize, fit: "nearest" }));
      const values = uniform.dequantize(), planes = coded.dequantize();
      assertEquals(packedValues(coded.pack()), planes);
      for (let i = 0; i < 72; i++) {
        // `bits` sums, the offset, its sum with the level and the uniform value itself round once each; none of them
        // is larger than the whole range, twice the sum of the scales.
        const group = Math.floor(i / groupSize);
        const range = 2 * coded.alphas.subarray(group * bits, (group + 1) * bits).reduce((a, b) => a + b);
        assertAlmostEquals(planes[i], values[i], (bits + 3) * unit * range);
      }
    },
  ));
});

Deno.test("one plane is the sign and the mean magnitude, whatever the rounds", () => {
  const weight = { rows: 1, columns: 4, data: Float32Array.of(1, -2, 3, -6) };
  for (const rounds of [0, 30]) {
    assertEquals(binaryCode(weight, bcq({ bits: 1, rounds })).dequantize(), Float32Array.of(3, -3, 3, -3));
  }
});

Deno.test("weights that are sums of planes already stay", () => {
  const alphas = [0.5, 0.25, 0.0625];
  const data = Float32Array.from(
    { length: 64 },
    (_, i) => alphas.reduce((sum, alpha, plane) => sum + ((5 * i) >> plane & 1 ? alpha : -alpha), 0),
  );
  const coded = binaryCode({ rows: 1, columns: 64, data }, bcq({ bits: 3, rounds: 30 }));
  // All eight levels are equally often taken, so each greedy scale is exact.
  assertEquals([...coded.alphas], alphas);
  assertEquals(coded.dequantize(), data);
});

Deno.test("one group of a row is the whole row, and zeros are kept at 0", () => {
  const weight = noise(4, 48, 3);
  const whole = binaryCode(weight, bcq({ bits: 3, rounds: 5 }));
  const grouped = binaryCode(weight, bcq({ bits: 3, rounds: 5, groupSize: 48 }));
  assertEquals(whole.dequantize(), grouped.dequantize());
  const zeros = binaryCode({ rows: 2, columns: 8, data: new Float32Array(16) }, bcq({ bits: 3 }));
  assertEquals(zeros.dequantize().map(Math.abs), new Float32Array(16));
});

Deno.test("rounds never lose more than greedy, and more planes never lose more", () => {
  const weight = noise(8, 128, 11);
  const error = (bits: number, rounds: number) =>
    squaredError(binaryCode(weight, bcq({ bits, rounds })).dequantize(), weight.data);
  for (const bits of [2, 3, 4]) {
    for (const rounds of [1, 5, 30]) assertLessOrEqual(error(bits, rounds), error(bits, 0));
    assertLessOrEqual(error(bits, 30), error(bits - 1, 30));
  }
});

Deno.test("signs are nearest: no other level of the group is closer", () => {
  fc.assert(fc.property(
    fc.integer({ min: 2, max: 5 }),
    fc.integer({ min: 1, max: 8 }),
    fc.integer(),
    (bits, rounds, seed) => {
      const weight = noise(2, 40, seed);
      const coded = binaryCode(weight, bcq({ bits, rounds, groupSize: 20 }));
      const values = coded.dequantize();
      for (let i = 0; i < 80; i++) {
        const alphas = coded.alphas.subarray(Math.floor(i / 20) * bits);
        let least = Infinity, sum = 0;
        for (let pattern = 0; pattern < 2 ** bits; pattern++) {
          let level = 0;
          for (let plane = 0; plane < bits; plane++) level += (pattern >> plane & 1 ? 1 : -1) * alphas[plane];
          least = Math.min(least, Math.abs(level - weight.data[i]));
        }
        for (let plane = 0; plane < bits; plane++) sum += alphas[plane];
        // Levels and midpoints are float32 sums of `bits` scales.
        assertLessOrEqual(Math.abs(values[i] - weight.data[i]), least + 2 * (bits + 1) * unit * sum);
      }
    },
  ));
});

Deno.test("packed planes hold the patterns, at one bit per weight and plane", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 5 }),
    fc.integer({ min: 1, max: 300 }),
    fc.integer({ min: 1, max: 8 }),
    (rows, columns, bits) => {
      const patterns = crypto.getRandomValues(new Uint8Array(rows * columns)).map((p) => p & (2 ** bits - 1));
      const alphas = new Float32Array(rows * bits).fill(1);
      const weight = new BcqWeight({ shape: [rows, columns], bits, groupSize: columns, patterns, alphas });
      assertEquals(weight.patterns(), patterns);
      assertEquals(weight.byteLength, rows * bits * (Math.ceil(columns / 8) + 4));
    },
  ));
  assertEquals(
    bitsPerWeight(binaryCode(noise(4, 256, 1), bcq({ bits: 3, groupSize: 128 }))),
    3 + 3 * 32 / 128,
  );
});

Deno.test("a model whose planes are round to nearest's: fit nearest on a device, without a search", async () => {
  using model = await loadModel("fixture:llama");
  const scheme = bcq({ bits: 3, groupSize: 64, fit: "nearest", roles: ["q"] });
  using quantized = await quantize(model, { weights: scheme });
  using searched = await quantize(model, {
    weights: bcq({ bits: 3, groupSize: 64, rounds: 2, roles: ["q"] }),
  });
  const { shape: [rows, columns] } = model.linear(0, "q"), data = await model.linear(0, "q").values();
  const expected = binaryCode({ rows, columns, data }, scheme).dequantize();
  const isExpected = (one: typeof quantized) =>
    storedWeight(one, 0, "q")?.dequantize().every((value, i) => value === expected[i]);
  assertEquals([isExpected(quantized), isExpected(searched)], [true, false]);
  // And these are round to nearest's, up to the rounding of sums, which the test above bounds.
  const nearest = quantizeRows({ rows, columns, data }, rtn({ bits: 3, groupSize: 64 })).dequantize();
  for (const [i, value] of nearest.entries()) assertAlmostEquals(expected[i], value, 1e-6);
});

Deno.test("a model keeps the layers of other roles as they are", async () => {
  using model = await loadModel("fixture:llama");
  using quantized = await quantize(model, { weights: bcq({ bits: 2, rounds: 1, roles: ["q", "down"] }) });
  assertEquals(storedWeight(quantized, 0, "up"), undefined);
  assert(quantized.linear(0, "up") === model.linear(0, "up"));
  assertEquals(storedWeight(quantized, 3, "down")?.dequantize(), await quantized.linear(3, "down").values());
  assert(weightStorage(quantized).bitsPerWeight > 8);
});

Deno.test("options are checked", () => {
  assertThrows(() => bcq({ bits: 9 }), SchemeError, "bits is 9: expected an integer from 1 to 8");
  assertThrows(() => bcq({ bits: 3, rounds: -1 }), SchemeError, "rounds is -1");
  assertThrows(() => bcq({ bits: 3, round: 3 } as BcqOptions), SchemeError, 'no option "round"');
  assertThrows(
    () => bcq({ bits: 3, roles: ["fc1"] } as unknown as BcqOptions),
    SchemeError,
    'roles[0] is "fc1"',
  );
  assertThrows(() => bcq({ bits: 1, fit: "nearest" }), SchemeError, 'with fit "nearest"');
  assertThrows(
    () => binaryCode(noise(1, 10, 1), bcq({ bits: 2, groupSize: 4 })),
    SchemeError,
    "does not divide 10",
  );
});
