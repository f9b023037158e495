/** Tests of quantization on every device: the same bits as the reference, whatever the values. */

import { type Case, Random, testCases } from "./suite.ts";
import type { QuantizeLayout, UniformRule } from "../codes.ts";

const random = new Random(3);

const layouts: QuantizeLayout[] = [
  { rows: 1, columns: 1, axis: "tensor" },
  { rows: 3, columns: 7, axis: "tensor" },
  { rows: 201, columns: 333, axis: "tensor" },
  { rows: 1, columns: 1, axis: "row" },
  { rows: 97, columns: 131, axis: "row" },
  { rows: 5, columns: 96, axis: "row", groupSize: 32 },
  { rows: 301, columns: 102, axis: "row", groupSize: 3 },
  { rows: 7, columns: 5, axis: "row", groupSize: 1 },
  { rows: 1, columns: 3, axis: "column" },
  { rows: 130, columns: 203, axis: "column" },
];

const rules: UniformRule[] = [
  ...(["asymmetric", "symmetric", "offsetBinary"] as const).flatMap((mode) =>
    [true, false].flatMap((zeroInRange) =>
      (mode === "asymmetric" ? [1, 2, 4, 8, 16] : [2, 3, 8]).map((bits) => ({ bits, mode, zeroInRange }))
    )
  ),
  { bits: 4, mode: "asymmetric", zeroInRange: true, clip: 0.95 },
  { bits: 4, mode: "asymmetric", zeroInRange: false, clip: 0.95 },
  { bits: 4, mode: "symmetric", zeroInRange: true, clip: 0.9 },
];

/** Values of one kind for a whole matrix. */
const fills: Record<string, (n: number, columns: number) => Float32Array> = {
  normal: (n) => random.normal(n),
  positive: (n) => random.normal(n).map((x) => Math.abs(x) + 1),
  negative: (n) => random.normal(n).map((x) => -Math.abs(x) - 1),
  constant: (n) => new Float32Array(n).fill(-2.5),
  zeros: (n) => new Float32Array(n).map((_, i) => i % 2 ? -0 : 0),
  // Many values half-way between two codes, where rounding decides.
  ties: (n) => random.normal(n, 8).map((x) => Math.round(x * 2) / 2),
  subnormal: (n) => random.normal(n, 2 ** -146),
  huge: (n) => random.normal(n, 1e38),
  "not finite": (n, columns) => {
    const x = random.normal(n);
    x[0] = NaN;
    if (n > columns) x[columns] = Infinity;
    return x;
  },
};

for (const [fill, values] of Object.entries(fills)) {
  testCases(
    `fakeQuantize of ${fill} values`,
    layouts.flatMap((layout) => {
      const x = values(layout.rows * layout.columns, layout.columns);
      return rules.map((rule): Case => ({
        name: `fakeQuantize ${fill} ${JSON.stringify(rule)} ${JSON.stringify(layout)}`,
        bound: "exact",
        async run(device) {
          using input = device.upload(x), output = device.allocate(x.length);
          device.fakeQuantize(input, output, rule, layout);
          device.fakeQuantize(input, input, rule, layout);
          device.add(output, input);
          return await device.read(output);
        },
      }));
    }),
  );
}

testCases(
  "columnAbsMax",
  [[1, 1], [5, 3], [257, 131], [64, 1024]].map(([rows, columns]): Case => {
    const first = random.normal(rows * columns), second = random.normal(rows * columns, 0.8);
    if (columns > 3) first.set([NaN, -Infinity], 1);
    return {
      name: `columnAbsMax ${rows} x ${columns}, twice`,
      bound: "exact",
      async run(device) {
        using a = device.upload(first), b = device.upload(second), acc = device.allocate(columns);
        device.columnAbsMax(a, acc, rows);
        device.columnAbsMax(b, acc, rows);
        return await device.read(acc);
      },
    };
  }),
);

testCases(
  "errorPull",
  [[1, 1, 1], [3, 7, 2], [37, 300, 129], [70, 517, 200]].map(([rows, columns, block]): Case => {
    // Columns of very different sizes; some have no errors at all.
    const factor = Float64Array.from(random.normal(columns * columns), (value, at) => {
      const i = Math.floor(at / columns), j = at % columns;
      return j < i ? 0 : value * 2 ** (j % 19 - 9) * Math.PI;
    });
    const errors = Float64Array.from(random.normal(columns * rows), (value, at) => {
      return at % rows === 1 ? 0 : value / 3 * 10 ** (at % rows % 5);
    });
    const top = (n: number, value: (i: number) => number) =>
      Array.from({ length: n }, (_, i) => Math.abs(value(i))).reduce((a, b) => Math.max(a, b), 0);
    return {
      name: `errorPull ${rows} x ${columns} in blocks of ${block}`,
      async run(device) {
        const result = new Float64Array(columns * rows), filled = new Float64Array(columns * rows);
        using pull = device.errorPull(factor, filled, rows);
        for (let first = 0; first < columns; first += block) {
          const count = Math.min(block, columns - first);
          result.set(await pull.at(first, count), first * rows);
          const own = errors.subarray(first * rows, (first + count) * rows);
          filled.set(own, first * rows);
        }
        return result;
      },
      bound(at, _, { pull }) {
        const j = Math.floor(at / rows), first = j - j % block;
        const left = top(first, (i) => factor[i * columns + j]);
        return first * pull(first) * left * top(first, (i) => errors[i * rows + at % rows]);
      },
    };
  }),
);

const weightFills: Record<string, (n: number) => Float32Array> = {
  normal: (n) => random.normal(n, 0.02),
  // Sums of so few bits that they are exact, and many weights in the middle of two levels.
  integers: (n) => random.normal(n, 3).map(Math.round),
  constant: (n) => new Float32Array(n).fill(-0.75),
  "of many sizes": (n) => random.normal(n).map((value) => value ** 9),
};

for (const [fill, values] of Object.entries(weightFills)) {
  testCases(
    `fitBinary of weights: ${fill}`,
    [[1, 0, 3, 5], [2, 1, 4, 1], [3, 30, 5, 64], [3, 0, 2, 130], [4, 15, 3, 257], [8, 3, 2, 96]].map(
      ([bits, rounds, groups, groupSize]): Case => {
        const weights = values(groups * groupSize);
        weights.set([0, -0], Math.max(0, weights.length - 2));
        return {
          name: `fitBinary ${fill} ${groups} x ${groupSize}, ${bits} bits, ${rounds} rounds`,
          bound: "exact",
          async run(device) {
            const { patterns, alphas } = await device.fitBinary(weights, { bits, groupSize, rounds });
            return Float32Array.of(...alphas, ...patterns);
          },
        };
      },
    ),
  );
}
