/** Tests of the matrix products, row operations and element-wise operations of every device. */

import {
  absoluteDot,
  assertSameBits,
  type Case,
  gamma,
  linearDevices,
  Random,
  testCases,
  u,
} from "./suite.ts";
import type { Activation, Device, GemmShape, RotaryShape } from "../device.ts";

const random = new Random(1);

function linearCase([rows, out, inner]: number[], withBias: boolean, poison?: [number, number]): Case {
  const x = random.normal(rows * inner), w = random.normal(out * inner), b = random.normal(out);
  if (poison) x[poison[0]] = poison[1];
  return {
    name: `linear ${rows} x ${out} x ${inner}${withBias ? " + bias" : ""}${
      poison ? ` with ${poison[1]}` : ""
    }`,
    async run(device) {
      using input = device.upload(x), weight = device.weight(w, out, inner), bias = device.upload(b);
      using y = device.allocate(rows * out);
      device.linear(input, weight, withBias ? bias : null, y, rows);
      return await device.read(y);
    },
    // k products and k - 1 additions in any order, the bias, and the rounding of the reference.
    // Before that, the rounding of the weights.
    bound(i, expected, { underflow, weight }) {
      const row = Math.floor(i / out) * inner, column = (i % out) * inner;
      const dot = (w: (k: number) => number) => absoluteDot(inner, (k) => x[row + k], w);
      const stored = dot((k) => weight(w[column + k])), size = dot((k) => w[column + k]) + stored;
      return gamma(inner + 2) * (size + Math.abs(withBias ? b[i % out] : 0)) + u * Math.abs(expected) +
        underflow * inner + stored;
    },
  };
}

const linearShapes = [
  [1, 1, 1],
  [2, 7, 3],
  [3, 64, 300],
  [4, 8, 256],
  [5, 9, 257],
  [97, 131, 67],
  [130, 200, 513],
  [1, 513, 1025],
  [50, 17, 1000],
];
testCases("linear", [
  ...linearShapes.flatMap((shape) => [linearCase(shape, false), linearCase(shape, true)]),
  linearCase([9, 33, 40], true, [85, NaN]),
  linearCase([2, 33, 40], true, [3, Infinity]),
], linearDevices);

for (const tested of linearDevices) {
  Deno.test(`linear: a row has the same bits alone and among others (${tested.name})`, async () => {
    const device = await tested.open();
    const rows = 61, out = 77, inner = 600;
    const x = random.normal(rows * inner);
    using input = device.upload(x), weight = device.weight(random.normal(out * inner), out, inner);
    using y = device.allocate(rows * out), bias = device.upload(random.normal(out));
    device.linear(input, weight, bias, y, rows);
    const together = await device.read(y);
    for (let row = 0; row < rows; row++) {
      using one = device.upload(x.subarray(row * inner, (row + 1) * inner));
      device.linear(one, weight, bias, y, 1);
      assertSameBits(
        await device.read(y, 0, out),
        together.subarray(row * out, (row + 1) * out),
        `row ${row}`,
      );
    }
  });
}

function gemmCase(shape: GemmShape): Case {
  const { m, n, k, transposeA, transposeB, alpha = 1, beta = 0 } = shape;
  const a = random.normal(m * k), b = random.normal(k * n), c = random.normal(m * n);
  if (beta === 0) c[0] = NaN;
  return {
    name: `gemm ${JSON.stringify(shape)}`,
    async run(device) {
      using left = device.upload(a), right = device.upload(b), y = device.upload(c);
      device.gemm(left, right, y, shape);
      return await device.read(y);
    },
    // As for `linear`; then two products and an addition, and the rounding of the reference.
    bound(index, expected, { underflow }) {
      const i = Math.floor(index / n), j = index % n;
      const left = (l: number) => a[transposeA ? l * m + i : i * k + l];
      const size = Math.abs(alpha) * absoluteDot(k, left, (l) => b[transposeB ? j * k + l : l * n + j]);
      const old = beta === 0 ? 0 : Math.abs(beta * c[index]);
      return gamma(k + 3) * (size + old) + u * Math.abs(expected) + underflow * (k + 2);
    },
  };
}

testCases(
  "gemm",
  [
    { m: 1, n: 1, k: 1 },
    { m: 3, n: 5, k: 0 },
    { m: 3, n: 5, k: 0, beta: 0.5 },
    { m: 37, n: 29, k: 41 },
    { m: 37, n: 29, k: 41, transposeA: true },
    { m: 2, n: 29, k: 41, transposeA: true },
    { m: 37, n: 29, k: 41, transposeB: true, alpha: 0.3 },
    { m: 101, n: 203, k: 307, transposeA: true, transposeB: true, alpha: -2, beta: 1 },
    { m: 128, n: 96, k: 600, beta: -0.7 },
  ].map(gemmCase),
);

