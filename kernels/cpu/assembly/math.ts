/**
 * Elementary functions on four float32 at a time. Bounds are relative, in units u = 2^-24, and hold where the result
 * is a normal number; below 2^-126 an absolute error of `(1 + |x|) 2^-149` comes on top. NaN gives NaN.
 *
 * Constants lie in memory: V8 builds a vector constant with four instructions wherever it is used, and loads it with
 * one. Limits use `pmin` and `pmax`, one instruction each, which keep a NaN in their first argument.
 */
// deno-fmt-ignore-file -- deno fmt drops the decorators of functions

/** Element `i` of a table of constants, in all four lanes. */
@inline
function constant(table: usize, i: usize): v128 {
  return v128.load32_splat(table + (i << 2));
}

/** `p * x +` element `i` of a table: a step of Horner's rule. */
@inline
function step(p: v128, x: v128, table: usize, i: usize): v128 {
  return f32x4.add(f32x4.mul(p, x), constant(table, i));
}

// 0: limits of x; 2: 1 / ln 2 and 1.5 * 2^23; 4: ln 2 in two parts; 6: the polynomial; 12: 1.
const expTable: usize = memory.data<f32>([
  -104,
  89,
  1.44269504088896341,
  12582912,
  0.693359375,
  -2.12194440e-4,
  1.9875691500e-4,
  1.3981999507e-3,
  8.3334519073e-3,
  4.1665795894e-2,
  1.6666665459e-1,
  5.0000001201e-1,
  1,
], 16);

/**
 * `exp(x)`, error under 4 u: `x = n ln 2 + r` with `|r| <= 0.35`, where `n ln 2` is subtracted in two parts so that
 * `r` has an error of at most u * 0.35, and a polynomial of degree 7 (Cephes `expf`, truncation under 0.5 u).
 * Adding 1.5 * 2^23 rounds to the integer `n` and leaves it in the low bits. `2^n` is applied as two factors, which
 * reaches subnormal results and overflows to infinity where it should.
 */
@inline
export function exp4(x: v128): v128 {
  x = f32x4.pmin(f32x4.pmax(x, constant(expTable, 0)), constant(expTable, 1));
  const shift = constant(expTable, 3);
  const shifted = step(x, constant(expTable, 2), expTable, 3);
  const n = f32x4.sub(shifted, shift);
  let r = f32x4.sub(x, f32x4.mul(n, constant(expTable, 4)));
  r = f32x4.sub(r, f32x4.mul(n, constant(expTable, 5)));
  let p = step(constant(expTable, 6), r, expTable, 7);
  p = step(p, r, expTable, 8);
  p = step(p, r, expTable, 9);
  p = step(p, r, expTable, 10);
  p = step(p, r, expTable, 11);
  p = f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r);
  const one = constant(expTable, 12);
  p = f32x4.add(p, one);
  // The bits of 1 plus k in the exponent field are those of 2^k.
  const whole = i32x4.sub(shifted, shift);
  const half = i32x4.shr_s(whole, 1);
  const first = i32x4.add(i32x4.shl(half, 23), one);
  const second = i32x4.add(i32x4.shl(i32x4.sub(whole, half), 23), one);
  return f32x4.mul(f32x4.mul(p, first), second);
}

// 0: the polynomial; 5: 1; 6: 2; 7: where it ends.
const tanhTable: usize = memory.data<f32>([
  -5.70498872745e-3,
  2.06390887954e-2,
  -5.37397155531e-2,
  1.33314422036e-1,
  -3.33332819422e-1,
  1,
  2,
  0.625,
], 16);

/** `tanh(x)`, error under 8 u: an odd polynomial (Cephes `tanhf`) below 0.625, `1 - 2 / (exp(2|x|) + 1)` above. */
export function tanh4(x: v128): v128 {
  const z = f32x4.mul(x, x);
  let p = step(constant(tanhTable, 0), z, tanhTable, 1);
  p = step(p, z, tanhTable, 2);
  p = step(p, z, tanhTable, 3);
  p = step(p, z, tanhTable, 4);
  const small = f32x4.add(f32x4.mul(f32x4.mul(p, z), x), x);
  const size = f32x4.abs(x);
  const one = constant(tanhTable, 5);
  const grown = f32x4.add(exp4(f32x4.add(size, size)), one);
  const large = f32x4.sub(one, f32x4.div(constant(tanhTable, 6), grown));
  const signed = v128.or(large, v128.xor(x, size));
  return v128.bitselect(small, signed, f32x4.lt(size, constant(tanhTable, 7)));
}

/** `x / (1 + exp(-z))` with `e = exp(-|z|)`, so that nothing overflows: `x / (1 + e)` or `x e / (1 + e)`. */
@inline
function gate4(x: v128, z: v128): v128 {
  const e = exp4(f32x4.neg(f32x4.abs(z)));
  const top = v128.bitselect(f32x4.mul(x, e), x, f32x4.lt(z, f32x4.splat(0)));
  return f32x4.div(top, f32x4.add(e, constant(expTable, 12)));
}

