// Adds a float32 matrix to a sum of pairs of float32 (pairs.wgsl), one element per invocation.
// Roofline: 20 bytes moved per element against 12 operations: bound by memory.

struct Params {
  count: u32,
  // 0; a compiler cannot know.
  nothing: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> acc: array<vec2<f32>>;

fn total() -> u32 {
  return params.count;
}

fn each(i: u32) {
  acc[i] = add_pairs(acc[i], vec2<f32>(x[i], 0.0));
}
