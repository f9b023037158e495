import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertLessOrEqual,
  assertThrows,
} from "@std/assert";
import vectors from "../../fixtures/expected/methods2/mixed-lowrank-mamba/slimllm.json" with { type: "json" };
import { oracleWindows } from "../../eval/oracle.ts";
import { firstLayerProblems } from "../../eval/oracle/problems.ts";
import { cpuDevice } from "../../kernels/cpu/device.ts";
import { Random } from "../../kernels/conformance/suite.ts";
import { loadModel } from "../../model/load.ts";
import { onHost } from "../compensation/steps.ts";
import type { Matrix } from "../method.ts";
import { quantize } from "../quantize.ts";
import { storedWeight } from "../weights/linear.ts";
import { MixedBitsWeight } from "../weights/mixed_bits.ts";
import { gptq, quantizeWithHessian } from "./gptq.ts";
import { pairsOf, type SlimLlm, slimLlm, slimSteps } from "./slimllm.ts";
import { allocate, divergence, groupSalience, roundGroups } from "./slimllm/allocation.ts";
import {
  calibrateRange,
  codeOf,
  cost,
  fitSign,
  type RowQuantizer,
  salientEntries,
  valueOf,
} from "./slimllm/group.ts";

function matrixOf(rows: number[][]): Matrix {
  return { rows: rows.length, columns: rows[0].length, data: Float32Array.from(rows.flat()) };
}

function rounded(values: Float32Array, quantizer: RowQuantizer): number[] {
  return Array.from(values, (value) => valueOf(codeOf(value, quantizer), quantizer));
}

function original(bits: number, groupSize: number, others: Partial<SlimLlm> = {}): SlimLlm {
  return slimLlm({ bits, groupSize, sigma: 2, arithmetic: "original", ...others });
}

Deno.test("groups are rounded as by the original's search", () => {
  for (const { name, bits, w, out } of vectors.blockQuantize) {
    const weight = matrixOf(w), got = roundGroups(weight, [bits]);
    for (const [i, value] of got.entries()) {
      const expected = out.flat()[i];
      // In one row of ties an entry is the mean, to which the original gives the mean itself: one bit has no third value.
      const isMean = bits === 1 && Math.abs(expected - mean(w[Math.floor(i / weight.columns)])) < 1e-6;
      if (isMean && new Set(w[Math.floor(i / weight.columns)]).size > 1) continue;
      assertAlmostEquals(
        value,
        expected,
        1e-6 * Math.max(1, Math.abs(expected)),
        `${name}, ${bits} bits, ${i}`,
      );
    }
  }
});

function mean(values: readonly number[]): number {
  return values.reduce((sum, one) => sum + one, 0) / values.length;
}

Deno.test("salient entries, divergences and calibrated ranges are the original's", () => {
  for (const { delta, salient } of vectors.salientMask) {
    // Where no entry stands out, the original stops; here none is salient.
    const expected = salient?.flat() ?? delta.flat().map(() => 0);
    assertEquals(Array.from(salientEntries(Float32Array.from(delta.flat()), 2)), expected);
  }
  for (const { quantized, original, value } of vectors.klDivergence) {
    const logarithms = (rows: number[][]) =>
      Float32Array.from(rows.flatMap((row) => {
        const total = row.reduce((sum, x) => sum + Math.exp(x), 0);
        return row.map((x) => x - Math.log(total));
      }));
    const got = divergence(logarithms(quantized), logarithms(original), quantized.length, true);
    assertAlmostEquals(got, value, 1e-5 * Math.max(1, value));
  }
  for (const { name, bits, lam, sym, w, hinvDiagonal, scale, zero, out } of vectors.fit) {
    const weight = matrixOf(w), { columns } = weight;
    const salience = weight.data.map((value, i) => (value / hinvDiagonal[i % columns]) ** 2);
    const salient = salientEntries(salience, 2);
    for (let row = 0; row < weight.rows; row++) {
      const part = weight.data.subarray(row * columns, (row + 1) * columns);
      const own = salient.subarray(row * columns, (row + 1) * columns);
      const got = bits === 1 ? fitSign(part) : calibrateRange(part, bits, sym, own, lam),
        what = `${name}, row ${row}`;
      for (const [j, value] of rounded(part, got).entries()) {
        assertAlmostEquals(value, out[row][j], 2e-6, what);
      }
      // A 1-bit group's scale and zero are the mean magnitude and the mean.
      const expected = bits === 1
        ? [2 * scale[row], 0.5 - zero[row] / (2 * scale[row])]
        : [scale[row], zero[row]];
      assertAlmostEquals(got.scale, expected[0], 1e-6, what);
      assertAlmostEquals(got.zero, expected[1], 1e-5, what);
    }
  }
});

