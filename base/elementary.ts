/**
 * Elementary functions of float64 that give the same bits in every engine: those of `Math` may differ, and do. Made of additions,
 * multiplications, divisions and comparisons, which IEEE 754 fixes. Bounds are in units of the last place (ulp) of the exact result;
 * below 2^-1022 half a unit of 2^-1074 comes on top.
 */

/**
 * The last result of functions that give a sum of two numbers, the second of which is below an ulp of the first; in an array, as a variable
 * that takes a float64 from several functions costs an allocation each time.
 */
const low = new Float64Array(1);

/** `a + b`; the rounding error goes to `low`. */
function sum(a: number, b: number): number {
  const s = a + b, other = s - a;
  low[0] = (a - (s - other)) + (b - other);
  return s;
}

/** `a b`; the rounding error goes to `low`. Exact unless a part leaves the range: |a|, |b| < 2^996. */
function product(a: number, b: number): number {
  const p = a * b, ca = 134217729 * a, cb = 134217729 * b;
  const ah = ca - (ca - a), al = a - ah, bh = cb - (cb - b), bl = b - bh;
  low[0] = ((ah * bh - p) + ah * bl + al * bh) + al * bl;
  return p;
}

const word = new DataView(new ArrayBuffer(8));

/** `2^n` at `n + 1022`, for a whole `n` from -1022 to 1023. */
const powersOfTwo = Float64Array.from({ length: 2046 }, (_, i) => {
  word.setUint32(0, (i + 1) << 20);
  return word.getFloat64(0);
});

/** `2^n` for a whole `n` from -1022 to 1023. */
function powerOfTwo(n: number): number {
  return powersOfTwo[n + 1022];
}

/** `x 2^n` with one rounding. */
function scaled(x: number, n: number): number {
  if (n > 1000) return x * powerOfTwo(1000) * powerOfTwo(n - 1000);
  return n < -1000 ? x * powerOfTwo(n + 1000) * powerOfTwo(-1000) : x * powerOfTwo(n);
}

// ln 2 as a number of 32 bits, whose products with exponents are exact, and the rest.
const ln2High = 0.6931471803691238, ln2Low = 1.9082149292705877e-10;
const perLn2 = 1.4426950408889634, perLn2Low = 2.0355273740931033e-17;
const perLn10 = 0.4342944819032518, perLn10Low = 1.098319650216765e-17;
const twoThirds = 0.6666666666666666, twoThirdsLow = 3.700743415417188e-17;

// Reciprocals of factorials: quotients of whole numbers below 2^53, or rounded twice where the factorial is larger.
const factorial = [1];
for (let i = 1; i <= 22; i++) factorial.push(factorial[i - 1] * i);
const over = (n: number) => 1 / factorial[n];
const expTerms = [14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2].map(over);
const sinTerms = [19, 17, 15, 13, 11, 9, 7, 5, 3].map((n) => n % 4 === 1 ? over(n) : -over(n));
const cosTerms = [20, 18, 16, 14, 12, 10, 8, 6, 4].map((n) => n % 4 === 0 ? over(n) : -over(n));
const logTerms = [25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5].map((n) => 2 / n);

/** The polynomial with these coefficients, the highest first. */
function polynomial(terms: readonly number[], x: number): number {
  let p = terms[0];
  for (let i = 1; i < terms.length; i++) p = p * x + terms[i];
  return p;
}

const [e14, e13, e12, e11, e10, e9, e8, e7, e6, e5, e4, e3, e2] = expTerms;

/** `polynomial(expTerms, x)`, the same operations without a loop. */
function expPolynomial(x: number): number {
  const high = (((((e14 * x + e13) * x + e12) * x + e11) * x + e10) * x + e9) * x + e8;
  return (((((high * x + e7) * x + e6) * x + e5) * x + e4) * x + e3) * x + e2;
}

/** `exp(x + rest) - 1` for |x| below 0.35 as the leading part, and the remainder in `low`. */
function expm1Parts(x: number, rest: number): number {
  const high = sum(x, rest), error = low[0];
  low[0] = high * high * expPolynomial(high) + error + error * high;
  return high;
}

/** `exp(x + rest)`. The inner loop of every divergence: `sum` and `expm1Parts` are written out. */
function expOf(x: number, rest: number): number {
  if (x > 709.782712893384) return Infinity;
  if (x < -745.1332191019412) return 0;
  const k = Math.round(x * perLn2);
  const a = x - k * ln2High, b = -k * ln2Low, leading = a + b, bBack = leading - a;
  const error = (a - (leading - bBack)) + (b - bBack) + rest;
  const r = leading + error, errorBack = r - leading;
  const left = (leading - (r - errorBack)) + (error - errorBack);
  const tail = r * r * expPolynomial(r) + left + left * r;
  const whole = 1 + r, rBack = whole - 1, lost = (1 - (whole - rBack)) + (r - rBack);
  return scaled(whole + (lost + tail), k);
}

