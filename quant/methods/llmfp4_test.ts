import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLessOrEqual,
  assertRejects,
  assertThrows,
} from "@std/assert";
import vectors from "../../fixtures/expected/methods2/formats/llmfp4.json" with { type: "json" };
import { oracleWindows } from "../../eval/oracle.ts";
import { defaultDevice } from "../../kernels/default.ts";
import { loadModel } from "../../model/load.ts";
import { SchemeError } from "../error.ts";
import type { Matrix } from "../method.ts";
import { quantize } from "../quantize.ts";
import { storedWeight } from "../weights/linear.ts";
import { llmFp4, type LlmFp4Options, searchRuleOf } from "./llmfp4.ts";
import {
  biasOf,
  bitsOf,
  floatWeight,
  gridOf,
  roundColumns,
  roundRun,
  shapesOf,
  shiftedBiases,
} from "./llmfp4/format.ts";
import { appliedShape, type LinearFit, rowMaxima, searchLinear, searchRows } from "./llmfp4/search.ts";
import { WideFloatWeight } from "./llmfp4/wide.ts";
import { quantizeRows, rtn } from "./rtn.ts";

const device = await defaultDevice();
const floats = (bits: readonly number[]) => new Float32Array(new Uint32Array(bits).buffer);
const shapeNamed = (name: string) => {
  const [, exponent, mantissa] = (/E(\d)M(\d)/.exec(name) ?? []).map(Number);
  return { exponent, mantissa, past: true };
};

/**
 * The original takes `2^(e - M - b)` in float32: the difference in the exponent, of magnitude below 64, is off by 2^-19, and the power by as
 * much times ln 2.
 */
const relative = 2 ** -18;

function assertClose(ours: Float32Array, expected: Float32Array, what: string): void {
  for (const [i, value] of expected.entries()) {
    assertAlmostEquals(ours[i], value, relative * Math.abs(value), `${what} [${i}]`);
  }
}

Deno.test("values are rounded as the original code rounds them, at default biases and at those of a largest magnitude", () => {
  for (const [name, { biasBits, maxBits, xBits, yBits }] of Object.entries(vectors.quantise)) {
    const shape = shapeNamed(name), [bias] = floats(biasBits), [most] = floats(maxBits), x = floats(xBits);
    const grid = gridOf(shape), ours = new Float32Array(x.length);
    roundRun(x, 0, x.length, ours, 0, grid, bias);
    const expected = floats(yBits);
    for (const [i, value] of expected.entries()) {
      if (Math.abs(ours[i] - value) <= relative * Math.abs(value)) continue;
      // At a tie up to such errors either neighbour will do: both are as far away.
      const apart = Math.abs(ours[i] - x[i]) - Math.abs(value - x[i]);
      assertLessOrEqual(Math.abs(apart), relative * Math.abs(x[i]), `${name} [${i}]: ${ours[i]} of ${x[i]}`);
    }
    const paper = { ...shape, past: false }, largest = gridOf(paper).values[2 ** (bitsOf(paper) - 1) - 1];
    assertAlmostEquals(largest * grid.scale(bias), most, relative * most);
    if (name.endsWith("absmax5")) assertAlmostEquals(biasOf(5, paper), bias, 2 ** -20);
    // What is on the grid stays where it is.
    const again = new Float32Array(x.length);
    roundRun(ours, 0, x.length, again, 0, grid, bias);
    assertEquals(again, ours);
  }
});

Deno.test("channels are an integer away from the bias of the tensor, as in the original code", () => {
  const { xBits, shape: [rows, columns], ...cases } = vectors.preShifted;
  const matrix: Matrix = { rows, columns, data: floats(xBits as number[]) };
  for (const [name, one] of Object.entries(cases)) {
    const { channelBiasBits, tensorBiasBits, rescaledBiasBits, yBits } = one as Record<string, number[]>;
    const shape = { ...shapeNamed(name), past: false }, [rho] = floats(tensorBiasBits);
    const biases = shiftedBiases(floats(channelBiasBits), rho, shape);
    assertEquals(biases, floats(rescaledBiasBits), name);
    for (const bias of biases) {
      const offset = bias - rho;
      assertAlmostEquals(offset, Math.round(offset), 1e-5);
      assert(Math.round(offset) >= 0 && Math.round(offset) < 2 ** shape.exponent);
    }
    const ours = new Float32Array(matrix.data.length);
    roundColumns(matrix, shape, biases, ours);
    assertClose(ours, floats(yBits), name);
  }
});

interface SearchCase {
  readonly wFormat: readonly number[];
  readonly aFormat: readonly number[];
  readonly wBiasBits: readonly number[];
  readonly aTensorBiasBits: readonly number[];
  readonly weightBits: readonly number[];
  readonly mse: number | string;
  readonly xBits?: readonly number[];
  readonly wBits?: readonly number[];
}

const { xBits, xShape, wBits, wShape, cases } = vectors.search;