Deno.test("salience of groups, and whole matrices: precisions, codes and values are the original's", async () => {
  using device = await cpuDevice();
  const weight = matrixOf(vectors.salience.w), hessian = Float64Array.from(vectors.salience.H.flat());
  const { w, H, x, runs } = vectors.layer;
  const layer = matrixOf(w), inputs = [Float32Array.from(x.flat())];
  assertEquals(layer.data, weight.data);
  for (const { groupSize, bits, lam, precision, candidateErrors, out } of runs) {
    const given = precision?.every((one) => one === bits);
    const scheme = original(bits, groupSize ?? 8, { salienceWeight: lam, pairs: given ? 0 : "search" });
    const found = await pairsOf(layer, Float64Array.from(H.flat()), { ...scheme, pairs: "search" }, {
      device,
      inputs,
      bias: null,
    });
    const what = `${bits} bits, groups of ${groupSize}, lambda ${lam}`;
    for (const [p, error] of (candidateErrors ?? []).entries()) {
      assertAlmostEquals(found.errors[p], error, 1e-5 * Math.max(1, error), what);
    }
    const got = onHost(
      slimSteps(layer, found.hessian, scheme, given ? 0 : found.pairs),
    );
    assertEquals(got.precisions(), precision, what);
    for (const [i, value] of got.dequantize().entries()) {
      assertAlmostEquals(value, out?.flat()[i] ?? NaN, 2e-5, `${what}, ${i}`);
    }
  }
  const damped = hessian.slice();
  for (let i = 0; i < damped.length; i += weight.columns + 1) damped[i] += 0.01;
  for (const [j, value] of vectors.salience.HDiagonalAfter.entries()) {
    assertAlmostEquals(damped[j * (weight.columns + 1)], value, 1e-6);
  }
});

Deno.test("the cost of an error is its magnitude to the power of 2.4", () => {
  const random = new Random(9);
  for (let i = 0; i < 10000; i++) {
    const e = Math.fround(Math.abs(random.normal(1)[0]) * 10 ** (8 * random.next() - 7));
    assertAlmostEquals(cost(e), e ** 2.4, 1e-10 * e ** 2.4);
  }
  assertEquals([cost(0), cost(1), cost(2)].map((one) => Math.round(1e6 * one)), [
    0,
    1e6,
    Math.round(1e6 * 2 ** 2.4),
  ]);
});

Deno.test("the average of bits is exactly what was asked for, with as many groups below as above", () => {
  const random = new Random(5);
  for (const count of [1, 2, 3, 4, 7, 16]) {
    const salience = Array.from({ length: count }, () => random.next());
    for (let pairs = 0; 2 * pairs <= count; pairs++) {
      const bits = allocate(salience, 3, pairs);
      assertEquals(bits.reduce((sum, one) => sum + one, 0), 3 * count);
      assertEquals(bits.filter((one) => one === 2).length, pairs);
      const least = salience.filter((_, g) => bits[g] === 4), most = salience.filter((_, g) => bits[g] === 2);
      if (pairs > 0) assertLess(Math.max(...most), Math.min(...least));
    }
  }
  assertEquals(groupSalience(matrixOf([[1, 2, 3, 4]]), Float64Array.of(1, 1, 2, 1), 2), [5, 52]);
});

const calibration = (await oracleWindows("calib")).slice(0, 2).map((ids) => ids.slice(0, 96));

