import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreaterOrEqual,
  assertLess,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import vectors from "../../fixtures/expected/methods2/rotation-w4a8/quik.json" with { type: "json" };
import { fixture } from "../../base/fixture.ts";
import { oracleWindows } from "../../eval/oracle.ts";
import { firstLayerProblems } from "../../eval/oracle/problems.ts";
import { testedDevices } from "../../kernels/conformance/suite.ts";
import { loadModel } from "../../model/load.ts";
import { readSafetensors } from "../../model/safetensors.ts";
import { activationMaxima } from "../calibration/activation_maxima.ts";
import { BoundedMemory } from "../calibration/memory.ts";
import { SchemeError } from "../error.ts";
import type { Matrix } from "../method.ts";
import { quantize } from "../quantize.ts";
import type { Scheme } from "../scheme.ts";
import { storedWeight, weightStorage } from "../weights/linear.ts";
import { gptq, quantizeWithHessian } from "./gptq.ts";
import { keptCount, quik, quikMethod, quikWithHessian } from "./quik.ts";
import { rtn } from "./rtn.ts";

const ids = Int32Array.from({ length: 64 }, (_, i) => (i * 53 + 7) % 700), calibration = [ids];

function matrixOf(rows: number[][]): Matrix {
  return { rows: rows.length, columns: rows[0].length, data: Float32Array.from(rows.flat()) };
}

/** Columns by ascending size, as the method takes them. */
function ascending(sizes: ArrayLike<number>): Int32Array {
  return Int32Array.from({ length: sizes.length }, (_, j) => j).sort((a, b) => sizes[a] - sizes[b] || a - b);
}

Deno.test("weights are those of the original's class, with and without kept columns and the search of ranges", () => {
  const { W, H, actScales, percdamp, cases } = vectors.gptq, order = ascending(actScales);
  for (const { fpFeatures: kept, mse, scale, W: expected, perm } of cases) {
    if (perm !== null) assertEquals(Array.from(order), perm);
    const scheme = quik({ kept, percdamp, search: mse ? "mse" : "none", precision: "float32" });
    const { weight } = quikWithHessian(
      matrixOf(W),
      Float64Array.from(H.flat()),
      scheme,
      kept > 0 ? order : null,
      kept,
    );
    for (const [row, own] of weight.scales.entries()) {
      assertAlmostEquals(own, scale[row], 2 ** -23 * scale[row]);
    }
    // Kept columns hold what float32 sums of 8 products leave of weights up to 5 in the original.
    const values = weight.dequantize();
    for (const [i, value] of values.entries()) {
      assertAlmostEquals(value, expected.flat()[i], 8 * 8 * 2 ** -24 * 5, `kept ${kept}, mse ${mse}, ${i}`);
    }
  }
});

Deno.test("activations are those of the original's wrapper on every device: kept columns neither rounded nor in a range", async () => {
  const { x, scales, cases } = vectors.activation, rows = x.length, columns = scales.length;
  for (const { name, open } of testedDevices) {
    const device = await open();
    using model = await loadModel("fixture:llama", { device });
    for (const { fpFeatures: kept, bits, y, fpColumns } of cases) {
      // The original has no answer where nothing is left to round.
      if (bits === 16 || y === undefined) continue;
      assertEquals(Array.from(ascending(scales).slice(columns - kept)).sort(), [...fpColumns].sort());
      // The maxima of this text are the vector's: what is found on a model is handed in.
      const memory = new BoundedMemory();
      memory.set(
        `site maxima ${await model.hash()}`,
        new Map([["0.attention", Float32Array.from(scales)]]),
        4 * columns,
      );
      const scheme = quik({ bits, kept }),
        context = { calibration: () => calibration, progress() {}, memory, finished: null };
      const fixed = await quikMethod.operand.calibrate?.(model, scheme, context);
      const round = fixed ?? ((x, view) => quikMethod.operand.apply(device, x, view, scheme));
      using buffer = device.upload(Float32Array.from(x.flat()));
      await round(buffer, { rows, columns, heads: 1 }, { layer: 0, site: "attention" });
      for (const [i, value] of (await device.read(buffer)).entries()) {
        assertAlmostEquals(
          value,
          y.flat()[i],
          2 ** -22 * Math.abs(y.flat()[i]),
          `${name}, ${kept}, ${bits}, ${i}`,
        );
      }
    }
  }
});

