import { assert, assertAlmostEquals, assertEquals, assertLess, assertThrows } from "@std/assert";
import vectors from "../../fixtures/expected/methods2/mixed-lowrank-mamba/svdquant.json" with {
  type: "json",
};
import { oracleWindows } from "../../eval/oracle.ts";
import { perplexity } from "../../eval/metrics/perplexity.ts";
import { cpuDevice } from "../../kernels/cpu/device.ts";
import { Random } from "../../kernels/conformance/suite.ts";
import { linearRoles } from "../../model/architecture.ts";
import { loadModel } from "../../model/load.ts";
import { denseLinear } from "../../model/decoder/parameter.ts";
import { svd } from "../linear_algebra/svd.ts";
import type { Matrix } from "../method.ts";
import { quantize } from "../quantize.ts";
import { parseScheme, type Scheme } from "../scheme.ts";
import { weightStorage } from "../weights/linear.ts";
import { type LowRankFactors, lowRankProduct, LowRankWeight } from "../weights/low_rank.ts";
import { gptq } from "./gptq.ts";
import { nvfp4 } from "./nvfp4.ts";
import { quantizeRows, type Rtn, rtn } from "./rtn.ts";
import { svdQuant } from "./svdquant.ts";
import { searchBranch, truncated } from "./svdquant/branch.ts";
import { LowRankLinear } from "./svdquant/linear.ts";
import { smoothingCandidates, smoothingFactors } from "./svdquant/smoothing.ts";

function matrixOf(rows: number[][]): Matrix {
  return { rows: rows.length, columns: rows[0].length, data: Float32Array.from(rows.flat()) };
}

function groups(bits: number, groupSize: number) {
  return rtn({ bits, groupSize, symmetric: true, codes: "narrow" });
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum);
}

Deno.test("groups are rounded as by the original's quantizer; a group of zeros stays zeros", () => {
  for (const { name, bits, group, signed, x, out } of vectors.quantize) {
    const data = name.startsWith("unsigned, negative")
      ? x.map((row) => row.map((one) => Math.max(0, one)))
      : x;
    const rule = signed ? groups(bits, group) : rtn({ bits, groupSize: group });
    const got = quantizeRows(matrixOf(data), rule).dequantize();
    for (const [i, value] of got.entries()) {
      // The original multiplies the code by the scale; here and there -0 is 0.
      assertAlmostEquals(value, out.flat()[i], 2 ** -23 * Math.abs(value), `${name}, ${bits} bits, ${i}`);
    }
  }
});

Deno.test("smoothing factors and the exponents that a search tries are the original's", () => {
  for (const { x, w, alpha, beta, scale } of vectors.smoothScale) {
    const got = smoothingFactors(Float32Array.from(x), Float32Array.from(w), { alpha, beta });
    for (const [j, one] of got.entries()) assertAlmostEquals(one, scale[j], 2 ** -22 * scale[j]);
  }
  for (const grids of [4, 20]) {
    const found = vectors.alphaBetaPairs.find((one) => one.grids === grids && one.beta === -2);
    assertEquals(smoothingCandidates(grids).map(({ alpha, beta }) => [alpha, beta]), found?.pairs);
  }
});

Deno.test("a branch is the original's best approximation of a rank, and misses what Eckart and Young say", () => {
  for (const { rank, w, product } of vectors.branch) {
    const matrix = matrixOf(w), got = lowRankProduct(truncated(matrix, rank, "float32"), matrix.columns);
    const { values } = svd(matrix),
      left = Math.sqrt(values.subarray(rank).reduce((sum, one) => sum + one * one, 0));
    for (const [i, value] of got.entries()) {
      assertAlmostEquals(value, product.flat()[i], 1e-5, `rank ${rank}, ${i}`);
    }
    assertAlmostEquals(distance(got, matrix.data), left, 1e-6 * values[0]);
  }
});

