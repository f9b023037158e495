/** Our elementary functions against fixed-point arithmetic of 400 bits, by other formulas than theirs. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { cos, exp, log, log10, log1p, log2, pow, sin, tanh } from "./elementary.ts";
import { PythonRandom } from "./random.ts";

const bits = 1400n, one = 1n << bits;

/** A float64 in fixed point, exactly (what lies below 2^-1400 does not occur). */
function fixed(x: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const raw = view.getBigUint64(0), field = (raw >> 52n) & 2047n, part = raw & ((1n << 52n) - 1n);
  const size = (field === 0n ? part : part | (1n << 52n)) <<
    (bits - 1074n + (field === 0n ? 0n : field - 1n));
  return raw >> 63n ? -size : size;
}
const times = (a: bigint, b: bigint) => (a * b) >> bits;

/** `e^x` by halving the argument, a series, and squaring; for |x| below 750. */
function bigExp(x: bigint): bigint {
  const halvings = 24n, small = x >> halvings;
  let term = one, total = one;
  for (let n = 1n; term !== 0n && term !== -1n; n++) total += term = times(term, small) / n;
  for (let i = 0n; i < halvings; i++) total = times(total, total);
  return total;
}

/** `ln x` by Newton's method on the exponential function, from a float64. */
function bigLog(x: bigint): bigint {
  let digits = 0n;
  for (let rest = x; rest > 1n; rest >>= 1n) digits++;
  let y = fixed((Number(digits) - Number(bits)) * 0.6931471805599453);
  for (let i = 0; i < 12; i++) {
    const e = bigExp(y);
    y += 2n * ((x - e) << bits) / (x + e);
  }
  return y;
}

/** `[sin x, cos x]` by a series at a fraction of the angle, and doubling. */
function bigTurn(x: bigint): [bigint, bigint] {
  let halvings = 8n;
  for (let rest = x < 0n ? -x : x; rest > one; rest >>= 1n) halvings++;
  const small = x >> halvings;
  let term = one, s = 0n, c = one;
  for (let n = 1n; term !== 0n && term !== -1n; n++) {
    term = times(term, small) / n;
    if (n % 4n === 1n) s += term;
    else if (n % 4n === 2n) c -= term;
    else if (n % 4n === 3n) s -= term;
    else c += term;
  }
  for (let i = 0n; i < halvings; i++) [s, c] = [2n * times(s, c), times(c, c) - times(s, s)];
  return [s, c];
}

/** The distance of a float64 from an exact value in units of its last place. */
function ulps(found: number, exact: bigint): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, Math.abs(found));
  const field = (view.getUint32(0) >>> 20) || 1;
  const unit = 1n << (bits - 1074n + BigInt(field - 1));
  const error = fixed(found) - exact;
  return Number((error < 0n ? -error : error) * 100000n / unit) / 100000;
}

/** Numbers between bounds, evenly and by size. */
function* draws(count: number, least: number, most: number): Generator<number> {
  const random = new PythonRandom(7);
  for (let i = 0; i < count; i++) {
    const share = random.random();
    yield i % 2 === 0
      ? least + (most - least) * share
      : (least < 0 && i % 4 === 1 ? -1 : 1) * Math.min(most, 2 ** (share * 60 - 50));
  }
}

const unary: readonly [string, (x: number) => number, (x: bigint) => bigint, number, number, number][] = [
  ["exp", exp, bigExp, -700, 700, 0.8],
  ["log", log, bigLog, 1e-30, 1e6, 0.51],
  ["log2", log2, (x) => bigLog(x) * one / bigLog(2n * one), 1e-30, 1e6, 0.51],
  ["log10", log10, (x) => bigLog(x) * one / bigLog(10n * one), 1e-30, 1e6, 0.51],
  ["log1p", log1p, (x) => bigLog(one + x), 0, 1000, 2],
  [
    "tanh",
    tanh,
    (x) => {
      const e = bigExp(2n * x);
      return ((e - one) << bits) / (e + one);
    },
    -25,
    25,
    4,
  ],
  ["sin", sin, (x) => bigTurn(x)[0], -5e5, 5e5, 0.8],
  ["cos", cos, (x) => bigTurn(x)[1], -5e5, 5e5, 0.8],
  ["sin of few turns", sin, (x) => bigTurn(x)[0], -7, 7, 0.8],
  ["cos of few turns", cos, (x) => bigTurn(x)[1], -7, 7, 0.8],
  ["sin of large angles", sin, (x) => bigTurn(x)[0], 2e6, 1e15, 0.8],
];

for (const [name, ours, exact, least, most, bound] of unary) {
  Deno.test(`${name} is within ${bound} ulp`, () => {
    let worst = 0;
    for (const x of draws(120, least, most)) {
      const error = ulps(ours(x), exact(fixed(x)));
      assert(error < bound, `${name}(${x}) = ${ours(x)}: ${error} ulp`);
      worst = Math.max(worst, error);
    }
    assert(worst > 0.3, `the worst of 120 errors is ${worst}: the comparison measures nothing`);
  });
}

Deno.test("pow is within 0.8 ulp, up to the ends of the range", () => {
  const random = new PythonRandom(3);
  for (let i = 0; i < 60; i++) {
    const x = 2 ** (random.random() * 40 - 20), y = (random.random() - 0.5) * (i % 3 === 0 ? 90 : 5);
    const error = ulps(pow(x, y), bigExp(times(fixed(y), bigLog(fixed(x)))));
    assert(error < 0.8, `${x} ** ${y} = ${pow(x, y)}: ${error} ulp`);
  }
});

Deno.test("values that are exact, and ends of the range", () => {
  for (let n = -1074; n <= 1023; n++) {
    assertEquals(log2(2 ** n), n);
    assertEquals(pow(2, n), 2 ** n);
  }
  for (let n = 0; n <= 22; n++) assertEquals([pow(10, n), log10(Number(`1e${n}`))], [Number(`1e${n}`), n]);
  assertEquals([pow(3, 4), pow(9, 0.5), pow(2, -3), pow(-2, 3), pow(64, -0.5)], [81, 3, 0.125, -8, 0.125]);
  assertEquals([exp(0), exp(-Infinity), exp(Infinity), exp(710), exp(-746)], [1, 0, Infinity, Infinity, 0]);
  assertEquals([log(1), log(0), log(-1), log(Infinity)], [0, -Infinity, NaN, Infinity]);
  assertEquals([sin(0), sin(-0), cos(0), sin(Infinity), tanh(-0)], [0, -0, 1, NaN, -0]);
  assertEquals([tanh(30), tanh(-Infinity), log1p(-1), log1p(1e-300)], [1, -1, -Infinity, 1e-300]);
  // The float64 that is nearest to a multiple of pi / 2 (Kahan), and one of 2^1000.
  assertAlmostEquals(cos(6381956970095103 * 2 ** 797) / -4.687165924254628e-19, 1, 1e-15);
  assert(ulps(sin(2 ** 1000), bigTurn(fixed(2 ** 1000))[0]) < 0.8);
});

Deno.test("pow has the special cases of Math.pow", () => {
  const all = [-Infinity, -3, -2.5, -1, -0.5, -0, 0, 0.5, 1, 2.5, 3, Infinity, NaN];
  for (const x of all) {
    for (const y of all) {
      const exact = [0, 1, Infinity].includes(Math.abs(x)) || !Number.isFinite(y) || y === 0 || x !== x;
      if (exact || (x < 0 && !Number.isInteger(y))) assertEquals(pow(x, y), Math.pow(x, y), `${x} ** ${y}`);
    }
  }
});