/** `silu(x) = x / (1 + exp(-x))`, error under 8 u. */
export function silu4(x: v128): v128 {
  return gate4(x, x);
}

// 0: the series 2 / (2 k + 1) from its eighth term on down; 8: 2.
const softplusTable: usize = memory.data<f32>([
  0.13333333333333333,
  0.15384615384615385,
  0.18181818181818182,
  0.2222222222222222,
  0.2857142857142857,
  0.4,
  0.6666666666666666,
  2,
  2,
], 16);

/**
 * `softplus(x) = max(x, 0) + log(1 + e)` with `e = exp(-|x|)`, error under 16 u: `log(1 + e) = 2 artanh(s)` for `s = e / (2 + e) <= 1/3`, by
 * eight terms of its series (the rest is under 2e-10 of the sum).
 */
export function softplus4(x: v128): v128 {
  const e = exp4(f32x4.neg(f32x4.abs(x)));
  const s = f32x4.div(e, f32x4.add(e, constant(softplusTable, 8)));
  const z = f32x4.mul(s, s);
  let p = step(constant(softplusTable, 0), z, softplusTable, 1);
  p = step(p, z, softplusTable, 2);
  p = step(p, z, softplusTable, 3);
  p = step(p, z, softplusTable, 4);
  p = step(p, z, softplusTable, 5);
  p = step(p, z, softplusTable, 6);
  p = step(p, z, softplusTable, 7);
  return f32x4.add(f32x4.pmax(x, f32x4.splat(0)), f32x4.mul(p, s));
}

// sqrt(8 / pi) * 0.044715 and sqrt(8 / pi).
const geluTanhTable: usize = memory.data<f32>([0.07135481282730509, 1.5957691216057308], 16);

/**
 * `geluTanh(x) = x / (1 + exp(-2 v))`, `v = sqrt(2/pi) (x + 0.044715 x^3)`: `2 v` has a relative error of 5 u, which
 * the exponential turns into an error of `8 + 10 |v|` u.
 */
export function geluTanh4(x: v128): v128 {
  const cubic = step(constant(geluTanhTable, 0), f32x4.mul(x, x), geluTanhTable, 1);
  return gate4(x, f32x4.mul(x, cubic));
}

// 0: the polynomial; 11: where the fit ends; 12: its middle; 13: 1; 14: -1/2.
const geluTable: usize = memory.data<f32>([
  -6.463244062615559e-05,
  -0.00022872538829687983,
  2.57977876572113e-06,
  0.001266137813217938,
  0.0012831054627895355,
  -0.006048581562936306,
  -0.008699635043740273,
  0.04606306180357933,
  -0.03771667554974556,
  -0.09158749133348465,
  0.4946596622467041,
  15,
  2.5,
  1,
  -0.5,
], 16);

/**
 * `gelu(x) = x Phi(x)`, error under 24 u: `Phi(-t) = exp(-t^2 / 2) M(t)` for `t = |x|`, where `(1 + t) M(t)` is a
 * polynomial of degree 10 in `(t - 2.5) / (t + 2.5)` (fitted on [0, 15]: error 1.2e-8 = 0.2 u) and `t^2` is the exact
 * square of the leading 12 bits of `t` plus a rest, so that the exponential sees no rounding. `Phi(t) = 1 - Phi(-t)`.
 */
export function gelu4(x: v128): v128 {
  const t = f32x4.pmin(f32x4.abs(x), constant(geluTable, 11));
  const middle = constant(geluTable, 12), one = constant(geluTable, 13), half = constant(geluTable, 14);
  const q = f32x4.div(f32x4.sub(t, middle), f32x4.add(t, middle));
  let m = step(constant(geluTable, 0), q, geluTable, 1);
  m = step(m, q, geluTable, 2);
  m = step(m, q, geluTable, 3);
  m = step(m, q, geluTable, 4);
  m = step(m, q, geluTable, 5);
  m = step(m, q, geluTable, 6);
  m = step(m, q, geluTable, 7);
  m = step(m, q, geluTable, 8);
  m = step(m, q, geluTable, 9);
  m = step(m, q, geluTable, 10);
  m = f32x4.div(m, f32x4.add(t, one));
  const lead = i32x4.shl(i32x4.shr_s(t, 12), 12);
  const rest = f32x4.mul(f32x4.sub(t, lead), f32x4.add(t, lead));
  const exps = f32x4.mul(exp4(f32x4.mul(half, f32x4.mul(lead, lead))), exp4(f32x4.mul(half, rest)));
  const tail = f32x4.mul(exps, m);
  const phi = v128.bitselect(tail, f32x4.sub(one, tail), f32x4.lt(x, f32x4.splat(0)));
  return f32x4.mul(x, phi);
}
