// Scale and zero point of each range, the steps of kernels/quantizer.ts on bits; one range per invocation.
// Roofline: 20 bytes and a few hundred integer operations per range: negligible beside the elements of the range.

struct Params {
  ranges: u32,
  pieces: u32,
  bits: u32,
  // 0: asymmetric, 1: symmetric, 2: offset binary
  mode: u32,
  zero_in_range: u32,
  clip: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> limits: array<u32>;
@group(0) @binding(2) var<storage, read_write> quantizers: array<u32>;

fn from_key(key: u32) -> u32 {
  return key ^ select(0xffffffffu, 0x80000000u, key >= 0x80000000u);
}

fn negative(bits: u32) -> bool {
  return bits > sign_bit;
}

fn from_range(low: u32, high: u32) -> vec2<u32> {
  let absmax = max(low & ~sign_bit, high & ~sign_bit);
  if (params.mode == 1u) {
    return vec2<u32>(divide(absmax, bitcast<u32>(f32((1u << (params.bits - 1u)) - 1u))), 0u);
  }
  let top = bitcast<u32>(f32((1u << params.bits) - 1u));
  if (params.mode == 2u) {
    let bottom = select(low, absmax | sign_bit, negative(low));
    return vec2<u32>(divide(add(absmax, bottom ^ sign_bit), top), bitcast<u32>(f32(1u << (params.bits - 1u))));
  }
  let scale = divide(add(high, low ^ sign_bit), top);
  let zero = round(bitcast<f32>(divide(low ^ sign_bit, scale)));
  return vec2<u32>(scale, select(bitcast<u32>(zero), 0u, zero == 0.0));
}

fn total() -> u32 {
  return params.ranges;
}

fn each(range: u32) {
  var low_key = 0xffffffffu;
  var high_key = 0u;
  var size = 0u;
  for (var piece = range * params.pieces; piece < (range + 1u) * params.pieces; piece++) {
    low_key = min(low_key, limits[piece * 3u]);
    high_key = max(high_key, limits[piece * 3u + 1u]);
    size = max(size, limits[piece * 3u + 2u]);
  }
  var low = from_key(low_key);
  var high = from_key(high_key);
  if (params.clip != 1.0) {
    low = multiply(low, bitcast<u32>(params.clip));
    high = multiply(high, bitcast<u32>(params.clip));
  }
  let one_value = low == high || ((low | high) & ~sign_bit) == 0u;
  if (params.zero_in_range == 1u || params.mode != 0u || one_value) {
    low = select(0u, low, low >= sign_bit);
    high = select(high, 0u, high >= sign_bit);
  }
  const one = 0x3f800000u;
  if (((low | high) & ~sign_bit) == 0u) {
    low = one | sign_bit;
    high = one;
  }
  var quantizer = from_range(low, high);
  if (quantizer.x == 0u) {
    quantizer = from_range(one | sign_bit, one);
  }
  // A range that is not finite has the scale NaN.
  quantizers[range * 2u] = select(quantizer.x, not_a_number, size >= infinity || quantizer.x >= infinity);
  quantizers[range * 2u + 1u] = quantizer.y;
}