testCases(
  "gram",
  [[1, 1], [5, 3], [256, 65], [700, 131]].map(([rows, columns]): Case => {
    const x = random.normal(rows * columns);
    return {
      name: `gram ${rows} x ${columns}, twice`,
      async run(device) {
        using input = device.upload(x), acc = device.gram(columns);
        acc.add(input, rows);
        acc.add(input, rows);
        return await acc.read();
      },
      // Float32 sums over at most 256 rows (256 roundings each), float64 sums of those.
      bound(i) {
        const j = Math.floor(i / columns), k = i % columns;
        const size = 2 * absoluteDot(rows, (row) => x[row * columns + j], (row) => x[row * columns + k]);
        return (gamma(Math.min(rows, 256)) + rows * 2 ** -52) * size;
      },
    };
  }),
);

const normShapes = [[1, 1], [3, 5], [7, 64], [130, 257]];

testCases(
  "rmsNorm",
  normShapes.flatMap(([rows, n]) =>
    [0, NaN, Infinity].map((special): Case => {
      const x = random.normal(rows * n, 3), w = random.normal(n);
      if (special !== 0) x[0] = special;
      return {
        name: `rmsNorm ${rows} x ${n} with ${special}`,
        async run(device) {
          using input = device.upload(x), weight = device.upload(w), y = device.allocate(rows * n);
          device.rmsNorm(input, weight, y, rows, 1e-5);
          return await device.read(y);
        },
        // The root halves the error of the sum of squares, of its division and of an addition; then the inverse root, two
        // products, and the rounding of the reference.
        bound: (_, expected, { rowSum, division, inverseRoot, underflow }) =>
          Math.abs(expected) * (rowSum(n) / 2 + gamma(4 + division + inverseRoot)) + underflow,
      };
    })
  ),
);

testCases(
  "layerNorm",
  normShapes.flatMap(([rows, n]) =>
    [0, NaN].map((special): Case => {
      const x = random.normal(rows * n, 3), w = random.normal(n), b = random.normal(n);
      if (special !== 0) x[0] = special;
      return {
        name: `layerNorm ${rows} x ${n} with ${special}`,
        async run(device) {
          using input = device.upload(x), weight = device.upload(w), bias = device.upload(b);
          using y = device.allocate(rows * n);
          device.layerNorm(input, weight, special ? null : bias, y, rows, 1e-5);
          return await device.read(y);
        },
        // An error d of the mean moves x - mean by d and the variance by d^2; the rest is as for rmsNorm.
        bound(i, expected, { rowSum, division, inverseRoot, underflow }) {
          const row = x.subarray(i - i % n, i - i % n + n);
          const mean = row.reduce((sum, v) => sum + v, 0) / n;
          const deviation = Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / n + 1e-5);
          const d = rowSum(n) * row.reduce((sum, v) => sum + Math.abs(v), 0) / n / deviation;
          const normal = Math.abs((x[i] - mean) / deviation), gain = Math.abs(w[i % n]);
          const shift = special ? 0 : Math.abs(b[i % n]);
          const scaled = gain *
            (d + normal * (d * d / 2 + rowSum(n) / 2 + gamma(4 + division + inverseRoot)));
          return scaled + u * (Math.abs(expected) + shift) + underflow;
        },
      };
    })
  ),
);

function rotaryCase(shape: RotaryShape): Case {
  const { tokens, heads, headDim, rotaryDim, position, layout } = shape;
  const x = random.normal(tokens * heads * headDim), half = rotaryDim / 2;
  const table = Float32Array.from({ length: (position + tokens) * rotaryDim }, (_, i) => {
    const angle = Math.floor(i / rotaryDim) * 10000 ** (-(i % half) / half);
    return i % rotaryDim < half ? Math.cos(angle) : Math.sin(angle);
  });
  return {
    name: `rotary ${JSON.stringify(shape)}`,
    async run(device) {
      using data = device.upload(x), angles = device.upload(table);
      device.rotary(data, angles, shape);
      return await device.read(data);
    },
    // Two products and an addition, and the rounding of the reference.
    bound(i, _, { underflow }) {
      const d = i % headDim;
      if (d >= rotaryDim) return 0;
      const partner = layout === "half" ? (d + half) % rotaryDim : d ^ 1;
      return gamma(3) * (Math.abs(x[i]) + Math.abs(x[i - d + partner])) + underflow;
    },
  };
}

