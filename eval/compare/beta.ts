/**
 * The incomplete beta function and what follows from it: quantiles of the beta distribution, Student's t. `jstat` stops its
 * continued fraction at 3e-7, which leaves errors of 4e-9 in a probability.
 */

import { exp, log, log1p, sin } from "../../base/elementary.ts";

const lanczos = [
  ...[0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313],
  ...[-176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6],
  1.5056327351493116e-7,
];

/** Logarithm of the gamma function for `x > 0` (Lanczos, g = 7). */
function logGamma(x: number): number {
  if (x < 0.5) return log(Math.PI / sin(Math.PI * x)) - logGamma(1 - x);
  const y = x - 1, t = y + 7.5;
  const series = lanczos.slice(1).reduce((sum, one, i) => sum + one / (y + i + 1), lanczos[0]);
  return 0.5 * log(2 * Math.PI) + (y + 0.5) * log(t) - t + log(series);
}

/** The continued fraction of the incomplete beta function (Lentz), to the last bit. */
function fraction(x: number, a: number, b: number): number {
  const tiny = 1e-300, away = (value: number) => Math.abs(value) < tiny ? tiny : value;
  let c = 1, d = 1 / away(1 - (a + b) * x / (a + 1)), h = d;
  for (let m = 1; m < 100_000; m++) {
    const even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    h *= d * c;
    const odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    h *= d * c;
    if (Math.abs(d * c - 1) < 2e-16) break;
  }
  return h;
}

/** Probability that a value of the beta distribution with parameters `a`, `b > 0` is at most `x`. */
export function betaProbability(x: number, a: number, b: number): number {
  if (!(x > 0)) return 0;
  if (!(x < 1)) return 1;
  const front = exp(
    logGamma(a + b) - logGamma(a) - logGamma(b) + a * log(x) + b * log1p(-x),
  );
  return x < (a + 1) / (a + b + 2) ? front * fraction(x, a, b) / a : 1 - front * fraction(1 - x, b, a) / b;
}

/** The value that a beta distribution stays below with probability `p`, by bisection. */
export function betaQuantile(p: number, a: number, b: number): number {
  let low = 0, high = 1;
  for (let step = 0; step < 1100; step++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (betaProbability(middle, a, b) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Quantiles that were asked for: a comparison asks for the same few again and again. */
const quantiles = new Map<string, number>();

/** The value that Student's t with `degrees` degrees of freedom stays below with probability `p >= 1/2`. */
export function studentQuantile(p: number, degrees: number): number {
  const key = `${p} ${degrees}`, known = quantiles.get(key);
  if (known !== undefined) return known;
  const x = betaQuantile(2 * (1 - p), degrees / 2, 0.5), found = Math.sqrt(degrees * (1 - x) / x);
  quantiles.set(key, found);
  return found;
}

/** Probability of a Student's t at least as far from 0 as `t`. */
export function studentTails(t: number, degrees: number): number {
  return betaProbability(degrees / (degrees + t * t), degrees / 2, 0.5);
}
