import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertLessOrEqual,
  assertThrows,
} from "@std/assert";
import vectors from "../../fixtures/expected/methods2/sparse-obq/obq.json" with { type: "json" };
import { Random } from "../../kernels/conformance/suite.ts";
import { loadModel } from "../../model/load.ts";
import type { Matrix } from "../method.ts";
import { quantize } from "../quantize.ts";
import { storedWeight } from "../weights/linear.ts";
import { UniformWeight } from "../weights/uniform.ts";
import { gptq, quantizeWithHessian } from "./gptq.ts";
import { obq, obqWithHessian } from "./obq.ts";
import { obs, obsWithHessian } from "./obs.ts";
import { quantizeRows, rtn } from "./rtn.ts";

function matrixOf(rows: number[][]): Matrix {
  return { rows: rows.length, columns: rows[0].length, data: Float32Array.from(rows.flat()) };
}

/** Half of `tr(D H D^T)`. */
function lossOf(
  values: ArrayLike<number>,
  { rows, columns, data }: Matrix,
  hessian: ArrayLike<number>,
): number {
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < columns; i++) {
      const one = values[row * columns + i] - data[row * columns + i];
      for (let j = 0; j < columns; j++) {
        sum += one * hessian[i * columns + j] * (values[row * columns + j] - data[row * columns + j]) / 2;
      }
    }
  }
  return sum;
}

Deno.test("OBQ: codes, scales and losses are the original class's", () => {
  for (const { case: name, input: { W, H, bits, sym, mse, relDamp }, output } of vectors.obq) {
    // Float64 takes another code at a near tie, as the README of the group says; the loss stays the same to 1e-3.
    const scheme = obq({ bits, symmetric: sym, search: mse ? "mse" : "none", percdamp: relDamp });
    const got = obqWithHessian(matrixOf(W), Float64Array.from(H.flat()), scheme),
      values = got.weight.dequantize();
    for (const [row, scale] of output.scale.entries()) {
      assertAlmostEquals(got.weight.scales[row], scale, 2 ** -22 * scale, name);
      assertAlmostEquals(got.weight.zeros()[row], output.zero[row], 0, name);
    }
    const differing = values.filter((value, i) => Math.abs(value - output.W.flat()[i]) > 1e-5).length;
    assertLessOrEqual(differing, name === "4 bit" ? 2 : 0, name);
    assertAlmostEquals(got.loss, output.loss, 2e-3 * Math.max(1, output.loss), name);
  }
});

Deno.test("OBS: patterns and shares are the original class's, with what the others make up for", () => {
  for (const { case: name, input: { W, H, n, m, relDamp }, output } of vectors["obs.nm"]) {
    const scheme = obs({ pattern: `${m - n}:${m}`, percdamp: relDamp ?? 0 });
    const got = obsWithHessian(matrixOf(W), Float64Array.from(H.flat()), scheme);
    for (const [i, value] of got.weight.dequantize().entries()) {
      assertAlmostEquals(value, output.W.flat()[i], 1e-6, name);
    }
    assertAlmostEquals(got.loss, output.loss, 1e-5 * Math.max(1, output.loss), name);
  }
  for (const { case: name, input: { W, H, sparsities }, output } of vectors["obs.unstructured"]) {
    for (const [k, sparsity] of sparsities.entries()) {
      const got = obsWithHessian(matrixOf(W), Float64Array.from(H.flat()), obs({ sparsity }));
      const what = `${name}, ${sparsity}`;
      for (const [i, value] of got.weight.dequantize().entries()) {
        assertAlmostEquals(value, output.W[k].flat()[i], 2e-6, what);
      }
      assertAlmostEquals(got.loss, output.loss[k], 1e-5 * Math.max(1, output.loss[k]), what);
    }
  }
});

const random = new Random(6), rows = 8, columns = 24;
const weight: Matrix = { rows, columns, data: random.normal(rows * columns) };
const inputs = random.normal(3 * columns * columns), hessian = new Float64Array(columns * columns);
for (let t = 0; t < inputs.length; t += columns) {
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j < columns; j++) hessian[i * columns + j] += inputs[t + i] * inputs[t + j];
  }
}

