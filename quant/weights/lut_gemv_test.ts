import { assert, assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import fc from "fast-check";
import { bcq, binaryCode } from "../methods/bcq.ts";
import { BcqWeight } from "./binary.ts";
import { lutGemv, signedSums } from "./lut_gemv.ts";
import { SchemeError } from "../error.ts";

const unit = 2 ** -24;

/** `y` in float64 from scales and signs, and how far float32 tables may be from it. */
function exactProduct(weight: BcqWeight, x: Float32Array): { y: number[]; bound: number[] } {
  const { shape: [rows, columns], bits, groupSize, alphas, offsets } = weight;
  const patterns = weight.patterns();
  const y: number[] = [], bound: number[] = [];
  for (let row = 0; row < rows; row++) {
    let sum = 0, size = 0, offsetSize = 0;
    for (let j = 0; j < columns; j++) {
      const group = (row * columns + j) / groupSize | 0;
      const offset = offsets === null ? 0 : offsets[group];
      let level = offset, magnitude = 0;
      for (let plane = 0; plane < bits; plane++) {
        const alpha = alphas[group * bits + plane];
        level += (patterns[row * columns + j] >> plane & 1 ? 1 : -1) * alpha;
        magnitude += Math.abs(alpha);
      }
      sum += level * x[j];
      size += magnitude * Math.abs(x[j]);
      offsetSize += Math.abs(offset * x[j]);
    }
    y.push(sum);
    // A table entry is the sum of 8 inputs rounded 9 times (once at the start, once per doubling), each time by at most
    // a unit of the sum of magnitudes. All else is float64, but for the rounding of the result.
    bound.push(9 * unit * size + unit * (Math.abs(sum) + size + offsetSize));
  }
  return { y, bound };
}

Deno.test("tables hold the signed sums of eight inputs", () => {
  const x = Float32Array.of(1, 2, 4, 8, 16, 32, 64, 128, 1, 1, 1, 1, 1, 1, 1, 1);
  const tables = new Float32Array(512);
  signedSums(x, 0, tables);
  for (let p = 0; p < 256; p++) {
    assertEquals(tables[p], 2 * p - 255);
    assertEquals(tables[256 + p], 2 * p.toString(2).replaceAll("0", "").length - 8);
  }
});

Deno.test("table look-up gives the dense product", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 7 }),
    fc.integer({ min: 1, max: 40 }),
    fc.constantFrom(1, 2, 5),
    fc.integer({ min: 1, max: 4 }),
    fc.boolean(),
    (rows, bytesPerGroup, groups, bits, withOffsets) => {
      const groupSize = 8 * bytesPerGroup, columns = groupSize * groups;
      const random = (length: number) => Float32Array.from({ length }, () => Math.random() - 0.5);
      const weight = new BcqWeight({
        ...{ shape: [rows, columns], bits, groupSize },
        patterns: Uint8Array.from({ length: rows * columns }, () => Math.random() * 2 ** bits),
        alphas: random(rows * groups * bits),
        ...withOffsets && { offsets: random(rows * groups) },
      });
      const x = random(columns);
      const { y, bound } = exactProduct(weight, x);
      for (const [row, value] of lutGemv(weight, x).entries()) {
        assertLessOrEqual(Math.abs(value - y[row]), bound[row]);
      }
    },
  ));
});

Deno.test("a fitted weight multiplies as its dequantized values do", () => {
  const data = Float32Array.from({ length: 32 * 256 }, () => Math.random() - 0.5);
  const x = Float32Array.from({ length: 256 }, () => Math.random() - 0.5);
  for (const options of [{ bits: 3, groupSize: 64 }, { bits: 4, fit: "nearest" as const }]) {
    const weight = binaryCode({ rows: 32, columns: 256, data }, bcq({ rounds: 3, ...options }));
    const { bound } = exactProduct(weight, x);
    const values = weight.dequantize(), y = lutGemv(weight, x);
    for (let row = 0; row < 32; row++) {
      let dense = 0, size = 0;
      for (let j = 0; j < 256; j++) {
        dense += values[row * 256 + j] * x[j];
        const group = Math.floor((row * 256 + j) / weight.groupSize);
        size += Math.abs(x[j]) * (Math.abs(weight.offsets?.[group] ?? 0) +
          weight.alphas.subarray(group * weight.bits, (group + 1) * weight.bits).reduce((a, b) => a + b));
      }
      // A dequantized value is a float32 sum of `bits` scales and an offset.
      assertLessOrEqual(Math.abs(y[row] - dense), bound[row] + (weight.bits + 1) * unit * size);
    }
    assert(y.some((value) => value !== 0));
  }
});

Deno.test("inputs and groups that do not fit are refused", () => {
  const data = new Float32Array(24).fill(1);
  const odd = binaryCode({ rows: 2, columns: 12, data }, bcq({ bits: 2, rounds: 0 }));
  assertThrows(
    () => lutGemv(odd, new Float32Array(12)),
    SchemeError,
    "groupSize is 12: expected a multiple of 8",
  );
  assertThrows(() => lutGemv(odd, new Float32Array(11)), SchemeError, "x has 11 values: expected 12");
});
