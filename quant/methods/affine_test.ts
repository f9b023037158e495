/** AffineQuant: masks, steps, gradients and logits of the original code; what must be exact; what is refused. */
import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import stored from "../../fixtures/expected/methods2/learned/affine.json" with { type: "json" };
import { type TinyRun, withTiny } from "../../eval/oracle/tiny_testing.ts";
import { Random } from "../../kernels/conformance/suite.ts";
import { loadModel } from "../../model/load.ts";
import { SchemeError } from "../error.ts";
import { Graph } from "../gradients/graph.ts";
import { meanSquares } from "../gradients/reconstruction.ts";
import { quantize } from "../quantize.ts";
import { bitsPerWeight, storedWeight } from "../weights/linear.ts";
import { affine, affineVariant } from "./affine.ts";
import { bandMask } from "./affine/mask.ts";
import { checkTinyRun } from "./learned_testing.ts";
import { omniquant } from "./omniquant.ts";
import { rtn } from "./rtn.ts";

Deno.test("affine: masks are the original code's", () => {
  for (const { hidden, heads, epochs, epoch, sf, maskNorm, maskHead } of stored.masks) {
    assertEquals(bandMask(hidden, epoch, epochs, sf), Float32Array.from(maskNorm.flat()));
    const size = hidden / heads, one = bandMask(size, epoch, epochs, sf);
    const expected = Float32Array.from(
      { length: size * size },
      (_, i) => maskHead[Math.floor(i / size)][i % size],
    );
    assertEquals(one, expected);
  }
});

for (const run of stored.runs as unknown as readonly TinyRun[]) {
  Deno.test(`affine ${run.model} ${run.config.id}: losses, norms, gradients, steps and logits of the original code`, async () => {
    await checkTinyRun(run, "AffineQuant", affineVariant, (outcome) => meanSquares(outcome));
  });
}

Deno.test("affine: an inverse times its matrix is the identity, and gradients are differences", () => {
  const random = new Random(4),
    size = 5,
    blocks = 2,
    draw = (n: number) => Float32Array.from({ length: n }, () => 2 * random.next() - 1);
  const matrices = draw(blocks * size * size).map((x, i) =>
    (i % (size * size) % (size + 1) === 0 ? 3 : 0) + x / 2
  );
  const weight = draw(3 * blocks * size),
    rows = draw(blocks * size * 4),
    coefficients = draw(weight.length + rows.length);
  const run = (m: Float32Array) => {
    const graph = new Graph(), leaf = graph.leaf(m), inverse = graph.inverse(leaf, size);
    const there = graph.mixColumns(graph.leaf(weight), leaf, size),
      back = graph.mixColumns(there, inverse, size);
    const mixed = graph.mixColumns(graph.leaf(weight), inverse, size);
    const turned = graph.mixRows(graph.leaf(rows), inverse, size, true);
    return { graph, leaf, back, mixed, turned };
  };
  const { graph, leaf, back, mixed, turned } = run(matrices);
  for (const [i, value] of back.data.entries()) assertLess(Math.abs(value - weight[i]), 1e-5);
  graph.give(mixed, coefficients.slice(0, weight.length));
  graph.give(turned, coefficients.slice(weight.length));
  graph.backward();
  const value = (m: Float32Array) => {
    const made = run(m), all = [...made.mixed.data, ...made.turned.data];
    return all.reduce((sum, x, i) => sum + x * coefficients[i], 0);
  };
  for (const i of [0, 3, size + 1, size * size + 7]) {
    const h = 2 ** -6, at = (d: number) => value(matrices.with(i, matrices[i] + d));
    assertLess(Math.abs((at(h) - at(-h)) / (2 * h) - (leaf.gradient?.[i] ?? NaN)), 2e-3, `entry ${i}`);
  }
});

Deno.test("affine: without parts it is round to nearest; matrices leave float logits; stability 0 stays diagonal", async () => {
  await withTiny("llama", async (model, windows) => {
    const nothing = affine({ bits: 3, clip: false, equivalent: false, epochs: 0 });
    using a = await quantize(model, { weights: nothing });
    using b = await quantize(model, { weights: rtn({ bits: 3, zeroInRange: false }) });
    assertEquals(await a.logits(windows[0]), await b.logits(windows[0]));
    const plain = await model.logits(windows[0]);
    for (const mixed of [{}, { mixChannels: true }]) {
      using moved = await quantize(model, { weights: affine({ bits: 16, epochs: 0, ...mixed }) }, {
        calibration: windows,
      });
      const other = await moved.logits(windows[0]);
      assertLess(Math.max(...plain.map((value, i) => Math.abs(value - other[i]))), 1e-3);
    }
    const closed = affine({
      bits: 3,
      stability: 0,
      epochs: 2,
      samples: 1,
      mixQueries: true,
      mixChannels: true,
    });
    using diagonal = await quantize(model, { weights: closed }, { calibration: windows });
    assert((await diagonal.logits(windows[0])).every(Number.isFinite));
    using mixing = await quantize(model, { weights: affine({ bits: 3, mixChannels: true, epochs: 0 }) }, {
      calibration: windows,
    });
    const weight = storedWeight(mixing, 0, "q"), other = storedWeight(mixing, 0, "o");
    // The matrix of 16 x 16 is shared by three readers; scales and zero points are one pair for a row of 16.
    assertEquals(other && bitsPerWeight(other), 3 + 64 / 16);
    assertEquals(weight && weight.byteLength, (other?.byteLength ?? 0) + Math.ceil(4 * 256 / 3));
  });
});

Deno.test("affine refuses by name what it cannot do", async () => {
  using model = await loadModel("fixture:llama");
  const windows = [Int32Array.from({ length: 8 }, (_, i) => i + 1)];
  await assertRejects(
    () => quantize(model, { weights: affine({ bits: 4, epochs: 0 }) }, { calibration: windows }),
    SchemeError,
    "2 heads of values for 4: expected as many",
  );
  using clipped = await quantize(model, { weights: affine({ bits: 4, equivalent: false, epochs: 0 }) });
  using same = await quantize(model, { weights: omniquant({ bits: 4, epochs: 0 }) });
  assertEquals(await clipped.logits(windows[0]), await same.logits(windows[0]));
  assertThrows(
    () => affine({ bits: 4, epochs: 1 }),
    SchemeError,
    "epochs is 1: expected 0, or an integer from 2",
  );
  assertThrows(() => affine({ bits: 4, activationBits: 4, mixChannels: true }), SchemeError, "expected 16");
});
