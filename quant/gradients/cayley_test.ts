/** Cayley steps: those of the original optimizer, and matrices that stay orthogonal. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { PythonRandom } from "../../base/random.ts";
import { randomHadamard } from "../transforms/rotation.ts";
import { CayleySgd } from "./cayley.ts";
import vectors from "../../fixtures/expected/methods2/rotation-w4a8/vectors.json" with { type: "json" };

const flat = (rows: number[][]) => Float64Array.from(rows.flat());
const distance = (a: Float64Array, b: Float64Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

function orthogonalityError(matrix: Float64Array): number {
  const n = Math.sqrt(matrix.length);
  let most = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += matrix[i * n + k] * matrix[j * n + k];
      most = Math.max(most, Math.abs(sum - Number(i === j)));
    }
  }
  return most;
}

Deno.test("steps are those of the original optimizer", () => {
  for (const { P, grad, lr, qr, Pnew } of vectors.spinquant["cayley.step"]) {
    if (qr) continue;
    const matrix = flat(P);
    new CayleySgd([matrix]).step([flat(grad)], lr);
    // The original computes in float32.
    assertLess(distance(matrix, flat(Pnew)), 2e-6, `${P.length}, ${lr}`);
  }
  const { P, grad, lr, noqr } = vectors.spinquant["cayley.nonOrthogonalStart"];
  const matrix = flat(P);
  new CayleySgd([matrix]).step([flat(grad)], lr);
  assertLess(distance(matrix, flat(noqr)), 2e-6);
});

Deno.test("further steps are those of the original optimizer, which has a momentum that it never fills", () => {
  const { P, grad, lr, steps } = vectors.spinquant["cayley.momentum"];
  const matrix = flat(P), optimizer = new CayleySgd([matrix]);
  for (const [i, expected] of steps.entries()) {
    optimizer.step([flat(grad).map((value) => (i + 1) * value)], lr);
    assertLess(distance(matrix, flat(expected)), 5e-6, `step ${i}`);
  }
});

Deno.test("one draw in 101 makes a matrix orthogonal anew", () => {
  const { P, grad, lr, qr, noqr } = vectors.spinquant["cayley.nonOrthogonalStart"];
  const seed = Array.from({ length: 1000 }, (_, i) => i).find((one) =>
    new PythonRandom(one).randint(1, 101) === 1
  );
  assert(seed !== undefined);
  for (
    const [random, expected] of [[new PythonRandom(seed), qr], [new PythonRandom(seed + 1), noqr]] as const
  ) {
    const matrix = flat(P);
    new CayleySgd([matrix], { random }).step([flat(grad)], lr);
    assertLess(distance(matrix, flat(expected)), 2e-6);
  }
});

Deno.test("a gradient of zero moves nothing, and small steps keep a matrix orthogonal", () => {
  const n = 32, start = new Float64Array(n * n);
  for (let i = 0; i < n; i++) start[i * n + i] = 1;
  randomHadamard(n, 5).apply(start, n);
  const matrix = start.slice(), optimizer = new CayleySgd([matrix]);
  optimizer.step([new Float64Array(n * n)], 1.5);
  assertLess(distance(matrix, start), 2e-8); // rows are divided by their length + 1e-8
  const random = new PythonRandom(1);
  for (let step = 0; step < 16; step++) {
    optimizer.step([Float64Array.from({ length: n * n }, () => (random.random() - 0.5) / n)], 0.1);
    assertLess(orthogonalityError(matrix), 1e-6);
  }
  assert(distance(matrix, start) > 1e-3);
  assertEquals(matrix.some(Number.isNaN), false);
});
