import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertLessOrEqual,
  assertRejects,
  assertThrows,
} from "@std/assert";
import vectors from "../../fixtures/expected/methods2/rotation-w4a8/w4a8.json" with { type: "json" };
import { defaultDevice } from "../../kernels/default.ts";
import { loadModel } from "../../model/load.ts";
import { SchemeError } from "../error.ts";
import type { InputStatistics, Matrix } from "../method.ts";
import { quantize } from "../quantize.ts";
import { bitsPerWeight } from "../weights/linear.ts";
import { odyssey, type OdysseyOptions, odysseyWeight, upperNibbles } from "./odyssey.ts";
import { learnClipping } from "./odyssey/clipping.ts";
import { quantizeRows, rtn } from "./rtn.ts";

const device = await defaultDevice();
const { lwc, gptq: compensated, scale: scaleCases, fastGemm } = vectors.odyssey;

function matrix(rows: readonly (readonly number[])[]): Matrix {
  return { rows: rows.length, columns: rows[0].length, data: Float32Array.from(rows.flat()) };
}

/** Statistics with the Hessian `2/N X^T X` given, of one window. */
function statistics(hessian: readonly (readonly number[])[]): InputStatistics {
  return { gram: Float64Array.from(hessian.flat(), (value) => value / 2), windows: 1, tokens: 1 };
}

/** A repeatable sequence of numbers in [-1, 1). */
function noise(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from(
    { length: count },
    () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 31 - 1,
  );
}

function white(columns: number): InputStatistics {
  const gram = new Float64Array(columns * columns);
  for (let j = 0; j < columns; j++) gram[j * (columns + 1)] = 8;
  return { gram, windows: 1, tokens: 16 };
}

Deno.test("clipping learns what an independent implementation learns", async () => {
  const settings = { steps: lwc.steps, learningRate: lwc.lr, start: lwc.init };
  const found = await learnClipping(matrix(lwc.W), statistics(lwc.H), settings, device);
  // Losses and gradients are float32 sums of 8 products of which some nearly cancel: 1e-5 of them.
  for (const [i, loss] of lwc.loss.entries()) {
    assertAlmostEquals(found.losses[i], loss, 1e-5 * loss, `step ${i}`);
  }
  for (const [i, slope] of lwc.grad0.flat().entries()) {
    assertAlmostEquals(found.firstGradient[i], slope, 1e-5 * Math.abs(slope));
  }
  for (const [i, logit] of lwc.logits.flat().entries()) assertAlmostEquals(found.logits[i], logit, 1e-4);
  for (const [i, scale] of lwc.scale.entries()) assertAlmostEquals(found.scales[i], scale, 1e-5 * scale);
  const one = await learnClipping(matrix(lwc.W), statistics(lwc.H), { ...settings, steps: 1 }, device);
  for (const [i, logit] of lwc.after1.flat().entries()) assertAlmostEquals(one.logits[i], logit, 1e-8);
});

Deno.test("scales: the larger end over 7; a row of zeros stays", async () => {
  for (const { max, min, gamma, beta, s } of scaleCases) {
    if (gamma !== beta) continue;
    const start = gamma === 1 ? Infinity : Math.log(gamma / (1 - gamma));
    const row = matrix([[max, min, min, max]]);
    const found = await learnClipping(row, white(4), { steps: 0, learningRate: 0.1, start }, device);
    assertAlmostEquals(found.scales[0], s === 0 ? 1 : s, 1e-7);
  }
  const zeros = await odysseyWeight(matrix([[0, 0, 0, 0]]), white(4), odyssey({ steps: 3 }), device);
  assertEquals([...zeros.dequantize()], [0, 0, 0, 0]);
});

Deno.test("codes are those of an independent implementation, rounded to nearest and compensated", async () => {
  const weight = matrix(lwc.W), input = statistics(lwc.H);
  const codesOf = async (options: OdysseyOptions) =>
    [...(await odysseyWeight(weight, input, odyssey(options), device)).codes()].map((code) => code - 8);
  const expected = (codes: readonly (readonly number[])[]) => codes.flat().map((code) => code + 0);
  assertEquals(await codesOf({ percdamp: compensated.percdamp }), expected(compensated.codes));
  assertEquals(await codesOf({ compensation: false }), expected(compensated.rtn));
  assertEquals(await codesOf({ clipping: "none" }), expected(compensated.codesMinmax));
  const plain = await odysseyWeight(weight, input, odyssey({ clipping: "none" }), device);
  for (const [i, scale] of compensated.minmaxScale.entries()) {
    assertAlmostEquals(plain.scales[i], scale, 1e-7);
  }
});

