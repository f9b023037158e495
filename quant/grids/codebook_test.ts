import { assert, assertAlmostEquals, assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { generator, kMeans, nearest, SortedSamples, uniformCodebook } from "./codebook.ts";

const float = fc.float({ min: -1, max: 1, noNaN: true });

/** `sum w (x - nearest)^2` without any of the shortcuts. */
function directInertia(values: Float32Array, weights: Float32Array, centroids: ArrayLike<number>): number {
  let total = 0;
  for (const [i, x] of values.entries()) {
    let least = Infinity;
    for (let k = 0; k < centroids.length; k++) least = Math.min(least, (x - centroids[k]) ** 2);
    total += weights[i] * least;
  }
  return total;
}

Deno.test("nearest is the first centroid with the least distance", () => {
  fc.assert(fc.property(fc.array(float, { minLength: 1, maxLength: 16 }), float, (list, x) => {
    const centroids = Float32Array.from(list).sort();
    const distances = Array.from(centroids, (c) => Math.abs(c - x));
    const least = Math.min(...distances);
    assertEquals(Math.abs(centroids[nearest(centroids, x)] - x), least);
    assertEquals(
      centroids.indexOf(centroids[nearest(centroids, x)]),
      distances.findIndex((d, i) => d === least && centroids[i] === centroids[nearest(centroids, x)]),
    );
  }));
  assertEquals(nearest(Float32Array.of(-1, 0, 1), 0.5), 1);
  assertEquals(nearest(Float32Array.of(-1, 0, 1), -0.5), 0);
});

Deno.test("running sums give the inertia of the plain sum", () => {
  const sample = fc.tuple(float, fc.float({ min: Math.fround(0.01), max: 1, noNaN: true }));
  fc.assert(fc.property(
    fc.array(sample, { minLength: 1, maxLength: 200 }),
    fc.array(float, { minLength: 1, maxLength: 8 }),
    (list, seeds) => {
      const values = Float32Array.from(list, ([x]) => x), weights = Float32Array.from(list, ([, w]) => w);
      const centroids = seeds.toSorted((a, b) => a - b);
      const samples = new SortedSamples(values, weights);
      assertEquals(samples.values, values.toSorted());
      assertAlmostEquals(samples.inertia(centroids), directInertia(values, weights, centroids), 1e-9);
    },
  ));
});

Deno.test("each centroid is the weighted mean of its samples, and a better codebook is not close by", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(float, float), { minLength: 8, maxLength: 300 }), (list) => {
      const values = Float32Array.from(list, ([x]) => x);
      const weights = Float32Array.from(list, ([, w]) => Math.abs(w) + 0.01);
      const samples = new SortedSamples(values, weights);
      const centroids = kMeans(samples, 4);
      const bounds = samples.bounds(centroids);
      for (let k = 0; k < 4; k++) {
        const mean = samples.mean(bounds[k], bounds[k + 1]);
        if (Number.isFinite(mean)) assertAlmostEquals(centroids[k], mean, 1e-6);
      }
      assertLessOrEqual(
        samples.inertia(centroids),
        samples.inertia(uniformCodebook(4).centroids) + 1e-6,
      );
    }),
    { numRuns: 50 },
  );
});

Deno.test("k-means finds separated clusters whatever their weights", () => {
  const centers = [-0.9, -0.3, 0.2, 0.8];
  const values = Float32Array.from({ length: 400 }, (_, i) => centers[i % 4] + 0.01 * Math.sin(i));
  const weights = Float32Array.from({ length: 400 }, (_, i) => i % 4 === 0 ? 0.2 : 1);
  const found = kMeans(new SortedSamples(values, weights), 4);
  for (const [k, center] of centers.entries()) assertAlmostEquals(found[k], center, 0.02);
});

Deno.test("a cluster that weighs next to nothing is given up", () => {
  const values = Float32Array.of(-1, 0, 0.1, 0.5, 0.6), weights = Float32Array.of(1e-9, 1, 1, 1, 1);
  const found = kMeans(new SortedSamples(values, weights), 4);
  for (const [k, center] of [0, 0.1, 0.5, 0.6].entries()) assertAlmostEquals(found[k], center, 1e-7);
});

Deno.test("degenerate samples: fewer values than codes, no weight at all, one value", () => {
  const two = kMeans(new SortedSamples(Float32Array.of(-1, -1, 1), null), 4);
  assertEquals(new Set(two), new Set([-1, 1]));
  const unweighted = kMeans(new SortedSamples(Float32Array.of(0, 1, 4, 9), null), 2);
  assertEquals(kMeans(new SortedSamples(Float32Array.of(0, 1, 4, 9), new Float32Array(4)), 2), unweighted);
  assertEquals(new Set(kMeans(new SortedSamples(Float32Array.of(0.5), null), 8)), new Set([0.5]));
});

Deno.test("weights pull centroids to where they are", () => {
  const values = Float32Array.from({ length: 1001 }, (_, i) => i / 500 - 1);
  const right = kMeans(new SortedSamples(values, values.map((x) => x > 0 ? 1 : 1e-4)), 4);
  const even = kMeans(new SortedSamples(values, null), 4);
  assert(right[1] > even[1] + 0.1, `${right} against ${even}`);
  for (const [k, center] of [-0.75, -0.25, 0.25, 0.75].entries()) assertAlmostEquals(even[k], center, 0.02);
});

Deno.test("the generator is mulberry32: numbers of its definition in Python's integers", () => {
  const numbers = (seed: number, count: number) => Array.from({ length: count }, generator(seed));
  assertEquals(numbers(0, 3), [0.26642920868471265, 0.0003297457005828619, 0.2232720274478197]);
  assertEquals(numbers(1, 3), [0.6270739405881613, 0.002735721180215478, 0.5274470399599522]);
  assertEquals(numbers(-1, 2), [0.8964226141106337, 0.189478256739676]);
});
