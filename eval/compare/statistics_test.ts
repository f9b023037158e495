/** Statistics of a comparison against mpmath's, their coverage, and the functions that they rest on. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import golden from "../../fixtures/expected/compare.json" with { type: "json" };
import { exp } from "../../base/elementary.ts";
import { betaProbability, betaQuantile, studentQuantile, studentTails } from "./beta.ts";
import { clusterMean, clustersOf, largestOf, positiveMeanInterval, quantileOf, shareOf } from "./clusters.ts";
import { differencesOf } from "./differences.ts";
import type { WindowRecord } from "./measure.ts";
import { exponential } from "./exponential.ts";
import { ReferenceRow } from "./position.ts";
import { joined, summaryOf } from "./summary.ts";

const logitsOf = (row: readonly number[]) => Float32Array.from(row, (one) => one / 64);

/** The records of a candidate on windows of the golden logits. */
function recordsOf(name: "near" | "far", windows: number): WindowRecord {
  const row = new ReferenceRow(golden.vocabulary);
  return joined(
    golden.tokens.slice(0, windows).map((ids, w) => {
      const positions = ids.map((_, t) => {
        row.set(logitsOf(golden.reference[w][t]), ids[t + 1]);
        const found = row.compare(logitsOf(golden.candidates[name][w][t]), ids[t + 1]);
        return { ...found, confidence: row.confidence, ours: row.surprise };
      });
      const column = (of: (one: typeof positions[number]) => number) => Float64Array.from(positions, of);
      return {
        divergence: column(({ divergence }) => divergence),
        confidence: column(({ confidence }) => confidence),
        referenceSurprise: column(({ ours }) => ours),
        surprise: column(({ surprise }) => surprise),
        top1: column(({ top1 }) => Number(top1)),
        top5: column(({ top5 }) => top5),
      };
    }),
  );
}

/** Compares all that is expected, by its path, and counts the numbers. */
function assertSame(found: unknown, expected: unknown, path: string): number {
  if (typeof expected === "object" && expected !== null) {
    assert(typeof found === "object" && found !== null, path);
    return Object.entries(expected).reduce(
      (sum, [key, one]) => sum + assertSame(Reflect.get(found, key), one, `${path}.${key}`),
      0,
    );
  }
  if (expected === "Infinity") assertEquals(found, Infinity, path);
  else if (typeof expected === "number") {
    assert(typeof found === "number", path);
    assertAlmostEquals(found, expected, 1e-9 * Math.max(1, Math.abs(expected)), path);
  } else assertEquals(found, expected, path);
  return 1;
}

Deno.test("every statistic is mpmath's within 1e-9: five windows as clusters, stretches of a single one", () => {
  for (const { windows, candidates, differences } of golden.cases) {
    const clusters = clustersOf(golden.tokens.slice(0, windows).map(({ length }) => length));
    assertEquals(clusters.kind, windows === 1 ? "stretches" : "windows");
    const [near, far] = [recordsOf("near", windows), recordsOf("far", windows)];
    const found = {
      near: summaryOf(near, clusters, golden.edges, 0.95),
      far: summaryOf(far, clusters, golden.edges, 0.95),
    };
    assert(assertSame(found, candidates, `${windows} windows`) > 150);
    const labelled = [{ label: "near", record: near }, { label: "far", record: far }];
    const tests = differencesOf("reference", labelled, clusters, 0.95, 0.8);
    assertEquals(tests.length, differences.length);
    assertSame(tests, differences, `${windows} windows`);
  }
});

Deno.test("the exponential of rows is that of base/elementary.ts within its last bits, and 0 where float64 thins out", () => {
  const draw = normal(3);
  for (let i = 0; i < 20_000; i++) {
    const x = -Math.abs(draw()) * 10 ** (i % 4 - 1);
    if (x > -700) assertAlmostEquals(exponential(x) / exp(x), 1, 1e-15, `${x}`);
  }
  assertEquals([0, -0, -708.5, -Infinity].map(exponential), [1, 1, 0, 0]);
  assert(Number.isNaN(exponential(NaN)));
});

Deno.test("the incomplete beta function and Student's t are mpmath's to the last digits", () => {
  for (
    const [x, a, b, expected] of [
      [0.1, 0.5, 16.5, 0.935787023153563653],
      [0.99, 99.5, 1.5, 0.571363925738702197],
      [0.9974, 3995.2, 5.1, 0.0246734761187193937],
      [0.5, 7.5, 0.5, 0.00150177353869843195],
    ]
  ) {
    assertAlmostEquals(betaProbability(x, a, b), expected, 1e-12);
    assertAlmostEquals(betaQuantile(expected, a, b), x, 1e-11);
  }
  assertAlmostEquals(studentQuantile(0.975, 15), 2.131449545559323, 1e-12);
  assertAlmostEquals(studentQuantile(0.975, 1), 12.7062047361747, 1e-10);
  assertAlmostEquals(studentTails(-0.5, 7), 2 * 0.316203567844642108, 1e-13);
  assertEquals([betaProbability(0, 2, 3), betaProbability(1, 2, 3)], [0, 1]);
});

