/** The exact allocation against all combinations. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { PythonRandom } from "../../base/random.ts";
import { allocate, type Allocation, type Choice } from "./allocate.ts";
import { AdvisorError } from "./error.ts";

/** All combinations, one by one. */
function bruteForce(groups: readonly (readonly Choice[])[], budget: number): Allocation | null {
  let best: Allocation | null = null;
  const visit = (choices: readonly number[], bytes: number, cost: number) => {
    const group = groups[choices.length];
    if (group !== undefined) {
      for (const [i, one] of group.entries()) visit([...choices, i], bytes + one.bytes, cost + one.cost);
      return;
    }
    if (bytes > budget) return;
    if (best === null || cost < best.cost || cost === best.cost && bytes < best.bytes) {
      best = { choices, bytes, cost };
    }
  };
  visit([], 0, 0);
  return best;
}

Deno.test("equals all combinations on random instances, ties and budgets beyond both ends included", () => {
  const random = new PythonRandom(1);
  let without = 0, tight = 0;
  for (let trial = 0; trial < 1500; trial++) {
    const whole = trial % 3 === 0;
    const groups = Array.from(
      { length: random.randint(1, 6) },
      () =>
        Array.from({ length: random.randint(1, 5) }, () => ({
          bytes: random.randint(0, 12),
          // Whole costs tie often; of others some are below 0, some far apart.
          cost: whole ? random.randint(0, 4) : (random.random() - 0.1) * 10 ** random.randint(-6, 3),
        })),
    );
    const budget = random.randint(0, 12 * groups.length);
    const expected = bruteForce(groups, budget), found = allocate(groups, budget);
    assertEquals(found && [found.cost, found.bytes], expected && [expected.cost, expected.bytes]);
    if (found === null) {
      without++;
      continue;
    }
    const chosen = found.choices.map((choice, g) => groups[g][choice]);
    assertEquals(chosen.reduce((sum, { bytes }) => sum + bytes, 0), found.bytes);
    assertEquals(chosen.reduce((sum, { cost }) => sum + cost, 0), found.cost);
    assert(found.bytes <= budget);
    if (found.bytes === budget) tight++;
  }
  assert(without > 50 && tight > 100, `${without} without a solution, ${tight} at the budget`);
});

Deno.test("a model of 210 linear layers with six candidates takes a moment", () => {
  const random = new PythonRandom(2), bits = [2.5, 3.25, 3.5, 4.25, 4.5, 8.25];
  const shapes = [576 * 576, 192 * 576, 192 * 576, 576 * 576, 1536 * 576, 1536 * 576, 1536 * 576];
  const groups = Array.from({ length: 210 }, (_, g) => {
    const weight = 10 ** (2 * random.random() - 1);
    return bits.map((b) => ({
      bytes: shapes[g % 7] * b / 8,
      cost: weight * 4 ** -b * (1 + 0.3 * random.random()),
    }));
  });
  const start = performance.now(), budget = 4 * shapes.reduce((sum, n) => sum + n, 0) * 30 / 8;
  const found = allocate(groups, budget);
  const seconds = (performance.now() - start) / 1000;
  assert(found !== null && found.bytes <= budget && found.bytes > 0.999 * budget);
  assert(seconds < 20, `${seconds} s`);
});

Deno.test("refuses what is no number, by its place", () => {
  assertThrows(() => allocate([[]], 1), AdvisorError, "groups[0] is empty");
  assertThrows(() => allocate([[{ bytes: -1, cost: 0 }]], 1), AdvisorError, "groups[0][0].bytes is -1");
  assertThrows(() => allocate([[{ bytes: 1, cost: NaN }]], 1), AdvisorError, "groups[0][0].cost is NaN");
  assertThrows(() => allocate([], Infinity), AdvisorError, "budget is Infinity");
  assertEquals(allocate([], 0), { choices: [], bytes: 0, cost: 0 });
});
