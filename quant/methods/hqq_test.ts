import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import vectors from "../../fixtures/expected/methods2/formats/hqq.json" with { type: "json" };
import { Random } from "../../kernels/conformance/suite.ts";
import { loadModel } from "../../model/load.ts";
import { quantize } from "../quantize.ts";
import type { RealZeroWeight } from "../weights/real_zero.ts";
import { hqq, type HqqOptions, type HqqStep, shrink, solveHqq } from "./hqq.ts";

const floats = (bits: readonly number[]) => Array.from(new Float32Array(new Uint32Array(bits).buffer));
const [rows, columns] = vectors.shape;
const weight = { rows, columns, data: Float32Array.from(floats(vectors.wBits)) };

interface Stored {
  readonly codes: readonly number[];
  readonly scaleBits: readonly number[];
  readonly zeroBits: readonly number[];
  readonly yBits: readonly number[];
}
function assertStored(found: RealZeroWeight, expected: Stored, name: string): void {
  assertEquals(Array.from(found.codes()), expected.codes, name);
  assertEquals(Array.from(found.scales), floats(expected.scaleBits), name);
  assertEquals(Array.from(found.zeros), floats(expected.zeroBits), name);
  assertEquals(Array.from(found.dequantize()), floats(expected.yBits), name);
}
/** Options in a name such as `"b4.g64.axis0"`. */
function optionsOf(name: string): HqqOptions {
  const [, bits, groupSize, axis] = /b(\d)\.g(\d+)(?:\.axis(\d))?/.exec(name)?.map(Number) ?? [];
  return { bits, groupSize, axis: axis === 0 ? 0 : 1 };
}

Deno.test("the default solver's trace is the original's bit for bit: errors, zero points, codes", () => {
  for (const [name, expected] of Object.entries(vectors.legacy)) {
    const steps: HqqStep[] = [];
    const found = solveHqq(weight, hqq(optionsOf(name)), (step) => steps.push(step));
    assertEquals(
      steps.map(({ zeros }) => Array.from(zeros)),
      expected.steps.map(({ zeroBits }) => floats(zeroBits)),
      name,
    );
    assertEquals(
      steps.map(({ error }) => error),
      floats(expected.steps.map(({ errorBits: [bits] }) => bits)),
      name,
    );
    assertStored(found, expected, name);
  }
});

Deno.test("the second solver gives the original's codes: stopped early, and after all its iterations", () => {
  for (const [name, expected] of Object.entries(vectors.v2)) {
    const slow = name.startsWith("slow") ? { iterations: 100, earlyStop: false } : {};
    assertStored(solveHqq(weight, hqq({ ...optionsOf(name), solver: "v2", ...slow })), expected, name);
  }
});

Deno.test("the proximal step is the original's within an ulp of its power", () => {
  const { xBits, ...cases } = vectors.shrink, x = floats(xBits);
  for (const [name, expected] of Object.entries(cases)) {
    const [, beta, norm] = /beta(\d+)\.p([\d.]+)/.exec(name)?.map(Number) ?? [];
    for (const [i, value] of floats(expected).entries()) {
      assertAlmostEquals(
        shrink(x[i], beta, norm),
        value,
        3e-7 * Math.max(1, Math.abs(x[i])),
        `${name} ${x[i]}`,
      );
    }
  }
});

const random = new Random(5);
/** Laplacian weights, as the solver's norm below 1 supposes. */
const laplacian = {
  rows: 32,
  columns: 128,
  data: Float32Array.from({ length: 4096 }, () => {
    const u = random.next() - 0.5;
    return -Math.sign(u) * Math.log(1 - 2 * Math.abs(u));
  }),
};
/** Sum of `|error|^0.7`: what the solver lowers. */
const objective = (stored: RealZeroWeight) =>
  stored.dequantize().reduce((sum, value, i) => sum + Math.abs(value - laplacian.data[i]) ** 0.7, 0);

Deno.test("the solver lowers the error that it is about, along rows and across them", () => {
  for (const axis of [0, 1] as const) {
    const options = { bits: 2, groupSize: 64, axis };
    const before = objective(solveHqq(laplacian, hqq({ ...options, solver: "none" })));
    const after = objective(solveHqq(laplacian, hqq(options)));
    assert(after < 0.97 * before, `axis ${axis}: ${after} after ${before}`);
  }
});

Deno.test("a group as long as the row is the whole row", () => {
  for (const solver of ["none", "legacy", "v2"] as const) {
    const [own, whole] = [{ groupSize: columns }, {}].map((groups) =>
      solveHqq(weight, hqq({ bits: 3, solver, ...groups }))
    );
    assertEquals(own.codes(), whole.codes());
    assertEquals([own.scales, own.zeros], [whole.scales, whole.zeros]);
  }
});

Deno.test("a group that is constant, or all zero, comes back as it was", () => {
  const data = Float32Array.from({ length: 128 }, (_, i) => i < 64 ? 0.375 : 0);
  for (const bits of [1, 3, 8]) {
    assertEquals(solveHqq({ rows: 2, columns: 64, data }, hqq({ bits, groupSize: 64 })).dequantize(), data);
  }
});

Deno.test("packed weights are the simulated ones; groups across rows have no kernel and say so", async () => {
  using model = await loadModel("fixture:llama");
  const ids = Int32Array.from({ length: 24 }, (_, i) => (i * 37 + 5) % 600);
  const scheme = { weights: hqq({ bits: 4, groupSize: 64, solver: "none" }) };
  using simulated = await quantize(model, scheme),
    packed = await quantize(model, scheme, { execution: "packed" });
  assertEquals(await packed.logits(ids), await simulated.logits(ids));
  await assertRejects(
    () =>
      quantize(model, { weights: hqq({ bits: 4, groupSize: 64, axis: 0, solver: "none" }) }, {
        execution: "packed",
      }),
    Error,
    "hqq has no packed kernel",
  );
});

Deno.test("what does not fit is refused by name", async () => {
  assertThrows(() => hqq({ bits: 9 }), Error, "bits is 9: expected an integer from 1 to 8");
  assertThrows(() => hqq({ bits: 4, norm: 2 }), Error, "norm is 2: expected a number from 0.05 to 1");
  using model = await loadModel("fixture:llama");
  await assertRejects(
    () => quantize(model, { weights: hqq({ bits: 4, groupSize: 48 }) }),
    Error,
    "groupSize 48",
  );
});
