import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { type Block, subtractProduct } from "./float64.ts";

/** Numbers in [-1, 1) that differ from place to place. */
function noise(count: number, seed: number): Float64Array {
  let state = seed;
  return Float64Array.from(
    { length: count },
    () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 31 - 1,
  );
}

function at({ data, start, stride, transposed }: Block, i: number, j: number): number {
  return data[start + (transposed ? j * stride + i : i * stride + j)];
}

Deno.test("products of any shape, placement and orientation agree with the definition", () => {
  const size = fc.integer({ min: 1, max: 70 });
  fc.assert(
    fc.property(
      fc.record({
        m: size,
        n: fc.integer({ min: 1, max: 300 }),
        k: fc.integer({ min: 0, max: 140 }),
        start: fc.integer({ min: 0, max: 5 }),
        gap: fc.integer({ min: 0, max: 3 }),
        flipA: fc.boolean(),
        flipB: fc.boolean(),
      }),
      ({ m, n, k, start, gap, flipA, flipB }) => {
        const place = (rows: number, columns: number, transposed: boolean, seed: number): Block => {
          const stride = (transposed ? rows : columns) + gap;
          return {
            data: noise(start + (transposed ? columns : rows) * stride, seed),
            start,
            stride,
            transposed,
          };
        };
        const a = place(m, k, flipA, 1), b = place(k, n, flipB, 2), c = place(m, n, false, 3);
        const before = c.data.slice();
        subtractProduct(c, a, b, m, n, k);
        const touched = new Set<number>();
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) {
            const place = start + i * c.stride + j;
            touched.add(place);
            let sum = before[place], size = Math.abs(sum);
            for (let d = 0; d < k; d++) {
              const product = at(a, i, d) * at(b, d, j);
              sum -= product;
              size += Math.abs(product);
            }
            // Two sums of k + 1 terms in different orders, each within (k + 1) u of the exact one.
            assertLessOrEqual(Math.abs(c.data[place] - sum), 2 * (k + 1) * 2 ** -53 * size);
          }
        }
        // Nothing beside the block changed.
        for (const [place, value] of before.entries()) {
          if (!touched.has(place)) assertEquals(c.data[place], value);
        }
      },
    ),
    { numRuns: 40, seed: 7 },
  );
});

Deno.test("NaN and infinities reach the elements that depend on them and no other", () => {
  const n = 9;
  const identity = Float64Array.from({ length: n * n }, (_, i) => i % (n + 1) === 0 ? 1 : 0);
  const x = noise(n * n, 4);
  x[3 * n + 2] = NaN;
  const block = (data: Float64Array): Block => ({ data, start: 0, stride: n });
  const c = new Float64Array(n * n);
  subtractProduct(block(c), block(x), block(identity), n, n, n);
  for (let i = 0; i < n; i++) assert(c.subarray(i * n, (i + 1) * n).every(Number.isFinite) === (i !== 3));
});
