import { assert, assertAlmostEquals, assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import fc from "fast-check";
import vectors from "../../fixtures/vectors.json" with { type: "json" };
import { packedValues } from "../../kernels/host/packed.ts";
import type { Matrix } from "../method.ts";
import { bitsPerWeight } from "../weights/linear.ts";
import { SchemeError } from "../error.ts";
import { type Spqr, spqr, spqrBits, type SpqrOptions, spqrWithHessian } from "./spqr.ts";
import type { SpqrWeight } from "../weights/spqr.ts";

function matrixOf(rows: number[][]): Matrix {
  return { rows: rows.length, columns: rows[0].length, data: Float32Array.from(rows.flat()) };
}

/** A repeatable sequence of numbers in [-1, 1). */
function noise(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from(
    { length: count },
    () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 31 - 1,
  );
}

/** Weights with a few large ones. */
function spiky(rows: number, columns: number, seed: number): Matrix {
  const data = noise(rows * columns, seed);
  for (let i = 7; i < data.length; i += 53) data[i] *= 8;
  return { rows, columns, data };
}

/** `X^T X` of random inputs whose channels have very different sizes. */
function randomHessian(columns: number, seed: number): Float64Array {
  const x = noise(2 * columns * columns, seed).map((value, i) => value * (1 + (i % columns) % 7));
  const hessian = new Float64Array(columns * columns);
  for (let t = 0; t < x.length / columns; t++) {
    for (let j = 0; j < columns; j++) {
      for (let k = 0; k < columns; k++) {
        hessian[j * columns + k] += x[t * columns + j] * x[t * columns + k];
      }
    }
  }
  return hessian;
}

/** The dense and sparse values, and where the outliers are, in the weight's own column order. */
function outlierMask(weight: SpqrWeight): Uint8Array {
  const [rows, columns] = weight.shape;
  const mask = new Uint8Array(rows * columns);
  const { start, column } = weight.outliers;
  for (let row = 0; row < rows; row++) {
    for (let k = start[row]; k < start[row + 1]; k++) {
      mask[row * columns + (weight.permutation?.[column[k]] ?? column[k])] = 1;
    }
  }
  return mask;
}

/** Algorithm 1 as SPEC section 9.3 writes it, in float64, without any of the method's own parts. */
function twin(
  weight: Matrix,
  hessian: Float64Array,
  scheme: Spqr,
): { values: number[]; mask: number[]; ties: number } {
  const { rows, columns, data } = weight, n = columns;
  const top = 2 ** scheme.bits - 1, T = scheme.outlierThreshold ?? Infinity;
  const round = (x: number) => {
    const low = Math.floor(x), part = x - low;
    return part > 0.5 || (part === 0.5 && low % 2 !== 0) ? low + 1 : low;
  };
  const diagonal = Array.from({ length: n }, (_, j) => hessian[j * n + j]);
  const order = diagonal.map((_, j) => j);
  if (scheme.actOrder) order.sort((a, b) => diagonal[b] - diagonal[a] || a - b);
  const damp = scheme.percdamp * diagonal.reduce((a, b) => a + Math.abs(b), 0) / n;
  const H = order.map((a, i) =>
    order.map((b, j) => i === j ? (diagonal[a] === 0 ? 1 : diagonal[a] + damp) : hessian[a * n + b])
  );
  // Gauss-Jordan inverse, then the upper factor by eliminating from the last row: independent of cholesky.ts.
  const A = H.map((row, i) => [...row, ...row.map((_, j) => i === j ? 1 : 0)]);
  for (let i = 0; i < n; i++) {
    const pivot = A[i][i];
    A[i] = A[i].map((x) => x / pivot);
    for (let r = 0; r < n; r++) {
      if (r !== i) {
        const factor = A[r][i];
        A[r] = A[r].map((x, c) => x - factor * A[i][c]);
      }
    }
  }
  const inverse = A.map((row) => row.slice(n));
  const U = inverse.map((row) => row.map(() => 0));
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n; j++) {
      let sum = inverse[i][j];
      for (let k = 0; k < i; k++) sum -= U[k][i] * U[k][j];
      U[i][j] = i === j ? Math.sqrt(sum) : sum / U[i][i];
    }
  }
  const W = Array.from(
    { length: rows },
    (_, r) => order.map((j) => diagonal[j] === 0 ? 0 : data[r * n + j]),
  );
  let T0 = 0;
  for (let j = 0; j < n; j++) {
    const column = W.map((row) => row[j]), mean = column.reduce((a, b) => a + b) / rows;
    T0 += column.reduce((a, b) => a + (b - mean) ** 2, 0) / (rows - 1) / U[j][j] ** 2 / n;
  }
  const limit = T * T0;
  const fit = (x: number[]) => {
    let least = Math.min(...x), most = Math.max(...x);
    if (least === most) [least, most] = [Math.min(least, 0), Math.max(most, 0)];
    const s = (most - least) / top;
    return { s, z: s === 0 ? 0 : -least / s };
  };
  let ties = 0;
  const code = (x: number, { s, z }: { s: number; z: number }) => {
    const real = x / Math.max(s, 1e-9) + z;
    ties += Math.abs(real - Math.floor(real) - 0.5) < 1e-4 ? 1 : 0;
    return Math.min(Math.max(round(real), 0), top);
  };
  const value = (x: number, q: { s: number; z: number }) => q.s * (code(x, q) - q.z);
  const second = (x: number[], bits: number) => {
    if (bits === 16) return x;
    const result: number[] = [];
    for (let r = 0; r < x.length; r += scheme.statisticsGroupSize) {
      const part = x.slice(r, r + scheme.statisticsGroupSize), most = 2 ** bits - 1;
      let least = Math.min(...part), high = Math.max(...part);
      if (least === high) [least, high] = [Math.min(least, 0), Math.max(high, 0)];
      const s = (high - least) / most, z = s === 0 ? 0 : -least / s;
      result.push(...part.map((v) => {
        const real = v / Math.max(s, 1e-9) + z;
        ties += Math.abs(real - Math.floor(real) - 0.5) < 1e-4 ? 1 : 0;
        return s * (Math.min(Math.max(round(real), 0), most) - z);
      }));
    }
    return result;
  };
  const values = new Array<number>(rows * n), mask = new Array<number>(rows * n).fill(0);
  const size = scheme.groupSize === -1 ? n : scheme.groupSize;
  let grids: { s: number; z: number }[] = [];
  for (let c = 0; c < n; c++) {
    if (c % size === 0) {
      const fits = W.map((row) => {
        const g = row.slice(c, c + size);
        const costOf = (skip: number) => {
          const q = fit(g.filter((_, j) => j !== skip));
          return g.reduce(
            (sum, w, j) => sum + (j === skip ? 0 : ((value(w, q) - w) / U[c + j][c + j]) ** 2),
            0,
          );
        };
        const base = costOf(-1);
        const loud = g.map((_, i) => {
          if (limit === Infinity || !scheme.leaveOneOut) return false;
          const saved = base - costOf(i);
          ties += Math.abs(saved - limit) < 1e-4 * limit ? 1 : 0;
          return saved > limit;
        });
        const calm = g.filter((_, i) => !loud[i]);
        const mean = calm.reduce((a, b) => a + b, 0) / Math.max(1, calm.length);
        return fit(g.map((w, i) => loud[i] ? mean : w));
      });
      const s = second(fits.map((one) => one.s), scheme.scaleBits);
      const z = second(fits.map((one) => one.z), scheme.zeroBits);
      grids = s.map((_, r) => ({ s: s[r], z: z[r] }));
    }
    for (let r = 0; r < rows; r++) {
      const w = W[r][c], rounded = value(w, grids[r]);
      const cost = ((w - rounded) / U[c][c]) ** 2;
      ties += Math.abs(cost - limit) < 1e-4 * limit ? 1 : 0;
      const kept = cost > limit ? w : rounded;
      mask[r * n + order[c]] = cost > limit ? 1 : 0;
      values[r * n + order[c]] = kept;
      for (let k = c; k < n; k++) W[r][k] -= (w - kept) / U[c][c] * U[c][k];
    }
  }
  return { values, mask, ties };
}

