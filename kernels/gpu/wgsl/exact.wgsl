// Float32 arithmetic on bits, rounded to nearest even as IEEE 754 asks, subnormals, infinities and NaN included.
// WGSL's own division may be off by 2.5 units in the last place and flush subnormals to zero; codes of quantizers must
// be the same bits on every device.

const infinity = 0x7f800000u;
const not_a_number = 0x7fc00000u;
const sign_bit = 0x80000000u;

struct Parts {
  // In [2^23, 2^24), times 2^exponent.
  mantissa: u32,
  exponent: i32,
}

// Of a finite value above 0.
fn parts(bits: u32) -> Parts {
  let field = bits >> 23u;
  if (field > 0u) {
    return Parts((bits & 0x7fffffu) | 0x800000u, i32(field) - 150);
  }
  let shift = countLeadingZeros(bits) - 8u;
  return Parts(bits << shift, -149 - i32(shift));
}

// The float nearest to (whole + a bit more, if `more`) * 2^exponent, for `whole` in [2^25, 2^31).
fn nearest(whole: u32, more: bool, exponent: i32) -> u32 {
  let top = 31 - i32(countLeadingZeros(whole));
  let unit = max(exponent + top - 23, -149);
  let drop = u32(unit - exponent);
  if (drop > 31u) {
    return 0u;
  }
  if (unit > 104) {
    return infinity;
  }
  let kept = whole >> drop;
  let lost = whole & ((1u << drop) - 1u);
  let half = 1u << (drop - 1u);
  let up = lost > half || (lost == half && (more || (kept & 1u) == 1u));
  // A carry out of the mantissa moves into the exponent, and out of the subnormals into the normal numbers.
  return min((u32(unit + 149) << 23u) + kept + select(0u, 1u, up), infinity);
}

fn divide(a: u32, b: u32) -> u32 {
  let sign = (a ^ b) & sign_bit;
  let x = a & ~sign_bit;
  let y = b & ~sign_bit;
  if (x > infinity || y > infinity || (x == infinity && y == infinity) || (x == 0u && y == 0u)) {
    return not_a_number;
  }
  if (x == infinity || y == 0u) {
    return sign | infinity;
  }
  if (x == 0u || y == infinity) {
    return sign;
  }
  let dividend = parts(x);
  let divisor = parts(y);
  // Long division in base 256: floor(dividend * 2^26 / divisor), and whether something is left.
  let m = divisor.mantissa;
  var quotient = dividend.mantissa / m;
  var rest = dividend.mantissa % m;
  for (var digit = 0u; digit < 3u; digit++) {
    rest <<= 8u;
    quotient = (quotient << 8u) | (rest / m);
    rest %= m;
  }
  rest <<= 2u;
  quotient = (quotient << 2u) | (rest / m);
  rest %= m;
  return sign | nearest(quotient, rest != 0u, dividend.exponent - divisor.exponent - 26);
}

fn multiply(a: u32, b: u32) -> u32 {
  let sign = (a ^ b) & sign_bit;
  let x = a & ~sign_bit;
  let y = b & ~sign_bit;
  if (x > infinity || y > infinity || (x == infinity && y == 0u) || (x == 0u && y == infinity)) {
    return not_a_number;
  }
  if (x == infinity || y == infinity) {
    return sign | infinity;
  }
  if (x == 0u || y == 0u) {
    return sign;
  }
  let first = parts(x);
  let second = parts(y);
  // 24 x 24 bits in halves of 12: high * 2^24 + (low & (2^24 - 1)).
  let xh = first.mantissa >> 12u;
  let xl = first.mantissa & 0xfffu;
  let yh = second.mantissa >> 12u;
  let yl = second.mantissa & 0xfffu;
  let middle = xh * yl + xl * yh;
  let low = xl * yl + ((middle & 0xfffu) << 12u);
  let high = xh * yh + (middle >> 12u) + (low >> 24u);
  let whole = (high << 4u) | ((low & 0xffffffu) >> 20u);
  return sign | nearest(whole, (low & 0xfffffu) != 0u, first.exponent + second.exponent + 20);
}

// Addition is exactly rounded in WGSL but for subnormals: where both are tiny they are added 2^100 times as large,
// which is exact both ways.
fn add(a: u32, b: u32) -> u32 {
  const big = 0x71800000u;
  const small = 0x0d800000u;
  if (max(a & ~sign_bit, b & ~sign_bit) > small) {
    return bitcast<u32>(bitcast<f32>(a) + bitcast<f32>(b));
  }
  let sum = bitcast<f32>(multiply(a, big)) + bitcast<f32>(multiply(b, big));
  return multiply(bitcast<u32>(sum), small);
}
