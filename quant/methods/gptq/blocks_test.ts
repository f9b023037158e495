/** GPTQ onto blocks of floats against the paper's loop in plain float64, and where the result is known. */
import { assertEquals, assertLess, assertThrows } from "@std/assert";
import { referenceDevice } from "../../../kernels/reference.ts";
import { onDevice, onHost } from "../../compensation/steps.ts";
import { SchemeError } from "../../error.ts";
import { type BlockQuantizer, type BlockRule, blockValue } from "../../grids/blocks.ts";
import type { Matrix } from "../../method.ts";
import { parseScheme } from "../../scheme.ts";
import { tableWeight } from "../../weights/table.ts";
import { gptq } from "../gptq.ts";
import { mx } from "../mx.ts";
import { nvfp4 } from "../nvfp4.ts";
import { rtn } from "../rtn.ts";
import { blockGridRule, gptqBlockSteps } from "./blocks.ts";

/** A repeatable sequence of numbers in [-1, 1). */
function noise(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from(
    { length: count },
    () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 31 - 1,
  );
}

/** `X^T X` of random inputs whose channels have very different sizes. */
function randomHessian(columns: number, tokens: number, seed: number): Float64Array {
  const x = noise(tokens * columns, seed).map((value, i) => value * (1 + (i % columns) % 7));
  const hessian = new Float64Array(columns * columns);
  for (let t = 0; t < tokens; t++) {
    for (let j = 0; j < columns; j++) {
      for (let k = 0; k < columns; k++) hessian[j * columns + k] += x[t * columns + j] * x[t * columns + k];
    }
  }
  return hessian;
}

/** `trace((W - W^) H (W - W^)^T)`, the layer's squared output error. */
function layerError(weight: Matrix, quantized: Float32Array, hessian: Float64Array): number {
  const { rows, columns, data } = weight;
  let error = 0;
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < columns; j++) {
      for (let k = 0; k < columns; k++) {
        const a = data[row * columns + j] - quantized[row * columns + j];
        const b = data[row * columns + k] - quantized[row * columns + k];
        error += a * b * hessian[j * columns + k];
      }
    }
  }
  return error;
}

/** Algorithm 1 without lazy blocks: the inverse Hessian is eliminated column by column, in float64. */
function plainGptq(
  weight: { rows: number; columns: number; data: Float32Array },
  hessian: Float64Array,
  rule: BlockRule,
) {
  const { rows, columns: n } = weight, width = Math.min(rule.block[1], n);
  // The inverse by Gauss-Jordan elimination.
  const a = hessian.slice(), inverse = new Float64Array(n * n);
  for (let i = 0; i < n; i++) inverse[i * n + i] = 1;
  for (let p = 0; p < n; p++) {
    const pivot = a[p * n + p];
    for (let j = 0; j < n; j++) {
      [a[p * n + j], inverse[p * n + j]] = [a[p * n + j] / pivot, inverse[p * n + j] / pivot];
    }
    for (let i = 0; i < n; i++) {
      const factor = i === p ? 0 : a[i * n + p];
      if (factor === 0) continue;
      for (let j = 0; j < n; j++) {
        a[i * n + j] -= factor * a[p * n + j];
        inverse[i * n + j] -= factor * inverse[p * n + j];
      }
    }
  }
  const w = Float64Array.from(weight.data), result = new Float32Array(w.length);
  let quantizers: BlockQuantizer[] = [];
  for (let j = 0; j < n; j++) {
    if (j % width === 0) {
      quantizers = Array.from(
        { length: rows },
        (_, row) => rule.fit(Float32Array.from(w.slice(row * n + j, row * n + Math.min(j + width, n)))),
      );
    }
    for (let row = 0; row < rows; row++) {
      const code = quantizers[row].encode(w[row * n + j]);
      const value = result[row * n + j] = blockValue(rule, quantizers[row], code);
      const error = (w[row * n + j] - value) / inverse[j * n + j];
      for (let k = j; k < n; k++) w[row * n + k] -= error * inverse[j * n + k];
    }
    // The columns that are left: row and column j leave the inverse (Schur complement).
    const pivot = inverse[j * n + j];
    for (let i = j + 1; i < n; i++) {
      for (let k = j + 1; k < n; k++) inverse[i * n + k] -= inverse[i * n + j] * inverse[j * n + k] / pivot;
    }
  }
  return result;
}