/** Squared error of an output with inputs rounded beside the branch, in float64. */
function outputError(
  x: Matrix,
  w: Matrix,
  rounded: Float32Array,
  inputs: Float32Array,
  branch: LowRankFactors,
): number {
  const low = lowRankProduct(branch, w.columns), { columns } = w;
  let sum = 0;
  for (let t = 0; t < x.rows; t++) {
    for (let o = 0; o < w.rows; o++) {
      let difference = 0;
      for (let j = 0; j < columns; j++) {
        const at = t * columns + j, k = o * columns + j;
        difference += inputs[at] * rounded[k] + x.data[at] * low[k] - x.data[at] * w.data[k];
      }
      sum += difference ** 2;
    }
  }
  return sum;
}

Deno.test("the iteration: errors, the branch and what it leaves are the original's, compensation too", async () => {
  for (const one of vectors.iteration) {
    const x = matrixOf(one.x), w = matrixOf(one.w), rule = groups(4, 8);
    const inputs = one.activationBits === 16
      ? x.data
      : quantizeRows(x, groups(one.activationBits, 8)).dequantize();
    const found = await searchBranch(w, {
      rank: one.rank,
      iterations: one.iterations,
      earlyStop: one.earlyStop,
      compensate: one.compensate,
      precision: "float32",
      round: (matrix) => quantizeRows(matrix, rule).dequantize(),
      error: (rounded, branch) => Promise.resolve(outputError(x, w, rounded, inputs, branch)),
    });
    const what = `${one.iterations} iterations, ${one.activationBits} bits, compensate ${one.compensate}`;
    // One decomposition needs no error here.
    if (one.iterations > 1) assertEquals(found.errors.length, one.errors.length, what);
    for (const [k, error] of found.errors.entries()) {
      assertAlmostEquals(error, one.errors[k], 1e-4 * error, what);
    }
    const product = lowRankProduct(found.branch, w.columns);
    for (const [i, value] of product.entries()) assertAlmostEquals(value, one.product.flat()[i], 2e-5, what);
    const rounded = quantizeRows(found.rest, rule).dequantize();
    for (const [i, value] of rounded.entries()) assertAlmostEquals(value, one.residual.flat()[i], 2e-5, what);
  }
});

Deno.test("packed codes and two thin products give the values that the weight stands for", async () => {
  using device = await cpuDevice();
  const random = new Random(3), rows = 24, columns = 64, tokens = 5;
  const w: Matrix = { rows, columns, data: random.normal(rows * columns) },
    x = random.normal(tokens * columns);
  const factors = random.normal(columns).map((one) => 0.5 + Math.abs(one));
  const scaled = { ...w, data: w.data.map((value, i) => value * factors[i % columns]) };
  const branch = truncated(scaled, 4, "float16"), low = lowRankProduct(branch, columns);
  const rest = { ...w, data: scaled.data.map((value, i) => value - low[i]) };
  const residual = quantizeRows(rest, groups(4, 32));
  const stored = new LowRankWeight({ residual, branch, factors, shared: "nothing", precision: "float16" });
  // 4 bits and a float32 scale for 32 of them; 4 (24 + 64) float16 numbers; 64 factors.
  assertEquals(stored.byteLength, rows * columns / 2 + rows * 2 * 4 + 2 * 4 * (rows + columns) + 4 * columns);
  const values = stored.dequantize();
  const inner = await denseLinear(
    device,
    "w",
    [rows, columns],
    () => Promise.resolve(residual.dequantize()),
    () => Promise.resolve(new Float32Array(rows).fill(0.25)),
  ).load();
  using linear = new LowRankLinear(device, inner, columns, stored, factors, null);
  using input = device.upload(x);
  using output = device.allocate(tokens * rows);
  await linear.run(input, output, tokens);
  const got = await device.read(output);
  for (let t = 0; t < tokens; t++) {
    for (let o = 0; o < rows; o++) {
      let expected = 0.25;
      for (let j = 0; j < columns; j++) expected += x[t * columns + j] * values[o * columns + j];
      // Float32 sums of 64 products of size 10 at most.
      assertAlmostEquals(got[t * rows + o], expected, 64 * 2 ** -23 * 10);
    }
  }
  assertThrows(
    () =>
      new LowRankWeight({
        residual,
        branch: { ...branch, rank: 3 },
        factors,
        shared: "nothing",
        precision: "float16",
      }),
    Error,
    "a has 256 values: expected 192",
  );
});