Deno.test("spqr agrees with the golden vector", () => {
  const { W, dequant, outliers, threshold, perm } = vectors.spqr;
  const hessian = Float64Array.from(vectors.gptq.H.flat());
  const scheme = spqr({
    bits: 3,
    groupSize: 4,
    statisticsGroupSize: 4,
    outlierThreshold: 0.05,
    precision: "float32",
  });
  const result = spqrWithHessian(matrixOf(W), hessian, scheme);
  assertAlmostEquals(result.threshold, threshold, 1e-6 * threshold);
  assertEquals([...result.weight.permutation ?? []], perm);
  assertEquals([...outlierMask(result.weight)], outliers.flat());
  for (const [i, value] of result.weight.dequantize().entries()) {
    assertAlmostEquals(value, dequant.flat()[i], 2e-6);
  }
  assertEquals(packedValues(result.weight.pack()), result.weight.dequantize());
});

Deno.test("spqr computes algorithm 1: same outliers and values as a float64 twin, over random shapes", () => {
  let compared = 0;
  fc.assert(
    fc.property(
      fc.record({
        groups: fc.integer({ min: 1, max: 3 }),
        size: fc.constantFrom(1, 2, 5, 8),
        blocks: fc.integer({ min: 1, max: 3 }),
        statisticsGroupSize: fc.constantFrom(1, 2, 4),
        bits: fc.integer({ min: 2, max: 4 }),
        outlierThreshold: fc.constantFrom(0.02, 0.1, 0.5, Infinity),
        actOrder: fc.boolean(),
        leaveOneOut: fc.boolean(),
        scaleBits: fc.constantFrom(3, 16),
        zeroBits: fc.constantFrom(4, 16),
        dead: fc.boolean(),
        seed: fc.integer({ min: 1, max: 1 << 30 }),
      }),
      ({ groups, size, blocks, dead, seed, ...options }) => {
        const columns = groups * size, rows = Math.max(2, blocks * options.statisticsGroupSize);
        if (rows % options.statisticsGroupSize !== 0) return;
        const scheme = spqr({ ...options, groupSize: size, precision: "float32" });
        const weight = spiky(rows, columns, seed), hessian = randomHessian(columns, seed + 1);
        if (dead) {
          for (let k = 0; k < columns; k++) hessian[k] = hessian[k * columns] = 0;
        }
        const ours = spqrWithHessian(weight, hessian, scheme).weight,
          expected = twin(weight, hessian, scheme);
        // A decision within 1e-4 of its boundary may fall either way in float32.
        if (expected.ties > 0) return;
        compared++;
        assertEquals([...outlierMask(ours)], expected.mask);
        for (const [i, value] of ours.dequantize().entries()) {
          assertAlmostEquals(value, expected.values[i], 1e-4);
        }
      },
    ),
    { seed: 1, numRuns: 150 },
  );
  assert(compared > 75, `only ${compared} of 150 cases had no tie`);
});