const grids = {
  mxfp4: mx({ element: "e2m1" }),
  nvfp4: nvfp4(),
  mxfp6: mx({ element: "e2m3", scaleRule: "even" }),
  six: nvfp4({ target: "mse" }),
};

Deno.test("block grids: an identity Hessian, or one block of a diagonal one, gives the format itself", () => {
  const weight = { rows: 5, columns: 72, data: noise(5 * 72, 1) };
  const diagonal = new Float64Array(72 * 72);
  for (let j = 0; j < 72; j++) diagonal[j * 73] = 1 + j % 3;
  for (const grid of Object.values(grids)) {
    const rule = blockGridRule(grid, weight), nearest = tableWeight(weight, rule);
    for (
      const options of [{}, { staticGroups: true }, { staticGroups: true, actOrder: true }, {
        groupStatistics: "block-start" as const,
      }]
    ) {
      const ours =
        onHost(gptqBlockSteps(weight, diagonal, gptq({ grid, percdamp: 0, ...options }), rule)).weight;
      assertEquals(ours.codes(), nearest.codes());
      assertEquals(ours.scales, nearest.scales);
    }
  }
});

Deno.test("block grids: the paper's loop, column by column, on the host and on a device; less error than rounding", async () => {
  const weight = { rows: 6, columns: 160, data: noise(6 * 160, 3) }, hessian = randomHessian(160, 400, 9);
  using device = referenceDevice();
  for (const [name, grid] of Object.entries(grids)) {
    const rule = blockGridRule(grid, weight), scheme = gptq({ grid, percdamp: 0 });
    const { weight: ours } = onHost(gptqBlockSteps(weight, hessian, scheme, rule));
    const values = ours.dequantize(), expected = plainGptq(weight, hessian, rule);
    // Two orders of float64 sums: a value on the edge between two numbers would differ.
    assertEquals(values, expected, name);
    const onTheDevice = await onDevice(device, gptqBlockSteps(weight, hessian, scheme, rule));
    assertEquals(onTheDevice.weight.dequantize(), values, name);
    const rounded = tableWeight(weight, rule).dequantize();
    assertLess(layerError(weight, values, hessian), layerError(weight, rounded, hessian), name);
  }
});

Deno.test("block grids: one scheme, read back from JSON; options of integers beside it are refused", () => {
  const scheme = gptq({ grid: nvfp4({ target: "mse" }), trueSequential: true });
  assertEquals(scheme.bits, 4);
  assertEquals(parseScheme(JSON.parse(JSON.stringify({ weights: scheme }))), { weights: scheme });
  assertEquals(gptq({ grid: mx({ element: "e2m3" }) }).bits, 6);
  assertThrows(() => gptq({ grid: nvfp4(), bits: 3 }), SchemeError, "bits is 3: expected 4, as grid has");
  assertThrows(
    () => gptq({ grid: nvfp4(), groupSize: 32 }),
    SchemeError,
    "groupSize is 32: expected none beside grid",
  );
  assertThrows(
    () => gptq({ grid: nvfp4(), actOrder: true }),
    SchemeError,
    "expected true with actOrder and grid",
  );
  assertThrows(
    () => gptq({ grid: nvfp4({ tensorScale: "calibrated" }) }),
    SchemeError,
    "its tensorScale not calibrated",
  );
  // @ts-expect-error: integers are no blocks of floats
  assertThrows(() => gptq({ grid: rtn({ bits: 4 }) }), SchemeError, "expected a scheme of mx or nvfp4");
});