Deno.test("columns, scales and codes of the first layer are those of the original's run", async () => {
  const tensors = await readSafetensors(await fixture("expected/methods2/rotation-w4a8/quik.safetensors"));
  const calib = await oracleWindows("calib");
  for (const name of ["llama", "llama-outlier"]) {
    using model = await loadModel(`fixture:${name}`);
    const maxima = await activationMaxima(model, calib, ["attention"]);
    const [problem] = await firstLayerProblems(model, calib.slice(0, 16));
    assertEquals(problem.role, "q");
    const sizes = maxima.get("0.attention") ?? new Float32Array();
    const stored = tensors.get(`${name}.quik.actScales.layers.0.self_attn.q_proj`)?.data ?? [];
    for (const [j, value] of sizes.entries()) assertAlmostEquals(value, Number(stored[j]), 1e-5 * value);
    const tag = `${name}.quik-w4a4-out16-clip.layers.0.q_proj`;
    const at = (part: string) => Array.from(tensors.get(`${tag}.${part}`)?.data ?? [], Number);
    const scheme = quik({ kept: 16, search: "mse", precision: "float32" });
    const { weight } = quikWithHessian(problem.weight, problem.hessian, scheme, ascending(sizes), 16);
    assertEquals(Array.from(weight.columns), at("fpColumns").sort((a, b) => a - b));
    const scales = at("scale");
    // The search of ranges may tie.
    const differing = weight.scales.filter((scale, row) => Math.abs(scale / scales[row] - 1) > 1e-6).length;
    assertLess(differing, 3, name);
    const codes = at("codes"), own = weight.dequantize(), columns = problem.weight.columns;
    let same = 0, compared = 0;
    for (let row = 0; row < 32; row++) {
      for (let j = 0; j < columns; j++) {
        if (weight.columns.some((column) => column === j)) continue;
        compared++;
        if (Math.round(own[row * columns + j] / weight.scales[row]) === codes[row * columns + j]) same++;
      }
    }
    // One tie that falls the other way sends the rest of its row another way: a row is a thirty-second.
    assertGreaterOrEqual(same / compared, 0.97, name);
  }
});

Deno.test("no kept column is GPTQ on the weights and round to nearest on tokens, bit for bit", async () => {
  using model = await loadModel("fixture:llama");
  const own: Scheme = { weights: quik({ kept: 0 }), activations: quik({ kept: 0 }) };
  const plain: Scheme = {
    weights: gptq({ bits: 4, symmetric: true, trueSequential: true }),
    activations: rtn({ bits: 4, granularity: "token" }),
  };
  using a = await quantize(model, own, { calibration }), b = await quantize(model, plain, { calibration });
  assertEquals(await a.logits(ids), await b.logits(ids));
  // A threshold that nothing reaches keeps nothing, and changes the order of columns no more than that.
  using c = await quantize(model, {
    weights: quik({ kept: 16, threshold: 1e6 }),
    activations: quik({ kept: 16, threshold: 1e6 }),
  }, { calibration });
  assertEquals(await c.logits(ids), await b.logits(ids));
});

Deno.test("kept columns with an identity Hessian are the weight's own, and the rest is rounded to nearest", () => {
  fc.assert(fc.property(
    fc.integer({ min: 2, max: 12 }).chain((columns) =>
      fc.tuple(
        fc.array(
          fc.array(fc.float({ min: -2, max: 2, noNaN: true }), { minLength: columns, maxLength: columns }),
          {
            minLength: 1,
            maxLength: 4,
          },
        ),
        fc.array(fc.float({ min: 0, max: 9, noNaN: true }), { minLength: columns, maxLength: columns }),
        fc.integer({ min: 0, max: columns - 1 }),
        fc.boolean(),
      )
    ),
    ([w, sizes, kept, symmetric]) => {
      const weight = matrixOf(w), { rows, columns, data } = weight, order = ascending(sizes);
      const identity = new Float64Array(columns * columns);
      for (let j = 0; j < columns; j++) identity[j * columns + j] = 1;
      const scheme = quik({ kept, symmetric, percdamp: 0, precision: "float32" });
      const { weight: got } = quikWithHessian(weight, identity, scheme, order, kept);
      const values = got.dequantize(), own = Array.from(order.slice(0, columns - kept)).sort((a, b) => a - b);
      const others = { rows, columns: own.length, data: new Float32Array(rows * own.length) };
      for (let row = 0; row < rows; row++) {
        for (const [k, j] of own.entries()) others.data[row * own.length + k] = data[row * columns + j];
      }
      const unit = new Float64Array(own.length ** 2);
      for (let k = 0; k < own.length; k++) unit[k * own.length + k] = 1;
      const plain = quantizeWithHessian(others, unit, gptq({ bits: 4, symmetric, percdamp: 0 })).weight
        .dequantize();
      for (let row = 0; row < rows; row++) {
        for (let j = 0; j < columns; j++) {
          const k = own.indexOf(j), value = values[row * columns + j];
          assertEquals(value + 0, (k < 0 ? data[row * columns + j] : plain[row * own.length + k]) + 0);
        }
      }
    },
  ));
});