async function searched(name: string, one: SearchCase): Promise<{ fit: LinearFit; weight: Matrix }> {
  const [, kind, w, a] = /^(fpq|base|minmax)\.w(\d)a(\d)/.exec(name) ?? [];
  const columns = wShape[1], data = floats(one.xBits ?? xBits);
  const weight = { rows: wShape[0], columns, data: floats(one.wBits ?? wBits) };
  const rule = searchRuleOf(llmFp4({
    bits: Number(w),
    activationBits: Number(a),
    search: kind === "fpq" ? "channel" : kind === "base" ? "tensor" : "none",
    rounds: name.endsWith("round3") ? 3 : 1,
    arithmetic: "original",
  }));
  assertEquals(xShape.at(-1), columns);
  return {
    fit: await searchLinear(device, weight, { rows: data.length / columns, columns, data }, rule),
    weight,
  };
}

Deno.test("searches end where the original code's end: formats, biases, weights, error", async () => {
  let compared = 0;
  for (const [name, one] of Object.entries(cases as Record<string, SearchCase>)) {
    if (typeof one.mse !== "number") continue;
    const { fit, weight } = await searched(name, one);
    assertEquals([fit.weight.shape.exponent, fit.weight.shape.mantissa], one.wFormat, name);
    assertEquals([fit.input.shape.exponent, fit.input.shape.mantissa], one.aFormat, name);
    assertClose(fit.weight.biases, floats(one.wBiasBits), `${name} biases`);
    assertClose(Float32Array.of(fit.input.rho), floats(one.aTensorBiasBits), `${name} rho`);
    assertClose(
      new WideFloatWeight(weight, fit.weight.shape, fit.weight.biases).dequantize(),
      floats(one.weightBits),
      name,
    );
    // A mean of float32 squares against one in float64, of outputs that each are sums of 16 products.
    assertAlmostEquals(fit.error, one.mse, 1e-4 * one.mse, name);
    compared++;
  }
  assertEquals(compared, 12);
});

Deno.test("a row of zeros, on which the original's search is lost, does not touch the other rows", async () => {
  const { fit, weight } = await searched(
    "fpq.w4a4.zeroWeightRow",
    cases["fpq.w4a4.zeroWeightRow"] as SearchCase,
  );
  assert(Number.isFinite(fit.error));
  const values = new WideFloatWeight(weight, fit.weight.shape, fit.weight.biases).dequantize();
  assert(values.every(Number.isFinite));
  for (const [row, most] of rowMaxima(weight).entries()) {
    const part = values.subarray(row * weight.columns, (row + 1) * weight.columns);
    assertEquals(part.every((x) => x === 0), most === 0);
  }
});

Deno.test("an embedding's rows have biases, and all of it a format, by its own error", () => {
  for (
    const [name, { xBits, shape: [rows, columns], format, biasBits, yBits }] of Object.entries(
      vectors.embedding,
    )
  ) {
    const [, kind, bits, zero] = /^(\w+)\.e(\d)(\.zeroRow)?/.exec(name) ?? [];
    if (zero !== undefined) continue;
    const table = { rows, columns, data: floats(xBits) }, most = Math.max(...rowMaxima(table));
    const [exponent, mantissa] = format, given = { exponent, mantissa, past: true };
    const { shape, biases } = kind === "minmax"
      ? { shape: given, biases: new Float32Array(rows).fill(biasOf(most, given)) }
      : searchRows(table, Number(bits), searchRuleOf(llmFp4()).factors);
    const applied = kind === "minmax" ? shape : appliedShape(shape, Number(bits));
    assertEquals([applied.exponent, applied.mantissa], format, name);
    assertClose(biases.subarray(0, biasBits.length), floats(biasBits), name);
    const ours = new Float32Array(table.data.length);
    for (let row = 0; row < rows; row++) {
      roundRun(table.data, row * columns, columns, ours, row * columns, gridOf(applied), biases[row]);
    }
    assertClose(ours, floats(yBits), name);
  }
});

const random = (count: number, seed: number) => {
  let state = seed;
  return Float32Array.from(
    { length: count },
    () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 31 - 1,
  );
};

Deno.test("of 4 bits the original code's formats have 17 values, and 15 as the paper has them", () => {
  const x = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 400),
    ours = new Float32Array(x.length);
  for (const [exponent, mantissa] of [[2, 1], [1, 2]]) {
    for (const [past, count] of [[true, 17], [false, 15]] as const) {
      const shape = { exponent, mantissa, past };
      roundRun(x, 0, x.length, ours, 0, gridOf(shape), biasOf(5, shape));
      assertEquals(new Set(ours.map((value) => value + 0)).size, count);
      assertEquals(bitsOf(shape), past ? 5 : 4);
      assertAlmostEquals(Math.max(...ours), 5, relative * 5);
    }
  }
});