Deno.test("an infinite threshold and null mean the same: no outliers", () => {
  const weight = spiky(16, 32, 3), hessian = randomHessian(32, 4);
  const none = spqrWithHessian(weight, hessian, spqr({ bits: 3, outlierThreshold: null })).weight;
  const huge = spqrWithHessian(weight, hessian, spqr({ bits: 3, outlierThreshold: 1e30 })).weight;
  assertEquals(spqr({ bits: 3, outlierThreshold: Infinity }), spqr({ bits: 3, outlierThreshold: null }));
  assertEquals(
    JSON.parse(JSON.stringify(spqr({ bits: 3, outlierThreshold: Infinity }))).outlierThreshold,
    null,
  );
  assertEquals(none.outliers.count, 0);
  assertEquals(none.outliers.byteLength, 0);
  assertEquals(huge.dequantize(), none.dequantize());
});

Deno.test("a threshold of 0 keeps every weight that rounding would change: nothing is lost", () => {
  const weight = spiky(16, 32, 5);
  const scheme = spqr({ bits: 2, outlierThreshold: 0, precision: "float32" });
  assertEquals(spqrWithHessian(weight, randomHessian(32, 6), scheme).weight.dequantize(), weight.data);
});

Deno.test("an identity Hessian spreads nothing: each group is rounded on its own range", () => {
  const weight = spiky(16, 32, 7), identity = new Float64Array(32 * 32);
  for (let j = 0; j < 32; j++) identity[j * 33] = 1;
  const scheme = spqr({
    bits: 3,
    scaleBits: 16,
    zeroBits: 16,
    outlierThreshold: null,
    actOrder: false,
    precision: "float32",
  });
  const values = spqrWithHessian(weight, identity, scheme).weight.dequantize();
  for (let group = 0; group < values.length / 16; group++) {
    const own = weight.data.subarray(16 * group, 16 * group + 16);
    const least = Math.min(...own), step = (Math.max(...own) - least) / 7;
    for (const [i, w] of own.entries()) {
      const rounded = least + step * Math.round((w - least) / step);
      // Half a step is the most that rounding may move; float32 arithmetic adds a few units in the last place.
      assertLessOrEqual(Math.abs(values[16 * group + i] - rounded), 1e-5);
    }
  }
});

Deno.test("one group for a whole row is groupSize -1", () => {
  const weight = spiky(16, 32, 9), hessian = randomHessian(32, 10);
  const whole = spqrWithHessian(weight, hessian, spqr({ bits: 4, groupSize: -1 })).weight;
  assertEquals(
    whole.dequantize(),
    spqrWithHessian(weight, hessian, spqr({ bits: 4, groupSize: 32 })).weight.dequantize(),
  );
});