Deno.test("OBQ in the natural order is GPTQ; the greedy order costs less here, and both less than nearest", () => {
  const plain = { bits: 3, symmetric: false, search: "none" } as const;
  const natural = obqWithHessian(weight, hessian, obq({ ...plain, order: "natural" }));
  const columnwise = quantizeWithHessian(weight, hessian, gptq({ bits: 3, percdamp: 0 })).weight;
  assertEquals(natural.weight.codes(), columnwise.codes());
  const greedy = obqWithHessian(weight, hessian, obq(plain));
  assertEquals(greedy.order.toSorted((a, b) => a - b), Array.from({ length: columns }, (_, j) => j));
  // What is printed as the loss is the loss.
  assertAlmostEquals(greedy.loss, lossOf(greedy.weight.dequantize(), weight, hessian), 1e-4 * greedy.loss);
  assertLess(greedy.loss, natural.loss);
  assertLess(natural.loss, lossOf(quantizeRows(weight, rtn({ bits: 3 })).dequantize(), weight, hessian));
});

Deno.test("with an identity for a Hessian nothing is made up for: OBQ is nearest, OBS magnitude", () => {
  const identity = Float64Array.from(
    { length: columns * columns },
    (_, i) => i % (columns + 1) === 0 ? 2 : 0,
  );
  const got = obqWithHessian(weight, identity, obq({ bits: 4, symmetric: false, search: "none" })).weight;
  assertEquals(got.codes(), quantizeRows(weight, rtn({ bits: 4 })).codes());
  const pruned = obsWithHessian(weight, identity, obs({ pattern: "2:4" })).weight.dequantize();
  for (let i = 0; i < pruned.length; i += 4) {
    const sizes = Array.from(weight.data.subarray(i, i + 4), Math.abs).sort((a, b) => b - a);
    for (let j = i; j < i + 4; j++) {
      assertEquals(pruned[j], Math.abs(weight.data[j]) >= sizes[1] ? weight.data[j] : 0);
    }
  }
});

Deno.test("shares of 0 and 1, a pattern that keeps all, one column, zeros that stay zero", () => {
  assertEquals(obsWithHessian(weight, hessian, obs({ sparsity: 0 })).weight.dequantize(), weight.data);
  assertEquals(obsWithHessian(weight, hessian, obs({ pattern: "4:4" })).weight.dequantize(), weight.data);
  const all = obsWithHessian(weight, hessian, obs({ sparsity: 1 }));
  assert(all.weight.dequantize().every((value) => value === 0));
  assertAlmostEquals(all.loss, lossOf(new Float32Array(rows * columns), weight, hessian), 1e-6 * all.loss);
  const half = obsWithHessian(weight, hessian, obs({ sparsity: 0.5 }));
  assertEquals(half.weight.dequantize().filter((value) => value === 0).length, rows * columns / 2);
  assertAlmostEquals(half.loss, lossOf(half.weight.dequantize(), weight, hessian), 1e-5 * half.loss);
  const sparse: Matrix = { rows, columns, data: half.weight.dequantize() };
  const rounded = obqWithHessian(sparse, hessian, obq({ bits: 4 })).weight.dequantize();
  for (const [i, value] of sparse.data.entries()) if (value === 0) assertEquals(rounded[i], 0);
  assertThrows(
    () => obsWithHessian({ ...weight, columns: 24 }, hessian, obs({ pattern: "2:5" })),
    Error,
    "2:5 does not divide 24",
  );
});

Deno.test("a pattern by the surgeon, then codes in its order, on a model: zeros stay", async () => {
  const ids = Int32Array.from({ length: 64 }, (_, i) => (i * 53 + 7) % 700);
  using model = await loadModel("fixture:llama");
  const only = { layers: [0], linears: ["k"] as const };
  const both = [{
    ...only,
    sparsity: obs({ pattern: "2:4", percdamp: 0.01 }),
    weights: obq({ bits: 4, percdamp: 0.01 }),
  }];
  using quantized = await quantize(model, { overrides: both }, { calibration: [ids] });
  const stored = storedWeight(quantized, 0, "k");
  assert(stored instanceof UniformWeight);
  const codes = stored.codes(), zeros = stored.zeros(), [rows, columns] = stored.shape;
  for (let i = 0; i < rows * columns; i += 4) {
    const zero = zeros[Math.floor(i / columns)];
    assert(codes.subarray(i, i + 4).filter((code) => code === zero).length >= 2, `${i}`);
  }
});
