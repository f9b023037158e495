// Adds a float32 matrix to a sum of pairs of float32 (high + low, some 48 bits), one element per invocation: what
// float64 is where a device has none. The error of an addition follows from the addition itself (two-sum, Knuth);
// passing its result through an exclusive or with an opaque zero keeps compilers from simplifying the error to 0.
// Roofline: 20 bytes moved per element against 10 operations: bound by memory.

struct Params {
  count: u32,
  // 0; a compiler cannot know.
  nothing: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> acc: array<vec2<f32>>;

fn opaque(value: f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(value) ^ params.nothing);
}

fn total() -> u32 {
  return params.count;
}

fn each(i: u32) {
  let old = acc[i];
  let value = x[i];
  let sum = opaque(old.x + value);
  let added = opaque(sum - old.x);
  let low = old.y + (opaque(old.x - opaque(sum - added)) + opaque(value - added));
  let high = opaque(sum + low);
  // Infinity and NaN have no error.
  let finite = (bitcast<u32>(high) & 0x7f800000u) != 0x7f800000u;
  acc[i] = vec2<f32>(select(sum, high, finite), select(0.0, low - opaque(high - sum), finite));
}