Deno.test("E1M2 is symmetric INT4 with 15 levels, E1M6 symmetric INT8 with 255", () => {
  for (const bits of [4, 8]) {
    const shape = { exponent: 1, mantissa: bits - 2 };
    const weight = { rows: 16, columns: 64, data: random(1024, 7) };
    const ours = floatWeight(weight, shape, rowMaxima(weight).map((most) => biasOf(most, shape)))
      .dequantize();
    const integers = quantizeRows(weight, rtn({ bits, symmetric: true, codes: "narrow" })).dequantize();
    // Steps differ in their last bits, and a value at a tie may then go the other way.
    const step = 1 / (2 ** (bits - 1) - 1);
    let far = 0;
    for (const [i, value] of integers.entries()) {
      const off = Math.abs(ours[i] - value);
      if (off > 2 ** -18) {
        assertLessOrEqual(off, 1.001 * step);
        far++;
      }
    }
    assertLessOrEqual(far, 1, `${far} of ${integers.length} codes of ${bits} bits differ`);
  }
});

Deno.test("2^k times a row takes its bias down by k and its codes with it; the smallest error is found of all candidates", async () => {
  const weight = { rows: 4, columns: 32, data: random(128, 3) },
    larger = { ...weight, data: weight.data.map((x) => 8 * x) };
  for (const shape of shapesOf(4)) {
    const biases = rowMaxima(weight).map((most) => biasOf(most, shape));
    const one = floatWeight(weight, shape, biases),
      other = floatWeight(larger, shape, biases.map((b) => b - 3));
    assertEquals(other.codes(), one.codes());
  }
  // With one factor there is one candidate: the bias that covers the largest magnitude, times the factor.
  const x = { rows: 40, columns: 32, data: random(1280, 5) };
  const rule = (options: LlmFp4Options) =>
    searchRuleOf(llmFp4({ activationBits: 8, rounds: 1, search: "tensor", ...options }));
  const all = await searchLinear(device, weight, x, rule({ steps: 8, from: 0.8, to: 1.2 }));
  for (let i = 0; i < 8; i++) {
    const from = 0.8 + i * 0.05;
    for (const { exponent, mantissa } of shapesOf(4)) {
      const biases = rowMaxima(weight).map((most) =>
        Math.fround(from) * biasOf(most, { exponent, mantissa })
      );
      const error = (fit: { shape: { exponent: number; mantissa: number }; biases: Float32Array }) => {
        const rounded = floatWeight(weight, fit.shape, fit.biases).dequantize(),
          input = new Float32Array(x.data.length);
        const start = searchRuleOf(llmFp4({ activationBits: 8, search: "tensor" })).activationStart;
        const most = rowMaxima({ rows: 1, columns: x.data.length, data: x.data })[0];
        roundRun(x.data, 0, x.data.length, input, 0, gridOf(start), biasOf(most, start));
        let sum = 0;
        for (let t = 0; t < x.rows; t++) {
          for (let row = 0; row < weight.rows; row++) {
            let off = 0;
            for (let j = 0; j < 32; j++) {
              off += input[t * 32 + j] * rounded[row * 32 + j] -
                x.data[t * 32 + j] * weight.data[row * 32 + j];
            }
            sum += off * off;
          }
        }
        return sum;
      };
      // Float32 sums of 32 products decide between candidates.
      assertLessOrEqual(error(all.weight), error({ shape: { exponent, mantissa }, biases }) * (1 + 1e-5));
    }
  }
});

Deno.test("a model: bits are measured, the search beats what only covers, both ends may take part", async () => {
  using model = await loadModel("fixture:llama-outlier");
  const [ids] = await oracleWindows("calib"), calibration = [ids.slice(0, 16)];
  const own = { rounds: 1, steps: 4, from: 0.8, to: 1.2 };
  using searched = await quantize(model, { linears: llmFp4({ ...own, embeddingBits: 4 }) }, { calibration });
  using covering = await quantize(model, { linears: llmFp4({ search: "none" }) }, { calibration });
  const stored = storedWeight(searched, 0, "q");
  assert(stored !== undefined);
  const [out, inputs] = stored.shape;
  assertEquals(stored.byteLength, out * inputs / 2 + 4 * out);
  const reference = await model.logits(ids.slice(0, 24));
  const distance = async (other: typeof model) =>
    (await other.logits(ids.slice(0, 24))).reduce((sum, x, i) => sum + (x - reference[i]) ** 2, 0);
  assert(await distance(searched) < await distance(covering));
  assert(searched.head.stored !== undefined && searched.embedding.stored !== undefined);
  assert(covering.embedding.stored === undefined);
});

Deno.test("what does not fit is refused", async () => {
  assertThrows(() => llmFp4({ bits: 2 }), SchemeError, "bits is 2: expected an integer from 3 to 8");
  assertThrows(
    () => llmFp4({ exponentBits: 4 }),
    SchemeError,
    "exponentBits is 4: expected at most 3, beside a sign",
  );
  assertThrows(() => llmFp4({ from: 1.2 }), SchemeError, "from is 1.2: expected less than to");
  assertThrows(() => llmFp4({ search: "row" } as unknown as LlmFp4Options), SchemeError, "search is");
  assertEquals(
    llmFp4(JSON.parse(JSON.stringify(llmFp4({ embeddingBits: 4 })))),
    llmFp4({ embeddingBits: 4 }),
  );
  using model = await loadModel("fixture:llama");
  await assertRejects(
    () => quantize(model, { linears: llmFp4() }),
    SchemeError,
    "llmFp4 needs calibration windows",
  );
});