testCases(
  "rotary",
  (["half", "interleaved"] as const).flatMap((layout) => [
    rotaryCase({ tokens: 1, heads: 1, headDim: 2, rotaryDim: 2, position: 0, layout }),
    rotaryCase({ tokens: 7, heads: 3, headDim: 10, rotaryDim: 6, position: 5, layout }),
    rotaryCase({ tokens: 65, heads: 8, headDim: 64, rotaryDim: 64, position: 3, layout }),
    rotaryCase({ tokens: 2, heads: 1, headDim: 3, rotaryDim: 0, position: 0, layout }),
  ]),
);

/** Many magnitudes of both signs, and everything special. */
const sweep = Float32Array.from([
  ...[0, -0, NaN, Infinity, -Infinity, 1e-40, -1e-40, 3e38, -3e38, 1e20, -1e20],
  ...Array.from({ length: 40_001 }, (_, i) => (i - 20_000) / 1000),
  ...random.normal(2000, 60),
  ...random.normal(2000, 1e-3),
]);

// E is the error of exp and D that of a division; see `cpu/assembly/math.ts` for the counts. The polynomial of gelu
// changes by less than half of what its argument, a quotient, does. Where exp(x) is subnormal, so is the result.
const activationErrors: Record<Activation, (x: number, E: number, D: number) => number> = {
  relu: () => 0,
  silu: (_, E, D) => E + 3 + D,
  gelu: (_, E, D) => 2 * E + 14 + 2 * D,
  // Of e, of the sum and of the quotient come twice what their square gives the series; eight terms, the product, the sum.
  softplus: (_, E, D) => 2 * E + 6 + 2 * D,
  geluTanh: (x, E, D) => E + 3 + D + 10 * Math.abs(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)),
};

testCases(
  "activate",
  (["relu", "silu", "gelu", "geluTanh", "softplus"] as const).map((kind): Case => ({
    name: `activate ${kind}`,
    async run(device) {
      using x = device.upload(sweep);
      device.activate(kind, x);
      return await device.read(x);
    },
    bound: (i, expected, { exp, division, underflow }) =>
      Math.abs(expected) * activationErrors[kind](sweep[i], exp, division) * u +
      (1 + Math.abs(sweep[i])) * underflow,
  })),
);

testCases(
  "add and multiply",
  [[1, 1], [12, 3], [7, 7], [100_003, 100_003], [90_000, 9]].flatMap(([n, m]) => {
    const x = random.normal(n), y = random.normal(m);
    x[0] = NaN;
    y[m - 1] = -Infinity;
    // The reference adds and multiplies in float64, which rounded to float32 is the float32 result.
    return (["add", "multiply"] as const).map((op): Case => ({
      name: `${op} ${n} and ${m}`,
      bound: "exact",
      async run(device: Device) {
        using a = device.upload(x), b = device.upload(y);
        device[op](a, b);
        return await device.read(a);
      },
    }));
  }),
);

/** How far the values of a row lie below the greatest, weighted by probability, and the size of its log-sum. */
function spreadOf(values: Float32Array): { distance: number; logSum: number } {
  const row = values.filter(Number.isFinite);
  const top = row.reduce((a, b) => Math.max(a, b));
  const weights = Float64Array.from(row, (v) => Math.exp(v - top));
  const total = weights.reduce((a, b) => a + b);
  const distance = row.reduce((sum, v, j) => sum + weights[j] * (top - v), 0) / total;
  return { distance, logSum: Math.abs(top + Math.log(total)) };
}

testCases(
  "logSoftmax",
  [[1, 1], [3, 7], [5, 64], [40, 2048], [2, 5003]].map(([rows, n]): Case => {
    const x = random.normal(rows * n, 4);
    const rowsOf: ReturnType<typeof spreadOf>[] = [];
    if (rows > 2) x[n] = NaN;
    if (rows > 3) x[2 * n] = -Infinity;
    return {
      name: `logSoftmax ${rows} x ${n}, in place`,
      async run(device) {
        using data = device.upload(x);
        device.logSoftmax(data, data, rows, n);
        return await device.read(data);
      },
      // The sum's relative error becomes the logarithm's absolute one: exp itself, its argument (u times its size,
      // weighted by the probability), the sum, the logarithm. Then two subtractions, and the rounding of the reference.
      bound(i, expected, { exp, log, rowSum, underflow }) {
        const { distance, logSum } = rowsOf[Math.floor(i / n)] ??= spreadOf(
          x.subarray(i - i % n, i - i % n + n),
        );
        return (exp + 2 + distance + log) * u + rowSum(n) + 2 * u * (logSum + Math.abs(expected)) +
          underflow;
      },
    };
  }),
);