/** Normal numbers, the same in every run (SplitMix32, Box and Muller). */
function normal(seed: number): () => number {
  let state = seed;
  const uniform = () => {
    let z = state = (state + 0x9e3779b9) >>> 0;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (((z ^ (z >>> 16)) >>> 0) + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

Deno.test("of 1500 texts whose positions depend on each other, 93 to 97 % of the 95 % intervals hold the truth", () => {
  // Lognormal divergences: a tenth of the variance is the window's, the rest goes on from one position to the next (0.5).
  const draw = normal(7), windows = 24, length = 64, rounds = 1500;
  const clusters = clustersOf(new Array(windows).fill(length));
  const truth = { 0.5: 1, 0.9: Math.exp(1.2815515655446004), 0.99: Math.exp(2.3263478740408408) };
  const held: Record<string, number> = {
    mean: 0,
    naive: 0,
    share: 0,
    "0.5": 0,
    "0.9": 0,
    "0.99": 0,
    "0.999": 0,
    largest: 0,
  };
  const count = (name: string, [low, high]: readonly [number, number], value: number) => {
    if (low <= value && value <= high) held[name]++;
  };
  const alone = {
    ...clusters,
    count: windows * length,
    of: Int32Array.from({ length: windows * length }, (_, i) => i),
  };
  for (let round = 0; round < rounds; round++) {
    const values = new Float64Array(windows * length), small = new Float64Array(windows * length);
    for (let w = 0; w < windows; w++) {
      const own = draw();
      let state = draw();
      for (let t = 0; t < length; t++) {
        const x = Math.sqrt(0.1) * own + Math.sqrt(0.9) * state;
        values[w * length + t] = Math.exp(x);
        small[w * length + t] = Number(x < 1.5);
        state = 0.5 * state + Math.sqrt(0.75) * draw();
      }
    }
    const sorted = values.toSorted();
    count("mean", positiveMeanInterval(clusterMean(clusters, values), 0.95).interval, Math.exp(0.5));
    count("naive", positiveMeanInterval(clusterMean(alone, values), 0.95).interval, Math.exp(0.5));
    count("share", shareOf(clusters, small, 0.95).interval, 0.9331927987311419);
    // What a normal number exceeds once in 24 x 64.
    count("largest", largestOf(clusters, values, sorted, 0.95).interval, Math.exp(3.215520193943369));
    for (const [share, value] of Object.entries({ ...truth, 0.999: Math.exp(3.090232306167813) })) {
      count(share, quantileOf(clusters, values, sorted, Number(share), 0.95).interval, value);
    }
  }
  const { naive, ...ours } = Object.fromEntries(
    Object.entries(held).map(([name, one]) => [name, one / rounds]),
  );
  for (const [name, share] of Object.entries(ours)) {
    assert(share >= 0.93 && share <= 0.97, `${name}: ${share}`);
  }
  // Positions counted as independent: the same interval is wrong every fourth time.
  assert(naive < 0.85, `${naive}`);
});

Deno.test("tests raise 5 % false alarms, and find what is detectable with the power that they name", () => {
  // Differences of two candidates: the window's and the position's own part; a true difference of so many standard errors.
  const draw = normal(11),
    windows = 16,
    length = 32,
    rounds = 1500,
    sigma = Math.sqrt((0.5 + 1 / length) / windows);
  const clusters = clustersOf(new Array(windows).fill(length));
  const detectable = (studentQuantile(0.975, windows - 1) + studentQuantile(0.8, windows - 1)) * sigma;
  const zeros = new Float64Array(windows * length), found = [0, 0];
  let mean = 0;
  for (let round = 0; round < rounds; round++) {
    const noise = Array.from({ length: windows }, () => {
      const own = Math.sqrt(0.5) * draw();
      return Array.from({ length }, () => own + draw());
    }).flat();
    for (const [i, effect] of [0, detectable].entries()) {
      const record = (values: Float64Array): WindowRecord => ({
        ...{ divergence: values, surprise: zeros, referenceSurprise: zeros },
        ...{ confidence: zeros, top1: zeros, top5: zeros },
      });
      const [test] = differencesOf(
        "reference",
        [{ label: "a", record: record(Float64Array.from(noise, (one) => one + effect)) }, {
          label: "b",
          record: record(zeros),
        }],
        clusters,
        0.95,
        0.8,
      );
      if (test.pValue < 0.05) found[i]++;
      mean += test.detectable / (2 * rounds);
    }
  }
  const [alarms, power] = found.map((one) => one / rounds);
  // Three standard errors of a share of 1500: 1.7 % and 3.1 %.
  assert(Math.abs(alarms - 0.05) < 0.017 && Math.abs(power - 0.8) < 0.031, `${alarms} ${power}`);
  assert(Math.abs(mean / detectable - 1) < 0.03, `${mean / detectable}`);
});

Deno.test("degenerate: equal models, a token that is ruled out, ties, a text of one cluster", () => {
  const row = new ReferenceRow(4), logits = Float32Array.of(1, 2, 2, -Infinity);
  row.set(logits, 2);
  const same = row.compare(logits, 2);
  assertEquals(same, { divergence: 0, top1: true, top5: 1, surprise: row.surprise });
  assertEquals(row.compare(Float32Array.of(1, 2, 3, -Infinity)).top1, false);
  assertEquals(row.compare(Float32Array.of(1, 2, -Infinity, 0)).divergence, Infinity);
  assert(Number.isNaN(row.compare(logits).surprise));
  const one = clustersOf([1]);
  assertEquals(quantileOf(one, [3], Float64Array.of(3), 0.5, 0.95), { value: 3, interval: [3, Infinity] });
  assertEquals(shareOf(one, [1], 0.95).interval, [0, 1]);
  const zeros = new Float64Array(40), four = clustersOf([10, 10, 10, 10]);
  assertEquals(positiveMeanInterval(clusterMean(four, zeros), 0.95).interval, [0, 0]);
  // Where all agree, nothing says that positions of a window are independent: at worst there are four.
  const { interval: [low, high] } = shareOf(four, zeros.map(() => 1), 0.95);
  assert(high === 1 && low > 0.2 && low < 0.7, `${low}`);
});