Deno.test("uniform bits are GPTQ but for the shares of the range that are tried", async () => {
  using model = await loadModel("fixture:llama");
  const [{ weight, hessian }] = await firstLayerProblems(model, calibration);
  const got = onHost(slimSteps(weight, hessian, slimLlm({ bits: 4, groupSize: 32, pairs: 0 }), 0))
    .dequantize();
  const plain = quantizeWithHessian(weight, hessian, gptq({ bits: 4, groupSize: 32 })).weight.dequantize();
  const loss = (values: Float32Array) => {
    const { rows, columns, data } = weight;
    let sum = 0;
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < columns; i++) {
        const e = values[row * columns + i] - data[row * columns + i];
        for (let j = 0; j < columns; j++) {
          sum += e * hessian[i * columns + j] * (values[row * columns + j] - data[row * columns + j]);
        }
      }
    }
    return sum;
  };
  // The search lowers the error of single groups, and mostly the loss of the whole.
  assertLessOrEqual(Math.abs(loss(got) / loss(plain) - 1), 0.1);
});

Deno.test("precisions of queries and keys are the original's on the fixture model; bytes are those of each group's bits", async () => {
  const calib = (await oracleWindows("calib")).slice(0, 8);
  using model = await loadModel("fixture:llama");
  const scheme = { overrides: [{ layers: [0], linears: ["q", "k"] as const, weights: original(3, 32) }] };
  using quantized = await quantize(model, scheme, { calibration: calib });
  for (const role of ["q", "k"] as const) {
    const found = vectors.firstLayer.llama["slim-w3g32"].find(({ name }) =>
      name === `0.self_attn.${role}_proj`
    );
    const stored = storedWeight(quantized, 0, role);
    assert(stored instanceof MixedBitsWeight && found !== undefined);
    assertEquals(stored.precisions(), found.precision, found.name);
    const [rows, columns] = stored.shape, groups = columns / 32;
    const zeros = found.precision.reduce((sum, bits) => sum + Math.ceil(rows * bits / 8), 0);
    assertEquals(stored.byteLength, rows * columns * 3 / 8 + 4 * rows * groups + zeros + groups);
  }
});

Deno.test("packed codes give the values, at the widest group's bits", async () => {
  using device = await cpuDevice();
  const random = new Random(2), rows = 16, columns = 64, data = random.normal(rows * columns);
  const hessian = new Float64Array(columns * columns);
  for (let i = 0; i < columns; i++) hessian[i * columns + i] = 1;
  const stored = onHost(slimSteps({ rows, columns, data }, hessian, slimLlm({ bits: 2, groupSize: 16 }), 1));
  assertEquals(stored.precisions().toSorted(), [1, 2, 2, 3]);
  assertEquals(stored.pack().bits, 3);
  using packed = device.packedWeight(stored.pack());
  using dense = device.weight(stored.dequantize(), rows, columns);
  using x = device.upload(random.normal(5 * columns));
  using one = device.allocate(5 * rows);
  using other = device.allocate(5 * rows);
  device.linear(x, packed, null, one, 5);
  device.linear(x, dense, null, other, 5);
  const expected = await device.read(other);
  for (const [i, value] of (await device.read(one)).entries()) {
    assertAlmostEquals(value, expected[i], 64 * 2 ** -23 * 20);
  }
});

Deno.test("what is not accepted is refused by name", async () => {
  assertThrows(() => slimLlm({ bits: 1 }), Error, "bits is 1: expected an integer from 2 to 7");
  using model = await loadModel("fixture:llama");
  const message = async (scheme: SlimLlm) => {
    try {
      using _ = await quantize(model, { weights: scheme }, { calibration });
    } catch (error) {
      return String(error);
    }
    return "";
  };
  assert((await message(slimLlm({ bits: 2, groupSize: 48 }))).includes("groupSize 48 does not divide"));
  assert(
    (await message(slimLlm({ bits: 2, groupSize: 128, pairs: 2 }))).includes(
      "expected at most 1 of 2 groups",
    ),
  );
});