Deno.test("kept columns take up what the rounding of the others costs, and rescue a model with outliers", async () => {
  using model = await loadModel("fixture:llama-outlier");
  const float = await model.logits(ids);
  const error = async (kept: number) => {
    const scheme: Scheme = { weights: quik({ kept }), activations: quik({ kept }) };
    using quantized = await quantize(model, scheme, { calibration });
    const logits = await quantized.logits(ids);
    return logits.reduce((sum, value, i) => sum + (value - float[i]) ** 2, 0);
  };
  assertLess(4 * await error(16), await error(0));
  const [{ weight, hessian, statistics }] = await firstLayerProblems(model, calibration);
  const order = ascending(
    Float64Array.from({ length: weight.columns }, (_, j) => statistics.gram[j * (weight.columns + 1)]),
  );
  const { weight: got } = quikWithHessian(weight, hessian, quik({ kept: 8, precision: "float32" }), order, 8);
  const values = got.dequantize();
  assert(got.columns.every((j) => values[j] !== weight.data[j]), "kept weights absorb errors");
  assertNotEquals(got.values[0], Math.round(got.values[0] / got.scales[0]) * got.scales[0]);
});

Deno.test("packed execution gives the logits of the values, and bytes are those of codes and kept columns", async () => {
  using model = await loadModel("fixture:llama");
  const scheme: Scheme = { weights: quik({ kept: 16 }) };
  using simulated = await quantize(model, scheme, { calibration });
  using packed = await quantize(model, scheme, { calibration, execution: "packed" });
  const [a, b] = [await simulated.logits(ids), await packed.logits(ids)];
  const most = a.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  // Outliers may be added at the end: float32 sums of some hundred products in another order, in each of four layers.
  for (const [i, value] of b.entries()) assertAlmostEquals(value, a[i], 4 * 64 * 2 ** -24 * most);
  const [out, inputs] = [256, 256], stored = storedWeight(simulated, 0, "q");
  // Codes, a scale per row, kept columns in float16 and their indexes in 16 bits.
  assertEquals(stored?.byteLength, out * (inputs - 16) / 2 + 4 * out + 2 * 16 * out + 2 * 16);
  assertLess(weightStorage(simulated).bitsPerWeight, 5);
});

Deno.test("layers with more inputs keep more columns where that is asked for, small inputs none, all never", () => {
  const maxima = Float32Array.from({ length: 512 }, (_, j) => j);
  assertEquals(keptCount(maxima, 256, quik({ kept: 16 })), 16);
  assertEquals(keptCount(maxima, 256, quik({ kept: 16, relative: true })), 32);
  assertEquals(keptCount(maxima, 400, quik({ kept: 16, relative: true })), 16);
  assertEquals(keptCount(maxima, 256, quik({ kept: 16, threshold: 511 })), 0);
  assertEquals(keptCount(maxima, 256, quik({ kept: 16, threshold: 510.5 })), 16);
  assertThrows(
    () => keptCount(maxima, 256, quik({ kept: 512 })),
    SchemeError,
    "kept 512 leaves none of 512 input features",
  );
});

Deno.test("what does not fit is refused by name", async () => {
  using model = await loadModel("fixture:llama");
  const refused = (scheme: Scheme, message: string) =>
    assertRejects(() => quantize(model, scheme, { calibration }), SchemeError, message);
  assertThrows(() => quik({ bits: 1 }), SchemeError, "bits is 1: expected an integer from 2 to 8");
  assertThrows(() => quik({ kept: -1 }), SchemeError, "kept is -1");
  await assertRejects(
    () => quantize(model, { weights: quik({ kept: 4 }) }),
    SchemeError,
    "quik needs calibration windows",
  );
  await refused(
    { activations: quik({ search: "mse" }) },
    'search is "mse": expected none, or its default, of activations',
  );
  await refused({ weights: quik() }, "kept 256 leaves none of 256 input features of attention in layer 0");
  using attention = await quantize(model, { query: quik({ kept: 4 }) }, { calibration });
  await assertRejects(() => attention.logits(ids), SchemeError, "quik has no calibrated range of query");
  await refused(
    { weights: quik({ kept: 4, compensationWindows: 2 }) },
    "compensates on 2 windows, but calibration has 1",
  );
  await refused({
    weights: quik({ kept: 4, compensationWindows: 1 }),
    overrides: [{ linears: ["down"], weights: quik({ kept: 4, compensationWindows: 2 }) }],
  }, "quik compensates on 2 windows, quik on 1: expected the same");
});

Deno.test("fewer windows for compensation are those from the first on", async () => {
  using model = await loadModel("fixture:llama");
  const more = [ids, ids.toReversed()];
  using a = await quantize(model, { weights: quik({ kept: 0, compensationWindows: 1 }) }, {
    calibration: more,
  });
  using b = await quantize(model, { weights: quik({ kept: 0 }) }, { calibration });
  using c = await quantize(model, { weights: quik({ kept: 0 }) }, { calibration: more });
  assertEquals(await a.logits(ids), await b.logits(ids));
  assertNotEquals(await a.logits(ids), await c.logits(ids));
});
