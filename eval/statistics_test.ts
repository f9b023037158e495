/** Tests of differences against published examples, exact cases and each other. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { PythonRandom } from "../base/random.ts";
import {
  adjustPValues,
  pairedBootstrap,
  pairedTest,
  StatisticsError,
  studentQuantile,
} from "./statistics.ts";
import { compareTasks } from "./tasks/compare.ts";
import type { TaskResult } from "./tasks/result.ts";

Deno.test("Student's t: the closed form with five degrees of freedom", () => {
  const { value, t, degreesOfFreedom, pValue } = pairedTest([30, 31, 34, 40, 36, 35], [
    30,
    31,
    32,
    38,
    32,
    31,
  ]);
  assertEquals([value, degreesOfFreedom], [2, 5]);
  assertAlmostEquals(t, 2 / Math.sqrt(3.2 / 6), 1e-12);
  const angle = Math.atan(t / Math.sqrt(5)), { sin, cos } = Math;
  const inside = 2 / Math.PI * (angle + sin(angle) * (cos(angle) + 2 / 3 * cos(angle) ** 3));
  assertAlmostEquals(pValue, 1 - inside, 1e-9);
});

Deno.test("no difference is no evidence, a constant difference is certain", () => {
  assertEquals(pairedTest([1, 2, 3], [1, 2, 3]), {
    value: 0,
    standardError: 0,
    t: 0,
    degreesOfFreedom: 2,
    pValue: 1,
  });
  assertEquals(pairedTest([2, 3, 4], [1, 2, 3]).pValue, 0);
  assertEquals(pairedBootstrap([2, 3, 4], [1, 2, 3]).interval, [1, 1]);
});

Deno.test("bootstrap and t test agree on many examples, and both ignore the order of the pairs", () => {
  const random = new PythonRandom(7);
  const a = Array.from({ length: 400 }, () => Number(random.random() < 0.8));
  const b = a.map((value) => random.random() < 0.06 ? 0 : value);
  const test = pairedTest(a, b), boot = pairedBootstrap(a, b, { seed: 3 });
  assertAlmostEquals(boot.value, test.value, 1e-12);
  // The interval is about two standard errors each way; resampling 10 000 times leaves a few percent.
  assertAlmostEquals(
    boot.interval[1] - boot.interval[0],
    2 * 1.96 * test.standardError,
    0.1 * test.standardError * 4,
  );
  assertEquals(pairedBootstrap(a, b, { seed: 3 }), boot);
  const swapped = pairedTest(b, a);
  assertEquals([swapped.value, swapped.pValue], [-test.value, test.pValue]);
});

Deno.test("without a difference one test in twenty raises an alarm, and none is left after adjustment", () => {
  const random = new PythonRandom(1);
  const gauss = () => Math.sqrt(-2 * Math.log(1 - random.random())) * Math.cos(2 * Math.PI * random.random());
  const pValues = Array.from({ length: 400 }, () => {
    const a = Array.from({ length: 20 }, gauss), b = Array.from({ length: 20 }, gauss);
    return pairedTest(a, b).pValue;
  });
  const alarms = pValues.filter((p) => p < 0.05).length;
  // Binomial(400, 0.05): 20 with a standard deviation of 4.4.
  assert(alarms > 6 && alarms < 34, `${alarms} alarms`);
  assertEquals(adjustPValues(pValues).filter((p) => p < 0.05).length, 0);
});

Deno.test("Benjamini and Hochberg's own example", () => {
  // Their section 3.2: 15 p-values, of which the procedure keeps 4 at the level 0.05.
  const published = [
    1e-4,
    4e-4,
    0.0019,
    0.0095,
    0.0201,
    0.0278,
    0.0298,
    0.0344,
    0.0459,
    0.324,
    0.4262,
    0.5719,
    0.6528,
    0.759,
    1,
  ];
  const adjusted = adjustPValues(published.toReversed()).toReversed();
  assertEquals(adjusted.filter((p) => p <= 0.05).length, 4);
  assertAlmostEquals(adjusted[0], 15 * 1e-4, 1e-12);
  assertEquals(adjusted.at(-1), 1);
  assertEquals(adjustPValues([]), []);
});

Deno.test("samples that are no pairs and options that make no sense are refused", () => {
  assertThrows(() => pairedTest([1, 2], [1]), StatisticsError, "a has 2 values and b 1");
  assertThrows(() => pairedTest([1], [1]), StatisticsError, "at least 2");
  assertThrows(() => adjustPValues([0.1, NaN]), StatisticsError, "pValues[1] is NaN");
  assertThrows(() => pairedBootstrap([1, 2], [1, 2], { replicates: 0 }), StatisticsError, "replicates is 0");
  assertThrows(() => pairedBootstrap([1, 2], [1, 2], { level: 1 }), StatisticsError, "level is 1");
  const result = (where: string): TaskResult => {
    const example = {
      kind: "rolling",
      id: 0,
      where,
      metrics: { acc: 1 },
      tokens: 1,
      logProbability: 0,
    } as const;
    return {
      task: "t",
      metrics: { acc: 1 },
      standardErrors: {},
      examples: [{ ...example, words: 1, bytes: 1 }],
    };
  };
  assertThrows(() => compareTasks(result("a:1"), result("b:1")), StatisticsError, "same examples");
});

Deno.test("Student's quantiles are those of the printed tables", () => {
  // Two-sided 95 % and 99 % points.
  for (const [degrees, p, t] of [[15, 0.975, 2.131], [1, 0.975, 12.706], [30, 0.995, 2.75]]) {
    assertAlmostEquals(studentQuantile(p, degrees), t, 5e-4);
  }
});