Deno.test("without clipping and compensation rows are rounded to nearest; no step leaves the start", async () => {
  const weight = { rows: 6, columns: 64, data: noise(6 * 64, 3) };
  const nearest = quantizeRows(weight, rtn({ bits: 4, symmetric: true })).dequantize();
  const plain = odyssey({ clipping: "none", compensation: false });
  assertEquals((await odysseyWeight(weight, white(64), plain, device)).dequantize(), nearest);
  const started = odyssey({ steps: 0, start: 20, compensation: false });
  for (const [i, value] of (await odysseyWeight(weight, white(64), started, device)).dequantize().entries()) {
    assertAlmostEquals(value, nearest[i], 1e-6);
  }
  // Uncorrelated inputs leave nothing to compensate.
  const alone = odyssey({ clipping: "none", percdamp: 0 });
  assertEquals((await odysseyWeight(weight, white(64), alone, device)).dequantize(), nearest);
  const unmoved = await learnClipping(weight, white(64), { steps: 5, learningRate: 0, start: 4 }, device);
  assertEquals([...new Set(unmoved.logits)], [4]);
});

Deno.test("clipping lowers the output error of a weight with a heavy tail", async () => {
  const weight = { rows: 16, columns: 128, data: noise(16 * 128, 5).map((w) => w ** 7) };
  const { losses } = await learnClipping(
    weight,
    white(128),
    { steps: 100, learningRate: 0.01, start: 4 },
    device,
  );
  assertLess(losses[99], losses[0]);
});

Deno.test("a nibble in the upper half of a byte is 16 times the code, and so is every product", async () => {
  const { a, w4, upperNibbleBytes, asInt8, acc, product } = fastGemm, inputs = w4[0].length;
  const codes = Int8Array.from(w4.flat()), bytes = upperNibbles(codes);
  assertEquals([...bytes], asInt8.flat());
  assertEquals([...new Uint8Array(bytes.buffer)], upperNibbleBytes.flat());
  using wide = device.int8Weight(bytes, w4.length, inputs),
    narrow = device.int8Weight(codes, w4.length, inputs);
  const x = Int8Array.from(a.flat());
  const [shifted, plain] = [await wide.product(x, a.length), await narrow.product(x, a.length)];
  assertEquals([...shifted], acc.flat());
  assertEquals([...plain], product.flat());
  assertEquals([...shifted].map((sum) => sum / 16), [...plain]);
  // A weight's own codes, on more columns than the example has.
  const columns = 256, weight = { rows: 8, columns, data: noise(8 * columns, 7) };
  const own = Int8Array.from(
    quantizeRows(weight, rtn({ bits: 4, symmetric: true })).codes(),
    (code) => code - 8,
  );
  const tokens = Int8Array.from(noise(3 * columns, 8), (value) => 127 * value);
  using shiftedWeight = device.int8Weight(upperNibbles(own), 8, columns),
    ownWeight = device.int8Weight(own, 8, columns);
  const [many, few] = [await shiftedWeight.product(tokens, 3), await ownWeight.product(tokens, 3)];
  assert(few.some((sum) => sum !== 0));
  assertEquals([...many], [...few].map((sum) => 16 * sum));
});

Deno.test("measured bits: 4 + 32 / in; packed execution gives the values' logits", async () => {
  const weight = { rows: 4, columns: 128, data: noise(4 * 128, 9) };
  assertEquals(
    bitsPerWeight(await odysseyWeight(weight, white(128), odyssey({ steps: 1 }), device)),
    4 + 32 / 128,
  );
  using model = await loadModel("fixture:llama");
  const ids = Int32Array.from({ length: 48 }, (_, i) => (i * 53 + 7) % 700);
  const scheme = { weights: odyssey({ steps: 2 }) };
  using simulated = await quantize(model, scheme, { calibration: [ids] });
  using packed = await quantize(model, scheme, { calibration: [ids], execution: "packed" });
  const [a, b] = [await simulated.logits(ids), await packed.logits(ids)];
  const most = a.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  // Float32 rounding of a few hundred products in another order, in each of four layers.
  for (const [i, value] of a.entries()) assertLessOrEqual(Math.abs(value - b[i]), 4 * 64 * 2 ** -24 * most);
  await assertRejects(() => quantize(model, scheme), SchemeError, "odyssey needs calibration windows");
});

Deno.test("options are checked", () => {
  assertThrows(() => odyssey({ bits: 8 } as unknown as OdysseyOptions), SchemeError, "bits is 8");
  assertThrows(() => odyssey({ steps: -1 }), SchemeError, "steps is -1");
  assertThrows(() => odyssey({ groupSize: 1 } as OdysseyOptions), SchemeError, 'no option "groupSize"');
  assertEquals(odyssey(JSON.parse(JSON.stringify(odyssey({ steps: 3 })))), odyssey({ steps: 3 }));
});
