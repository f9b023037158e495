// x^ = scale * (clamp(round(x / scale) + zero) - zero) in place, one element per invocation, the bits of
// fakeQuantizeValue in kernels/quantizer.ts. WGSL's quotient is off by 2.5 units in the last place at most: where it
// is farther than 2^-20 of itself from half an integer it rounds to the right integer, elsewhere (and where a scale is
// so extreme that something might be flushed to zero) the quotient is computed on bits.
// Roofline: 8 bytes moved per element against some 20 operations: bound by memory.

struct Params {
  count: u32,
  // Element i belongs to range (i / divisor) % modulus.
  divisor: u32,
  modulus: u32,
  lowest: f32,
  highest: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> quantizers: array<u32>;
@group(0) @binding(2) var<storage, read_write> x: array<u32>;

// 2^-100 and 2^100.
const small = 0x0d800000u;
const large = 0x71800000u;

fn rounded_quotient(value: u32, scale: u32) -> f32 {
  if (scale > small && scale < large) {
    let quotient = bitcast<f32>(value) / bitcast<f32>(scale);
    let nearest_integer = round(quotient);
    let distance = abs(abs(quotient - nearest_integer) - 0.5);
    if (distance > abs(quotient) * 9.5367431640625e-7) {
      return nearest_integer;
    }
  }
  return round(bitcast<f32>(divide(value, scale)));
}

fn total() -> u32 {
  return params.count;
}

fn each(i: u32) {
  let range = i / params.divisor % params.modulus;
  let scale = quantizers[range * 2u];
  let zero = bitcast<f32>(quantizers[range * 2u + 1u]);
  if (scale >= infinity) {
    x[i] = not_a_number;
    return;
  }
  let code = min(max(rounded_quotient(x[i], scale) + zero, params.lowest), params.highest);
  let step = code - zero;
  if (scale > small) {
    x[i] = bitcast<u32>(bitcast<f32>(scale) * step);
  } else {
    x[i] = multiply(scale, bitcast<u32>(step));
  }
}