/** `e^x`: error below 0.8 ulp (the polynomial's terms after the first, below 0.07, are rounded at 2^-54 of their size). */
export function exp(x: number): number {
  return x !== x ? x : expOf(x, 0);
}

const [l25, l23, l21, l19, l17, l15, l13, l11, l9, l7, l5] = logTerms;

/** `polynomial(logTerms, x)`, the same operations without a loop. */
function logPolynomial(x: number): number {
  const high = (((((l25 * x + l23) * x + l21) * x + l19) * x + l17) * x + l15) * x + l13;
  return (((high * x + l11) * x + l9) * x + l7) * x + l5;
}

/** The exponent that {@linkcode mantissa} took off. */
let exponent = 0;

/** `m` in [sqrt(1/2), sqrt(2)) of a positive `x = m 2^exponent`. */
function mantissa(x: number): number {
  let taken = 0;
  if (x < 2.2250738585072014e-308) x *= 18014398509481984, taken = -54;
  word.setFloat64(0, x);
  const top = word.getUint32(0);
  word.setUint32(0, (top & 0xfffff) | 0x3ff00000);
  const m = word.getFloat64(0), upper = m >= 1.4142135623730951;
  exponent = taken + (top >>> 20) - 1023 + Number(upper);
  return upper ? m / 2 : m;
}

/**
 * The logarithm of a mantissa: the leading part, and the rest in `low`. `ln m = 2 artanh s`, `s = (m - 1) / (m + 1)`, whose first two
 * terms are kept as sums of two numbers; those after are below 1.8e-4 of it, so that the relative error is below 2^-64.
 */
function logOfMantissa(m: number): number {
  const f = m - 1, d = sum(m, 1), dLow = low[0], s = f / d;
  const back = product(s, d), rest = ((f - back) - low[0] - s * dLow) / d;
  const square = product(s, s), squareLow = low[0] + 2 * s * rest;
  const cube = product(square, s), cubeLow = low[0] + squareLow * s + square * rest;
  const third = product(cube, twoThirds), thirdLow = low[0] + cubeLow * twoThirds + cube * twoThirdsLow;
  const tail = square * cube * logPolynomial(square);
  const high = sum(2 * s, third), error = low[0];
  const whole = sum(high, 2 * rest + thirdLow + tail + error);
  return whole;
}

/** The logarithm of a positive finite number: the leading part, and the rest in `low`. */
function logParts(x: number): number {
  const m = mantissa(x), e = exponent, log = logOfMantissa(m), rest = low[0];
  const whole = sum(e * ln2High, log), error = low[0];
  return sum(whole, error + (rest + e * ln2Low));
}

/** What a logarithm is of anything but a positive finite number; undefined for those. */
function logLimit(x: number): number | undefined {
  if (x > 0 && x < Infinity) return undefined;
  return x === 0 ? -Infinity : x === Infinity ? x : NaN;
}

/** Natural logarithm: error below 0.51 ulp. */
export function log(x: number): number {
  return logLimit(x) ?? logParts(x);
}

/** A logarithm to a base of whose natural logarithm `per + perLow` is the reciprocal. */
function logTo(e: number, log: number, rest: number, per: number, perLow: number): number {
  const high = product(log, per), error = low[0] + rest * per + log * perLow;
  const whole = sum(e, high);
  return whole + (low[0] + error);
}

/** Logarithm to base 2: error below 0.51 ulp, exact for powers of two. */
export function log2(x: number): number {
  const limit = logLimit(x);
  if (limit !== undefined) return limit;
  const m = mantissa(x), e = exponent, high = logOfMantissa(m);
  return logTo(e, high, low[0], perLn2, perLn2Low);
}

/** Logarithm to base 10: error below 0.51 ulp. */
export function log10(x: number): number {
  const limit = logLimit(x);
  if (limit !== undefined) return limit;
  const high = logParts(x);
  return logTo(0, high, low[0], perLn10, perLn10Low);
}

/** `ln(1 + x)`: error below 2 ulp. */
export function log1p(x: number): number {
  const limit = logLimit(1 + x);
  if (limit !== undefined) return limit;
  const whole = sum(1, x), rest = low[0];
  return logParts(whole) + (low[0] + rest / whole);
}

/**
 * `x^y` as `Math.pow` defines it: error below 0.8 ulp; `x x` for `y = 2`. The product of `y` and a logarithm has an error below 2^-54
 * wherever the result is finite.
 */
