/**
 * Fisher scores and Aumann-Shapley prices against PyTorch in float64 (fixtures/expected/advisor.json, made by fixtures/made-with/advisor.py);
 * the axioms; the ends of the decoder against sums written out.
 */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import expected from "../../../fixtures/expected/advisor.json" with { type: "json" };
import { roundHalfEven } from "../../../kernels/round.ts";
import { layerLinears, type LinearRole } from "../../../model/architecture.ts";
import { denseLinear } from "../../../model/decoder/parameter.ts";
import { linearKey } from "../../../model/decoder/parameters.ts";
import type { Model } from "../../../model/model.ts";
import { SchemeError } from "../../../quant/error.ts";
import { requireGradients } from "../../../quant/gradients/decoder.ts";
import { rtn } from "../../../quant/methods/rtn.ts";
import { loadModel } from "../../../quant/published/load.ts";
import { quantize } from "../../../quant/quantize.ts";
import { sizes } from "../../../quant/weights/sizes.ts";
import { corpus } from "../../corpus.ts";
import { oracleWindows } from "../../oracle.ts";
import { divergence, FloatPredictions } from "../../metrics/divergence.ts";
import { endsSensitivities, isTied } from "./ends.ts";
import { fisherScores } from "./fisher.ts";
import { scoreNames } from "./sensitivity.ts";
import { nodes, shapleyScores } from "./shapley.ts";

const step = expected.step,
  round = (values: Float32Array) => values.map((w) => roundHalfEven(w * step) / step);

/** A model whose linear layers and ends are multiples of 1 / step; float32 does that exactly. */
async function coarse(model: Model, roles?: readonly LinearRole[]): Promise<Model> {
  const { architecture, device, embedding, head } = model, linears = new Map();
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const { role } of layerLinears(architecture, layer)) {
      if (roles?.includes(role) === false) continue;
      const one = model.linear(layer, role), [rows, columns] = one.shape, values = round(await one.values());
      const weight = denseLinear(
        device,
        one.name,
        [rows, columns],
        () => Promise.resolve(values),
        model.bias(layer, role),
      );
      linears.set(linearKey(layer, role), weight);
    }
  }
  const table = round(await embedding.values()), projection = round(await head.values());
  const [rows, columns] = head.shape;
  return model.with({
    linears,
    embedding: { name: embedding.name, shape: embedding.shape, values: () => Promise.resolve(table) },
    head: denseLinear(device, head.name, [rows, columns], () => Promise.resolve(projection), null),
    change: "coarse",
  });
}

/** What float32 can do to a chain of 12 products a layer, each of sums of at most 768 terms: `n u` with `u = 2^-24`. */
const single = (layers: number) => 12 * layers * 768 * 2 ** -24;

for (const name of ["llama", "opt"] as const) {
  Deno.test(`${name}: the scores that PyTorch finds in float64, and prices add up to the divergence`, async () => {
    using model = await loadModel(`fixture:${name}`);
    using rounded = await coarse(model);
    const golden = expected.models[name], { layers } = model.architecture;
    const calib = await oracleWindows("calib");
    const windows = expected.windows.map(([row, length]) => calib[row].slice(0, length));
    const { linears, ends } = await fisherScores(model, rounded, windows, true);
    for (const [at, value] of Object.entries(golden.fisher)) {
      const [layer, role] = at.split(" "), isEnds = at === "ends";
      const ours = isEnds ? ends : linears.get(linearKey(Number(layer), role as LinearRole)) ?? NaN;
      // Squares: twice the relative error of a gradient.
      assertAlmostEquals(ours / value, 1, 2 * single(layers), at);
    }
    const predictions = await FloatPredictions.of(model, windows);
    const prices = await shapleyScores(model, rounded, predictions);
    const size = Object.values(golden.nodes4).reduce((sum, one) => sum + Math.abs(one), 0);
    let sum = 0, quadrature = 0;
    for (const [at, value] of Object.entries(golden.nodes4)) {
      const [layer, role] = at.split(" ");
      const ours = prices.get(linearKey(Number(layer), role as LinearRole)) ?? NaN;
      assertAlmostEquals(ours, value, single(layers) * size, at);
      quadrature += value - Reflect.get(golden.nodes40, at);
      sum += ours;
    }
    // Completeness: what is left is what PyTorch finds between 4 and 40 nodes, and between 40 and the divergence.
    using linearsOnly = model.with({
      linears: new Map(
        [...prices.keys()].map((key) => {
          const [layer, role] = key.split(".");
          return [key, rounded.linear(Number(layer), role as LinearRole).retain()] as const;
        }),
      ),
      change: "linears",
    });
    const whole = await divergence(linearsOnly, model, windows);
    const total40 = Object.values(golden.nodes40).reduce((all, one) => all + one, 0);
    const left = Math.abs(quadrature) + Math.abs(total40 - golden.divergence);
    assertAlmostEquals(whole.value, golden.divergence, single(layers) * golden.divergence);
    assertAlmostEquals(sum, whole.value, left + single(layers) * size);
    assert(left < 0.005 * golden.divergence, `${left} of ${golden.divergence}`);
  });
}

