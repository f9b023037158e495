import { assert, assertAlmostEquals, assertEquals, assertLess, assertThrows } from "@std/assert";
import vectors from "../../fixtures/expected/methods2/mixed-lowrank-mamba/adam8bit.json" with {
  type: "json",
};
import { Random } from "../../kernels/conformance/suite.ts";
import { dynamicMap } from "../grids/dynamic.ts";
import { Adam8bit, decodeBlocks, encodeBlocks } from "./adam8bit.ts";
import { AdamW } from "./adamw.ts";

Deno.test("the maps are bitsandbytes', bit for bit", () => {
  assertEquals(Array.from(dynamicMap()), vectors.dynamicMap.signed);
  assertEquals(Array.from(dynamicMap(false)), vectors.dynamicMap.unsigned);
});

Deno.test("codes, maxima and values of blocks are those of the package's exact path; codes of the map itself return", () => {
  for (const { name, blocksize, map, x, codes, absmax, y } of vectors.blockwise) {
    // Of a block of zeros the package's look-up gives code 0; the map's 0 is another.
    if (name.startsWith("all zero")) continue;
    const kind = map as "signed" | "unsigned", got = encodeBlocks(Float32Array.from(x), kind, blocksize);
    assertEquals(Array.from(got.codes), codes, name);
    assertEquals(Array.from(got.absmax), absmax, name);
    const values = decodeBlocks(got, kind, blocksize);
    for (const [i, value] of values.entries()) {
      assertAlmostEquals(value, y[i], 2 ** -23 * Math.abs(value), `${name}, ${i}`);
    }
  }
  for (const map of ["signed", "unsigned"] as const) {
    const numbers = dynamicMap(map === "signed");
    assertEquals(decodeBlocks(encodeBlocks(numbers, map, 256), map, 256), numbers);
    const zeros = encodeBlocks(new Float32Array(5), map, 4);
    assertEquals(decodeBlocks(zeros, map, 4), new Float32Array(5));
  }
});

Deno.test("steps: parameters, codes and maxima of an independent implementation of the GPU kernel's arithmetic", () => {
  for (const { options, p0, gradients, steps } of vectors.stepsIndependent) {
    const parameter = Float32Array.from(p0), { lr, betas, eps, weight_decay, blocksize } = options;
    const adam = new Adam8bit(new Map([["p", parameter]]), {
      learningRate: lr,
      betas: betas as [number, number],
      eps,
      weightDecay: weight_decay,
      blockSize: blocksize,
    });
    for (const [k, { p, code1, absmax1, code2, absmax2 }] of steps.entries()) {
      const what = `block ${blocksize}, decay ${weight_decay}, step ${k + 1}`;
      adam.step(new Map([["p", Float32Array.from(gradients[k] as (number | null)[], (one) => one ?? NaN)]]));
      const { means, squares } = adam.state();
      assertEquals(Array.from(means.p.codes), code1, what);
      assertEquals(Array.from(squares.p.codes), code2, what);
      for (const [b, most] of absmax1.entries()) {
        assertAlmostEquals(means.p.absmax[b], most, 2 ** -22 * most, what);
      }
      for (const [b, most] of absmax2.entries()) {
        assertAlmostEquals(squares.p.absmax[b], most, 2 ** -22 * most, what);
      }
      for (const [i, value] of p.entries()) assertAlmostEquals(parameter[i], value, 4e-8, `${what}, ${i}`);
    }
  }
});

Deno.test("the first step is Adam's; a training comes as far, with a quarter of its memory", () => {
  const random = new Random(4), count = 4096, start = random.normal(count), goal = random.normal(count);
  const options = { learningRate: 2e-2, weightDecay: 0, betas: [0.9, 0.999], eps: 1e-8 } as const;
  const of = (values: Float32Array) => new Map([["p", values]]);
  const one = start.slice(), other = start.slice();
  const eight = new Adam8bit(of(one), options), full = new AdamW(of(other), { ...options, form: "torch" });
  // A quadratic whose curvatures differ a thousandfold from one quarter to the next.
  const curvature = (i: number) => 10 ** (Math.floor(i / 1024) - 2);
  const gradient = (p: Float32Array) => p.map((value, i) => (value - goal[i]) * curvature(i));
  const loss = (p: Float32Array) =>
    p.reduce((sum, value, i) => sum + (value - goal[i]) ** 2 * curvature(i), 0);
  for (let step = 0; step < 400; step++) {
    eight.step(of(gradient(one)));
    full.step(of(gradient(other)));
    if (step === 0) { for (let i = 0; i < count; i++) assertAlmostEquals(one[i], other[i], 1e-6); }
  }
  assertLess(loss(other), 0.01 * loss(start));
  assertLess(loss(one), 0.01 * loss(start));
  assertEquals(eight.byteLength, count * 2 + count / 256 * 8);
});

Deno.test("an outlier stays in its block; a training goes on from its state with the same bits", () => {
  const random = new Random(8), values = random.normal(512), far = values.slice();
  far[300] = 1e6;
  const plain = encodeBlocks(values, "signed", 256), moved = encodeBlocks(far, "signed", 256);
  assertEquals(moved.codes.subarray(0, 256), plain.codes.subarray(0, 256));
  assert(moved.codes.subarray(256).some((code, i) => code !== plain.codes[256 + i]));
  const options = { learningRate: 1e-2, weightDecay: 0.1, betas: [0.9, 0.999], eps: 1e-8 } as const;
  const gradients = [1, 2, 3, 4].map(() => new Map([["p", random.normal(512)]]));
  const whole = values.slice(), parts = values.slice();
  const straight = new Adam8bit(new Map([["p", whole]]), options);
  for (const one of gradients) straight.step(one);
  const first = new Adam8bit(new Map([["p", parts]]), options),
    second = new Adam8bit(new Map([["p", parts]]), options);
  for (const one of gradients.slice(0, 2)) first.step(one);
  second.restore(first.state());
  for (const one of gradients.slice(2)) second.step(one);
  assertEquals(parts, whole);
  assertThrows(() => new Adam8bit(new Map(), { ...options, blockSize: 0 }), Error, "blockSize is 0");
});