export function pow(x: number, y: number): number {
  if (y === 0) return 1;
  if (x !== x || y !== y) return NaN;
  if (y === 1) return x;
  if (y === 2) return x * x;
  const whole = Number.isInteger(y), odd = whole && Math.abs(y) < 2 ** 53 && y % 2 !== 0;
  const sign = odd && (x < 0 || Object.is(x, -0)) ? -1 : 1, size = Math.abs(x);
  if (size === 1) return Number.isFinite(y) ? x === 1 || whole ? sign : NaN : NaN;
  if (size === 0 || size === Infinity || !Number.isFinite(y)) {
    const grows = (size > 1) === (y > 0);
    return sign * (grows ? Infinity : 0);
  }
  if (x < 0 && !whole) return NaN;
  const high = logParts(size), rest = low[0], guess = y * high;
  if (guess > 710) return sign * Infinity;
  if (guess < -746) return sign * 0;
  // An exponent this small leaves 1, and one too large for `product` has ended above.
  if (Math.abs(guess) < 1e-20) return sign;
  const power = product(y, high);
  return sign * expOf(power, low[0] + y * rest);
}

/** `tanh x`: error below 4 ulp: `E / (E + 2)` with `E = exp(2|x|) - 1`. */
export function tanh(x: number): number {
  const size = Math.abs(x);
  if (!(size > 1e-9)) return x;
  if (size > 22) return Math.sign(x);
  let grown: number;
  if (2 * size < 0.34) {
    const r = expm1Parts(2 * size, 0);
    grown = r + low[0];
  } else grown = expOf(2 * size, 0) - 1;
  return Math.sign(x) * (grown / (grown + 2));
}

// pi / 2 in three numbers of 33 bits, whose products with quadrants below 2^20 are exact, and the rest.
const quarter = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32];
/** The quadrant that {@linkcode reduced} found, 0 to 3. */
let quadrant = 0;

/** `x` less the nearest multiple of pi / 2: the leading part, and the rest in `low`. */
function reduced(x: number): number {
  const n = Math.round(x * 0.6366197723675814);
  if (!(Math.abs(n) < 2 ** 20)) return reducedExactly(x);
  quadrant = n & 3;
  let high = x - n * quarter[0], rest = 0;
  for (let i = 1; i < 4; i++) {
    high = sum(high, -n * quarter[i]);
    rest += low[0];
  }
  return sum(high, rest);
}

/** Fractional bits of {@linkcode quarterTurn}: the largest float64 and 120 bits after the last that cancels. */
const places = 1200n;
let quarterTurn: bigint | undefined;

/** `arctan(1 / n)` times `2^places`. */
function arctanOf(n: bigint): bigint {
  let power = (1n << (places + 64n)) / n, total = 0n;
  for (let k = 1n; power !== 0n; k += 2n, power /= n * n) total += k % 4n === 1n ? power / k : -(power / k);
  return total >> 64n;
}

/** {@linkcode reduced} for large angles, in whole numbers; pi by Machin's formula. */
function reducedExactly(x: number): number {
  quarterTurn ??= 8n * arctanOf(5n) - 2n * arctanOf(239n);
  // Above 2^20 a float64 is a whole number of 2^-33.
  const fixed = BigInt(x * (Math.abs(x) < 2 ** 60 ? 2 ** 33 : 1)) <<
    (places - (Math.abs(x) < 2 ** 60 ? 33n : 0n));
  const twice = 2n * fixed, turn = 2n * quarterTurn;
  let n = (twice + quarterTurn) / turn;
  if (n * turn > twice + quarterTurn) n--;
  const rest = fixed - n * quarterTurn;
  quadrant = Number(((n % 4n) + 4n) % 4n);
  // Two numbers of 53 bits each.
  const drop = BigInt(Math.max(0, (rest < 0n ? -rest : rest).toString(2).length - 53));
  const lead = (rest >> drop) << drop;
  const value = (whole: bigint) => {
    const cut = BigInt(Math.max(0, (whole < 0n ? -whole : whole).toString(2).length - 64));
    return scaled(Number(whole >> cut), Number(cut - places) / 1);
  };
  return sum(value(lead), value(rest - lead));
}

/** `sin(x + rest)` for |x| up to pi / 4. */
function sinOf(x: number, rest: number): number {
  const square = x * x;
  return x + (x * square * polynomial(sinTerms, square) + rest * (1 - square / 2));
}

/** `cos(x + rest)` for |x| up to pi / 4. */
function cosOf(x: number, rest: number): number {
  const square = product(x, x), squareLow = low[0];
  const whole = sum(1, -square / 2), error = low[0];
  return whole + (error + (square * square * polynomial(cosTerms, square) - x * rest - squareLow / 2));
}

/** Sine of `x` radians: error below 0.8 ulp. */
export function sin(x: number): number {
  if (!Number.isFinite(x)) return NaN;
  if (Math.abs(x) < 1e-9) return x;
  const r = reduced(x), rest = low[0], turns = quadrant;
  const value = turns % 2 === 0 ? sinOf(r, rest) : cosOf(r, rest);
  return turns >= 2 ? -value : value;
}

/** Cosine of `x` radians: error below 0.8 ulp. */
export function cos(x: number): number {
  if (!Number.isFinite(x)) return NaN;
  const r = reduced(x), rest = low[0], turns = quadrant;
  const value = turns % 2 === 0 ? cosOf(r, rest) : sinOf(r, rest);
  return turns === 1 || turns === 2 ? -value : value;
}