Deno.test("groups without extent come back exactly: zeros, constants, dead inputs", () => {
  const weight = spiky(16, 32, 11), hessian = randomHessian(32, 12);
  for (let row = 0; row < 16; row++) {
    for (let j = 0; j < 16; j++) weight.data[row * 32 + j] = row % 2 === 0 ? 0 : 0.75;
  }
  for (let k = 0; k < 32; k++) hessian[20 * 32 + k] = hessian[k * 32 + 20] = 0;
  const identity = new Float64Array(32 * 32);
  for (let j = 0; j < 32; j++) identity[j * 33] = 1;
  const exact = { scaleBits: 16, zeroBits: 16, actOrder: false, outlierThreshold: null };
  const constant = spqrWithHessian(weight, identity, spqr({ bits: 3, ...exact })).weight.dequantize();
  for (let row = 0; row < 16; row++) {
    for (let j = 0; j < 16; j++) {
      // The scale 0.75 / 7 is stored as float16: 11 bits of it are right.
      assertAlmostEquals(constant[row * 32 + j], weight.data[row * 32 + j], 0.75 * 2 ** -11);
    }
  }
  const dead = spqrWithHessian(weight, hessian, spqr({ bits: 3 })).weight.dequantize();
  assert(dead.every(Number.isFinite));
});

Deno.test("kernels get the values of the dequantized weight, dense and sparse part", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom<SpqrOptions["outlierThreshold"]>(0, 0.05, 0.5, null),
      fc.constantFrom<Spqr["precision"]>("float16", "float32"),
      fc.boolean(),
      (blocks, groups, outlierThreshold, precision, actOrder) => {
        const rows = 8 * blocks, columns = 8 * groups;
        const scheme = spqr({
          bits: 3,
          groupSize: 8,
          statisticsGroupSize: 8,
          outlierThreshold,
          precision,
          actOrder,
        });
        const { weight } = spqrWithHessian(spiky(rows, columns, 13), randomHessian(columns, 14), scheme);
        assertEquals(packedValues(weight.pack()), weight.dequantize());
      },
    ),
    { seed: 2, numRuns: 40 },
  );
});

Deno.test("stored bits are the paper's formula and what it leaves out: row starts and the permutation", () => {
  const rows = 64, columns = 128;
  const { weight } = spqrWithHessian(spiky(rows, columns, 16), randomHessian(columns, 17), spqr({ bits: 3 }));
  const share = weight.outliers.count / (rows * columns);
  assert(share > 0.001 && share < 0.2, `${share}`);
  const rowStarts = 32 * (rows + 1) / (rows * columns), permutation = 16 / rows;
  assertAlmostEquals(
    bitsPerWeight(weight),
    spqrBits(spqr({ bits: 3 }), share) + rowStarts + permutation,
    1e-12,
  );
  const { fourbit, threebit } = vectors.spqr.avg_bits;
  assertAlmostEquals(spqrBits(spqr({ bits: 3 }), 0.01138), fourbit, 1e-9);
  assertAlmostEquals(spqrBits(spqr({ bits: 2, groupSize: 32 }), 0.02358), threebit, 1e-9);
});

Deno.test("fewer outliers with a higher threshold, and a lower loss with more of them", () => {
  const weight = spiky(32, 64, 18), hessian = randomHessian(64, 19);
  const runs = [0.02, 0.1, 0.5, 2, Infinity].map((outlierThreshold) =>
    spqrWithHessian(weight, hessian, spqr({ bits: 3, outlierThreshold }))
  );
  for (let i = 1; i < runs.length; i++) {
    assertLessOrEqual(runs[i].weight.outliers.count, runs[i - 1].weight.outliers.count);
    assertLessOrEqual(runs[i - 1].loss, runs[i].loss);
  }
});

Deno.test("options and shapes are checked", () => {
  assertThrows(() => spqr({ bits: 1 }), SchemeError, "bits is 1: expected an integer from 2 to 8");
  assertThrows(() => spqr({ bits: 3, scaleBits: 9 }), SchemeError, "scaleBits is 9");
  assertThrows(() => spqr({ bits: 3, outlierThreshold: -1 }), SchemeError, "outlierThreshold is -1");
  assertThrows(() => spqr({ bits: 3, outlierThreshold: NaN }), SchemeError, "outlierThreshold is NaN");
  assertThrows(() => spqr({ bits: 3, treshold: 1 } as SpqrOptions), SchemeError, 'no option "treshold"');
  const weight = spiky(16, 32, 20), hessian = randomHessian(32, 21);
  const shape = (options: SpqrOptions) =>
    assertThrows(() => spqrWithHessian(weight, hessian, spqr(options)), SchemeError, "does not divide");
  assertEquals(shape({ bits: 3, groupSize: 24 }).code, "shape");
  assertEquals(shape({ bits: 3, statisticsGroupSize: 12 }).code, "shape");
});