const calibration = (await oracleWindows("calib")).slice(0, 1).map((ids) => ids.slice(0, 64));
const windows = (await oracleWindows("test")).slice(0, 1).map((ids) => ids.slice(0, 64));
const plain = groups(4, 64);

Deno.test("rank 0 without smoothing is round to nearest; full rank is the float model, whatever rounds the rest", async () => {
  using model = await loadModel("fixture:llama");
  const measured = async (scheme: Scheme) => {
    using quantized = await quantize(model, scheme, { calibration });
    return (await perplexity(quantized, windows)).value;
  };
  const none = { smooth: "none", iterations: 1, precision: "float32" } as const;
  const zero = svdQuant({ ...none, rank: 0, weights: plain, activations: plain });
  assertEquals(await measured({ linears: zero }), await measured({ weights: plain, activations: plain }));
  const full = svdQuant({ ...none, rank: 512, weights: groups(2, 64), activations: null });
  const float = (await perplexity(model, windows)).value;
  assertLess(Math.abs(await measured({ linears: full }) / float - 1), 1e-5);
});

Deno.test("a branch beside rtn, gptq, mx and nvfp4: its bytes are counted, and its logits are nearer to the float model's", async () => {
  using model = await loadModel("fixture:llama-outlier");
  const ids = windows[0], float = await model.logits(ids);
  const measured = async (scheme: Scheme) => {
    using quantized = await quantize(model, scheme, { calibration });
    return { ...weightStorage(quantized), distance: distance(await quantized.logits(ids), float) };
  };
  const smooth = { alpha: 0.5, beta: 0.5 }, shared = { iterations: 1, smooth, activations: null } as const;
  const residuals = [gptq({ bits: 3, groupSize: 64 }), nvfp4()];
  for (const weights of residuals) {
    const without = await measured({ linears: svdQuant({ ...shared, rank: 0, weights }) });
    const beside = await measured({ linears: svdQuant({ ...shared, rank: 32, weights }) });
    assertLess(beside.distance, without.distance, weights.method);
    // 32 float16 numbers for each row, and for each column; q, k and v share those of their columns.
    let numbers = 0, count = 0;
    for (let layer = 0; layer < model.architecture.layers; layer++) {
      for (const role of linearRoles(model.architecture)) {
        const { shape: [out, inputs] } = model.linear(layer, role);
        numbers += 32 * (out + (role === "k" || role === "v" ? 0 : inputs));
        count += out * inputs;
      }
    }
    const expected = 16 * numbers / count;
    assertAlmostEquals(beside.bitsPerWeight - without.bitsPerWeight, expected, 1e-9, weights.method);
  }
});

Deno.test("schemes survive JSON and refuse what they cannot do", async () => {
  const scheme = { linears: svdQuant({ weights: gptq({ grid: nvfp4() }), activations: nvfp4() }) };
  assertEquals(parseScheme(JSON.parse(JSON.stringify(scheme))), scheme);
  assertThrows(() => svdQuant({ rank: -1 }), Error, "rank is -1: expected an integer from 0");
  assertThrows(
    () => svdQuant({ compensate: true, iterations: 2 }),
    Error,
    "iterations is 2: expected 1 with compensate",
  );
  // @ts-expect-error: hqq rounds no residual
  assertThrows(() => svdQuant({ weights: { method: "hqq" } }), Error, "expected a scheme of rtn");
  const channel: unknown = rtn({ bits: 4, granularity: "channel" });
  assertThrows(() => svdQuant({ activations: channel as Rtn<"token"> }), Error, "expected a scheme of rtn");
  assertThrows(
    () => svdQuant({ activations: nvfp4({ tensorScale: "calibrated" }) }),
    Error,
    "not calibrated",
  );
  using model = await loadModel("fixture:llama");
  const odd = svdQuant({ weights: rtn({ bits: 4, groupSize: 96 }) });
  let message = "";
  await quantize(model, { linears: odd }, { calibration }).catch((error) => message = error.message);
  assert(message.includes("groupSize 96 does not divide 256 input features"), message);
});
