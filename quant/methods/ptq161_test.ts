import { assert, assertAlmostEquals, assertEquals, assertLess, assertThrows } from "@std/assert";
import vectors from "../../fixtures/expected/methods2/mixed-lowrank-mamba/ptq161.json" with { type: "json" };
import { oracleWindows } from "../../eval/oracle.ts";
import { cpuDevice } from "../../kernels/cpu/device.ts";
import { Random } from "../../kernels/conformance/suite.ts";
import { loadModel } from "../../model/load.ts";
import type { Matrix } from "../method.ts";
import { quantize } from "../quantize.ts";
import { bitsPerWeight, storedWeight } from "../weights/linear.ts";
import { StructuredBinaryWeight } from "../weights/structured_binary.ts";
import { binarize, ptq161, salientChannels } from "./ptq161.ts";
import { quantizeRows, rtn } from "./rtn.ts";

function matrixOf(rows: number[][]): Matrix {
  return { rows: rows.length, columns: rows[0].length, data: Float32Array.from(rows.flat()) };
}

Deno.test("salient channels are those of the original's mask", () => {
  for (const one of vectors.mask) {
    if (!("salient" in one) || one.salient === undefined) continue;
    const got = salientChannels(Float32Array.from(one.absmax), { ratio: one.ratio, mask: "original" });
    assertEquals(Array.from(got), one.salient);
  }
  const maxima = Float32Array.of(3, 1, 5, 5, 2);
  assertEquals(Array.from(salientChannels(maxima, { ratio: 0.2, mask: "share" })), [0, 0, 1, 0, 0]);
  assertEquals(Array.from(salientChannels(maxima, { ratio: 0.2, mask: "original" })), [0, 0, 1, 1, 0]);
  assertThrows(() => salientChannels(maxima, { ratio: 1, mask: "original" }), Error, "expected less than 1");
});

Deno.test("signs and codes are the original's, where it starts from its own distances and means", () => {
  let compared = 0;
  for (const { w, salient, bits, type, alpha, mean, r1, r2, out } of vectors.binarize) {
    const weight = matrixOf(w),
      mask = type === "low" ? new Uint8Array(weight.columns) : Uint8Array.from(salient);
    const got = binarize(weight, mask, ptq161({ bits }));
    const started = got.distances.every((one, row) => Math.abs(one - alpha[row]) < 1e-6) &&
      got.means.every((one, row) => Math.abs(one - mean[row]) < 1e-6);
    // Others are given factors that training found.
    if (!started || [...r1, ...r2].some((one) => one !== 1)) continue;
    for (const [i, value] of got.dequantize().entries()) {
      // What is the mean itself has no sign in the original: one bit has no third value.
      if (weight.data[i] === got.means[Math.floor(i / weight.columns)]) continue;
      assertAlmostEquals(value, out.flat()[i], 1e-6, `${i}`);
    }
    compared++;
  }
  assert(compared >= 3, `${compared} compared`);
  for (const { name, bits, w, out } of vectors.highQuant) {
    const weight = matrixOf(w), all = new Uint8Array(weight.columns).fill(1);
    for (const [i, value] of binarize(weight, all, ptq161({ bits })).dequantize().entries()) {
      assertAlmostEquals(value, out.flat()[i], 1e-6 * Math.max(1, Math.abs(value)), name);
    }
  }
});

const random = new Random(7), rows = 32, columns = 80;
const weight: Matrix = { rows, columns, data: random.normal(rows * columns) };

function squaredError(values: Float32Array): number {
  return values.reduce((sum, value, i) => sum + (value - weight.data[i]) ** 2, 0);
}

