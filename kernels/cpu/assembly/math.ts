/**
 * Elementary functions on four float32 at a time. Bounds are relative, in units u = 2^-24, and hold where the result
 * is a normal number; below 2^-126 an absolute error of `(1 + |x|) 2^-149` comes on top. NaN gives NaN.
 */

/**
 * `exp(x)`, error under 4 u: `x = n ln 2 + r` with `|r| <= 0.35`, where `n ln 2` is subtracted in two parts so that
 * `r` has an error of at most u * 0.35, and a polynomial of degree 7 (Cephes `expf`, truncation under 0.5 u).
 * `2^n` is applied as two factors, which reaches subnormal results and overflows to infinity where it should.
 */
// @ts-ignore: AssemblyScript allows decorators on functions

export function exp4(x: v128): v128 {
  x = f32x4.min(f32x4.max(x, f32x4.splat(-104)), f32x4.splat(89));
  const n = f32x4.nearest(f32x4.mul(x, f32x4.splat(1.44269504088896341)));
  let r = f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.12194440e-4)));
  let p = f32x4.splat(1.9875691500e-4);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
  p = f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r);
  p = f32x4.add(p, f32x4.splat(1));
  const whole = i32x4.trunc_sat_f32x4_s(n);
  const half = i32x4.shr_s(whole, 1);
  const bias = i32x4.splat(127);
  const first = i32x4.shl(i32x4.add(half, bias), 23);
  const second = i32x4.shl(i32x4.add(i32x4.sub(whole, half), bias), 23);
  return f32x4.mul(f32x4.mul(p, first), second);
}

/** `tanh(x)`, error under 8 u: an odd polynomial (Cephes `tanhf`) below 0.625, `1 - 2 / (exp(2|x|) + 1)` above. */
export function tanh4(x: v128): v128 {
  const z = f32x4.mul(x, x);
  let p = f32x4.splat(-5.70498872745e-3);
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(2.06390887954e-2));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-5.37397155531e-2));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(1.33314422036e-1));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-3.33332819422e-1));
  const small = f32x4.add(f32x4.mul(f32x4.mul(p, z), x), x);
  const size = f32x4.abs(x);
  const one = f32x4.splat(1);
  const grown = f32x4.add(exp4(f32x4.add(size, size)), one);
  const large = f32x4.sub(one, f32x4.div(f32x4.splat(2), grown));
  const signed = v128.or(large, v128.and(x, i32x4.splat(0x80000000)));
  return v128.bitselect(small, signed, f32x4.lt(size, f32x4.splat(0.625)));
}

/** `x / (1 + exp(-z))` with `e = exp(-|z|)`, so that nothing overflows: `x / (1 + e)` or `x e / (1 + e)`. */
// @ts-ignore: AssemblyScript allows decorators on functions

function gate4(x: v128, z: v128): v128 {
  const e = exp4(f32x4.neg(f32x4.abs(z)));
  const top = v128.bitselect(f32x4.mul(x, e), x, f32x4.lt(z, f32x4.splat(0)));
  return f32x4.div(top, f32x4.add(e, f32x4.splat(1)));
}

/** `silu(x) = x / (1 + exp(-x))`, error under 8 u. */
export function silu4(x: v128): v128 {
  return gate4(x, x);
}

/**
 * `geluTanh(x) = x / (1 + exp(-2 v))`, `v = sqrt(2/pi) (x + 0.044715 x^3)`: `2 v` has a relative error of 5 u, which
 * the exponential turns into an error of `8 + 10 |v|` u.
 */
export function geluTanh4(x: v128): v128 {
  const cubic = f32x4.add(
    f32x4.mul(f32x4.splat(0.07135481282730509), f32x4.mul(x, x)),
    f32x4.splat(1.5957691216057308),
  );
  return gate4(x, f32x4.mul(x, cubic));
}

/**
 * `gelu(x) = x Phi(x)`, error under 24 u: `Phi(-t) = exp(-t^2 / 2) M(t)` for `t = |x|`, where `(1 + t) M(t)` is a
 * polynomial of degree 10 in `(t - 2.5) / (t + 2.5)` (fitted on [0, 15]: error 1.2e-8 = 0.2 u) and `t^2` is the exact
 * square of the leading 12 bits of `t` plus a rest, so that the exponential sees no rounding. `Phi(t) = 1 - Phi(-t)`.
 */
export function gelu4(x: v128): v128 {
  const t = f32x4.min(f32x4.abs(x), f32x4.splat(15));
  const q = f32x4.div(f32x4.sub(t, f32x4.splat(2.5)), f32x4.add(t, f32x4.splat(2.5)));
  let m = f32x4.splat(-6.463244062615559e-05);
  m = f32x4.add(f32x4.mul(m, q), f32x4.splat(-0.00022872538829687983));
  m = f32x4.add(f32x4.mul(m, q), f32x4.splat(2.57977876572113e-06));
  m = f32x4.add(f32x4.mul(m, q), f32x4.splat(0.001266137813217938));
  m = f32x4.add(f32x4.mul(m, q), f32x4.splat(0.0012831054627895355));
  m = f32x4.add(f32x4.mul(m, q), f32x4.splat(-0.006048581562936306));
  m = f32x4.add(f32x4.mul(m, q), f32x4.splat(-0.008699635043740273));
  m = f32x4.add(f32x4.mul(m, q), f32x4.splat(0.04606306180357933));
  m = f32x4.add(f32x4.mul(m, q), f32x4.splat(-0.03771667554974556));
  m = f32x4.add(f32x4.mul(m, q), f32x4.splat(-0.09158749133348465));
  m = f32x4.add(f32x4.mul(m, q), f32x4.splat(0.4946596622467041));
  m = f32x4.div(m, f32x4.add(t, f32x4.splat(1)));
  const lead = v128.and(t, i32x4.splat(0xfffff000));
  const rest = f32x4.mul(f32x4.sub(t, lead), f32x4.add(t, lead));
  const half = f32x4.splat(-0.5);
  const tail = f32x4.mul(
    f32x4.mul(exp4(f32x4.mul(half, f32x4.mul(lead, lead))), exp4(f32x4.mul(half, rest))),
    m,
  );
  const phi = v128.bitselect(tail, f32x4.sub(f32x4.splat(1), tail), f32x4.lt(x, f32x4.splat(0)));
  return f32x4.mul(x, phi);
}
