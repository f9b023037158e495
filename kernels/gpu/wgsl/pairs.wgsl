// Sums and products in pairs of float32 (high + low, some 48 bits): what float64 is where a device has none. The error of
// an addition follows from the addition itself (two-sum, Knuth), that of a product from the products of halves of 12
// bits (Dekker). Passing results through an exclusive or with a zero that a compiler cannot know, the parameter
// `nothing`, keeps it from simplifying the errors to 0. Infinity and NaN have no error.

fn opaque(value: f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(value) ^ params.nothing);
}

// The pair high + low, rounded again: |low| is at most half a unit in the last place of high.
fn normalized(high: f32, low: f32) -> vec2<f32> {
  let sum = opaque(high + low);
  let finite = (bitcast<u32>(sum) & 0x7f800000u) != 0x7f800000u;
  return vec2<f32>(select(high, sum, finite), select(0.0, low - opaque(sum - high), finite));
}

fn add_pairs(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  let sum = opaque(a.x + b.x);
  let added = opaque(sum - a.x);
  let error = opaque(a.x - opaque(sum - added)) + opaque(b.x - added);
  return normalized(sum, opaque(a.y + b.y) + error);
}

fn multiply_exactly(a: f32, b: f32) -> vec2<f32> {
  let product = opaque(a * b);
  let a_high = bitcast<f32>(bitcast<u32>(a) & 0xfffff000u);
  let b_high = bitcast<f32>(bitcast<u32>(b) & 0xfffff000u);
  let a_low = opaque(a - a_high);
  let b_low = opaque(b - b_high);
  let rest = opaque(opaque(opaque(a_high * b_high) - product) + opaque(a_high * b_low));
  return vec2<f32>(product, opaque(opaque(rest + opaque(a_low * b_high)) + opaque(a_low * b_low)));
}
