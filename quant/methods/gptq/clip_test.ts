import { assertAlmostEquals, assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import vectors from "../../../fixtures/expected/methods2/rotation-w4a8/w4a8.json" with { type: "json" };
import { decode, encode, fitRange } from "../../grids/uniform.ts";
import { SchemeError } from "../../error.ts";
import { gptq, quantizeWithHessian } from "../gptq.ts";
import { fitCompensated } from "./clip.ts";

/** Inverse of an upper triangular matrix, row-major. */
function inverse(upper: readonly (readonly number[])[]): Float64Array {
  const n = upper.length, result = new Float64Array(n * n);
  for (let column = 0; column < n; column++) {
    for (let i = n - 1; i >= 0; i--) {
      let sum = i === column ? 1 : 0;
      for (let k = i + 1; k < n; k++) sum -= upper[i][k] * result[k * n + column];
      result[i * n + column] = sum / upper[i][i];
    }
  }
  return result;
}

Deno.test("clipped ranges are those of the original code", () => {
  const { W, U, cases } = vectors.marlin.quantizer, rows = W.length, columns = W[0].length;
  const values = Float64Array.from({ length: rows * columns }, (_, i) => W[i % rows][Math.floor(i / rows)]);
  let clipped = 0;
  for (const { bits, symmetric, solve, scale, zero, y } of cases) {
    const rule = { bits, mode: symmetric ? "offsetBinary" : "asymmetric", zeroInRange: true } as const;
    const factor = solve === null
      ? null
      : inverse(solve === "U" ? U : U.map((_, i) => U.map((_, j) => i === j ? 1 : 0)));
    const found = factor !== null
      ? fitCompensated(values, { factor, columns, rows }, 0, rule)
      : W.map((row) => fitRange(Float32Array.from(row), 0, columns, rule));
    for (const [row, quantizer] of found.entries()) {
      const what = `${bits} bits, symmetric ${symmetric}, row ${row}`;
      assertEquals(quantizer.zero, zero[row] + 0, what);
      assertAlmostEquals(quantizer.scale, scale[row], 2 ** -23 * scale[row], what);
      for (const [j, value] of W[row].entries()) {
        const rounded = decode(encode(Math.fround(value), quantizer), quantizer);
        assertAlmostEquals(rounded, y[row][j], 2 ** -22 * Math.abs(rounded), what);
      }
      const plain = fitRange(Float32Array.from(W[row]), 0, columns, rule);
      if (quantizer.scale < plain.scale) clipped++;
    }
  }
  assertLessOrEqual(5, clipped);
});

Deno.test("with inputs that are not correlated the search is that of the least squared error; it is refused where groups lie apart", () => {
  const rows = 4, columns = 32;
  const data = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(7 * i) ** 5);
  const hessian = new Float64Array(columns * columns);
  for (let j = 0; j < columns; j++) hessian[j * (columns + 1)] = 3;
  const common = { bits: 4, symmetric: true, codes: "offsetBinary", groupSize: 16 } as const;
  const found =
    quantizeWithHessian({ rows, columns, data }, hessian, gptq({ ...common, search: "compensated" })).weight;
  const rule = { bits: 4, mode: "offsetBinary", zeroInRange: true } as const;
  for (let group = 0; group < rows * columns / 16; group++) {
    const part = data.subarray(group * 16, (group + 1) * 16);
    const errorOf = (scale: number) =>
      part.reduce((sum, w) => {
        const quantizer = { scale, zero: 8, lowest: 0, highest: 15 };
        return sum + (decode(encode(w, quantizer), quantizer) - w) ** 2;
      }, 0);
    const whole = fitRange(part, 0, 16, rule).scale;
    let least = Infinity;
    for (let i = 0; i <= 75; i++) least = Math.min(least, errorOf(Math.fround(whole * (1 - i / 100))));
    assertAlmostEquals(errorOf(found.scales[group]), least, 1e-5 * least);
  }
  assertThrows(
    () => gptq({ ...common, search: "compensated", actOrder: true, staticGroups: true }),
    SchemeError,
    "staticGroups is true",
  );
});
