// Elementary functions on float32, the same polynomials as kernels/cpu/assembly/math.ts: WGSL's own exp may be off by
// 3 + 2|x| units in the last place and its tanh by an unstated amount. Errors are relative, in u = 2^-24, and hold
// where the result is a normal number. NaN is told by its bits: compilers may assume that comparisons see none.

fn is_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// exp(x), error under 4 u: x = n ln 2 + r with n ln 2 in two parts, a polynomial of degree 7 (Cephes expf), and 2^n as
// two factors, which overflows to infinity where it should and reaches subnormal results where a device has them.
fn exponential(v: f32) -> f32 {
  let x = clamp(v, -104.0, 89.0);
  let n = round(x * 1.44269504);
  // Compilers may merge the two products, which would round ln 2 to 24 bits: Mesa's does. The selection, which never
  // happens, stands between them.
  let lead = select(fma(n, -0.693359375, x), 0.0, n > 200.0);
  let r = fma(n, 2.12194440e-4, lead);
  var p = 1.9875691500e-4;
  p = fma(p, r, 1.3981999507e-3);
  p = fma(p, r, 8.3334519073e-3);
  p = fma(p, r, 4.1665795894e-2);
  p = fma(p, r, 1.6666665459e-1);
  p = fma(p, r, 5.0000001201e-1);
  p = fma(p, r * r, r) + 1.0;
  let whole = i32(n);
  let half = whole >> 1u;
  let first = bitcast<f32>((half << 23u) + 0x3f800000);
  let second = bitcast<f32>(((whole - half) << 23u) + 0x3f800000);
  return select(p * first * second, v, is_nan(v));
}

// tanh(x), error under 8 u on top of what the division adds to 1: an odd polynomial (Cephes tanhf) below 0.625,
// 1 - 2 / (exp(2|x|) + 1) above.
fn hyperbolic_tangent(x: f32) -> f32 {
  let size = abs(x);
  let z = x * x;
  var p = -5.70498872745e-3;
  p = fma(p, z, 2.06390887954e-2);
  p = fma(p, z, -5.37397155531e-2);
  p = fma(p, z, 1.33314422036e-1);
  p = fma(p, z, -3.33332819422e-1);
  let small = fma(p * z, x, x);
  let large = 1.0 - 2.0 / (exponential(size + size) + 1.0);
  return select(select(large, -large, x < 0.0), small, size < 0.625);
}