Deno.test("a layer that is not rounded costs nothing by any score; one that is rounded alone costs all there is", async () => {
  using model = await loadModel("fixture:llama");
  const windows = await corpus("sotu", { windows: 1, length: 32 });
  const predictions = await FloatPredictions.of(model, windows);
  const scheme = { overrides: [{ layers: [1], linears: ["v" as const], weights: rtn({ bits: 2 }) }] };
  using rounded = await quantize(model, scheme);
  const prices = await shapleyScores(model, rounded, predictions);
  assertEquals([...prices.keys()], [linearKey(1, "v")]);
  const { value } = await divergence(rounded, model, windows);
  // Four nodes are exact up to degree 7: the divergence of one layer is nearly a parabola.
  assertAlmostEquals((prices.get(linearKey(1, "v")) ?? NaN) / value, 1, 0.005);
  const { linears } = await fisherScores(model, rounded, windows);
  assertEquals([...linears].filter(([, score]) => score !== 0).map(([key]) => key), [linearKey(1, "v")]);
});

Deno.test("nodes integrate polynomials up to degree 7", () => {
  for (let degree = 0; degree <= 7; degree++) {
    const sum = nodes.reduce((total, [at, weight]) => total + weight * at ** degree, 0);
    assertAlmostEquals(sum, 1 / (degree + 1), 1e-15);
  }
});

for (const name of ["fixture:opt", "fixtures/families/gpt_neox"]) {
  Deno.test(`${name}: the ends of the decoder, scored as what they are`, async () => {
    using model = await loadModel(name);
    const weights = rtn({ bits: 3 });
    using rounded = await quantize(model, { head: weights, embedding: weights });
    const calibration = [Int32Array.of(3, 5, 3, 7, 9), Int32Array.of(1, 2, 3)];
    const predictions = await FloatPredictions.of(model, calibration);
    const found = await endsSensitivities(model, rounded, weights, {
      calibration,
      predictions,
      scores: scoreNames,
    });
    const tied = isTied(model);
    assertEquals(found.map(({ role }) => role), tied ? ["ends"] : ["head", "embedding"]);
    const { value: both } = await divergence(rounded, model, calibration);
    assertAlmostEquals(found.reduce((sum, { scores: { shapley = NaN } }) => sum + shapley, 0), both, 1e-12);
    const before = sizes(model).parts, after = sizes(rounded).parts;
    const others = (parts: typeof before) =>
      parts.filter(({ kind }) => kind !== "head" && kind !== "embedding").reduce(
        (sum, { bytes }) => sum + bytes,
        0,
      );
    assertEquals(others(before), others(after));
    assertEquals(
      found.reduce((sum, { bytes }) => sum + bytes, 0),
      sizes(rounded).model.bytes - others(after),
    );
    if (tied) return;
    // Of the embedding: the rows that are looked up, those that come twice twice.
    const [table, coded] = [await model.embedding.values(), await rounded.embedding.values()];
    const width = model.embedding.shape[1];
    let sum = 0;
    for (const id of [3, 5, 3, 7, 9, 1, 2, 3]) {
      for (let i = id * width; i < (id + 1) * width; i++) sum += (table[i] - coded[i]) ** 2;
    }
    assertAlmostEquals((found[1].scores.hessian ?? NaN) / (sum / 8), 1, 1e-12);
  });
}

Deno.test("models whose gradients are not known are named", async () => {
  for (
    const [name, said] of [["mixtral", "mixtures of experts"], ["cohere", "the gradient of layer 0"], [
      "mamba",
      "state-space",
    ]]
  ) {
    using model = await loadModel(`fixtures/families/${name}`);
    await assertRejects(() => requireGradients(model, Int32Array.of(1, 2, 3)), SchemeError, said);
  }
});
