import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { judge } from "./gate/verdict.ts";
import { bandOf, fittedExponent, measureInTurns, medianInterval, quantile } from "./measure.ts";

/** A seeded generator of numbers in [0, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 32;
}

/** Pairs of times of a noisy machine: 10% jitter, a slow drift for both, and in a tenth of the runs a stall. */
function pairs(factor: number, count: number, seed: number): [number[], number[]] {
  const random = generator(seed);
  const stall = () => random() < 0.1 ? 1 + 20 * random() : 1;
  const times: [number[], number[]] = [[], []];
  for (let i = 0; i < count; i++) {
    const drift = 1 + 0.5 * Math.sin(i / 40);
    times[0].push(factor * drift * (1 + 0.1 * random()) * stall());
    times[1].push(drift * (1 + 0.1 * random()) * stall());
  }
  return times;
}

Deno.test("a planted slowdown of 1.2 is found under noise, and no slowdown passes", () => {
  for (let seed = 1; seed <= 200; seed++) {
    assertEquals(judge(...pairs(1.2, 100, seed)).slower, true, `1.2, seed ${seed}`);
    assertEquals(judge(...pairs(1, 100, seed)).slower, false, `1.0, seed ${seed}`);
  }
});

Deno.test("a clear difference is decided early, one at the limit never", () => {
  assert(judge(...pairs(1.5, 25, 3)).decided);
  assert(judge(...pairs(0.7, 25, 3)).decided);
  const same = Array.from({ length: 101 }, (_, i) => 1 + i / 1000);
  assert(!judge(same.map((time, i) => time * Math.sqrt(1.2) * (i % 2 ? 1.01 : 0.99)), same).decided);
});

Deno.test("the interval of the median is that of the sign test", () => {
  // Binomial(25, 1/2): P(X <= 3) = 0.000078, P(X <= 4) = 0.00046, P(X <= 5) = 0.0020.
  const { low, high, median } = medianInterval(Array.from({ length: 25 }, (_, i) => i + 1));
  assertEquals([low, median, high], [5, 13, 21]);
  // 2 * 2^-10 > 0.001: ten values are too few.
  assertEquals(medianInterval([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).low, -Infinity);
});

Deno.test("quantiles interpolate, exponents are those of the law", () => {
  assertEquals([quantile([3, 1, 2], 0.5), quantile([0, 10], 0.25)], [2, 2.5]);
  assertEquals(bandOf([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), { median: 5, low: 1, high: 9 });
  assertAlmostEquals(fittedExponent([1, 2, 4, 8], [3, 12, 48, 192]), 2, 1e-12);
});

Deno.test("work takes turns, in both orders", async () => {
  const calls: string[] = [];
  const slow = (name: string) => () => {
    calls.push(name);
    for (const end = performance.now() + 3; performance.now() < end;);
  };
  const times = await measureInTurns([slow("a"), slow("b")], 2);
  assertEquals(calls, ["a", "b", "a", "b", "b", "a"]);
  assert(times.flat().every((time) => time > 0));
});
