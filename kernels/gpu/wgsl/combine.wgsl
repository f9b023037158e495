// x + y or x * y in place, a shorter y repeating; one element per invocation.
// Roofline: 12 bytes moved per operation: bound by memory.

struct Params {
  count: u32,
  // Index in the whole of x of the first element that is bound, modulo the period.
  phase: u32,
  period: u32,
  multiply: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;

fn total() -> u32 {
  return params.count;
}

fn each(i: u32) {
  let other = y[(params.phase + i) % params.period];
  x[i] = select(x[i] + other, x[i] * other, params.multiply == 1u);
}