Deno.test("ratio 1 is round to nearest, ratio 0 signs; the least squares' distance is better; more channels are better", () => {
  const scheme = ptq161({ ratio: 1 }), maxima = new Float32Array(columns).fill(1);
  const all = binarize(weight, salientChannels(maxima, scheme), scheme);
  assertEquals(all.dequantize(), quantizeRows(weight, rtn({ bits: 4 })).dequantize());
  const none = binarize(weight, new Uint8Array(columns), ptq161({ ratio: 0 })).dequantize();
  for (let row = 0; row < rows; row++) {
    assertEquals(new Set(none.subarray(row * columns, (row + 1) * columns)).size, 2);
  }
  const best = binarize(weight, new Uint8Array(columns), ptq161({ ratio: 0, distance: "leastSquares" }))
    .dequantize();
  assertLess(squaredError(best), squaredError(none));
  // Least squares: nothing near it is better.
  for (const share of [0.99, 1.01]) {
    const mean = (i: number) => {
      const row = weight.data.subarray(
        Math.floor(i / columns) * columns,
        (Math.floor(i / columns) + 1) * columns,
      );
      return row.reduce((sum, one) => sum + one / columns, 0);
    };
    assertLess(squaredError(best), squaredError(best.map((value, i) => mean(i) + share * (value - mean(i)))));
  }
  let last = Infinity;
  for (const ratio of [0, 0.2, 0.5, 1]) {
    const mask = Uint8Array.from({ length: columns }, (_, j) => j < ratio * columns ? 1 : 0);
    const error = squaredError(binarize(weight, mask, ptq161({ ratio })).dequantize());
    assertLess(error, last);
    last = error;
  }
});

Deno.test("rows of zeros and of one value come back; packed products are those of the values", async () => {
  const data = weight.data.slice();
  data.fill(0, 0, columns);
  data.fill(0.75, columns, 2 * columns);
  data.fill(-0.75, 2 * columns, 3 * columns);
  const mask = Uint8Array.from({ length: columns }, (_, j) => j % 5 === 0 ? 1 : 0);
  const stored = binarize({ rows, columns, data }, mask, ptq161({ bits: 8 })), values = stored.dequantize();
  for (let i = 0; i < 3 * columns; i++) assertAlmostEquals(values[i], data[i], 1e-6);
  using device = await cpuDevice();
  using packed = device.packedWeight(stored.pack());
  using dense = device.weight(values, rows, columns);
  using x = device.upload(random.normal(6 * columns));
  using one = device.allocate(6 * rows);
  using other = device.allocate(6 * rows);
  device.linear(x, packed, null, one, 6);
  device.linear(x, dense, null, other, 6);
  const expected = await device.read(other);
  for (const [i, value] of (await device.read(one)).entries()) {
    // Float32 sums of 80 products of size 10 at most.
    assertAlmostEquals(value, expected[i], 80 * 2 ** -23 * 10);
  }
});

Deno.test("masks have the original's numbers of channels on the fixture model, and the bits are 1.61 and what rows take", async () => {
  const calibration = await oracleWindows("calib");
  using model = await loadModel("fixture:llama");
  using quantized = await quantize(model, { weights: ptq161({ mask: "original" }) }, { calibration });
  const names = {
    q: "self_attn_q_proj",
    o: "self_attn_o_proj",
    gate: "mlp_gate_proj",
    down: "mlp_down_proj",
  } as const;
  for (let layer = 0; layer < 4; layer++) {
    for (const [role, name] of Object.entries(names)) {
      const stored = storedWeight(quantized, layer, role as keyof typeof names);
      assert(stored instanceof StructuredBinaryWeight);
      const counts: Readonly<Record<string, number>> = vectors.salientChannels["ptq161-mix-e0"];
      // 53 of layer 2's output: 6.39904 and 6.39772 are one number in float16.
      assertEquals(stored.masked, counts[`${layer}.${name}`], `${layer}.${name}`);
      const [out, inputs] = stored.shape, share = stored.masked / inputs;
      // Beside codes: a mask, and for each row a scale, a zero point, a mean and a distance.
      const expected = 4 * share + (1 - share) + 1 / out + (3 * 32 + 4) / inputs;
      assertAlmostEquals(bitsPerWeight(stored), expected, 8 * 4 / (out * inputs));
    }
  }
});

Deno.test("what is not accepted is refused by name", () => {
  assertThrows(() => ptq161({ ratio: 1.5 }), Error, "ratio is 1.5: expected a number from 0 to 1");
  assertThrows(() => ptq161({ bits: 1 }), Error, "bits is 1: expected an integer from 2 to 8");
});
