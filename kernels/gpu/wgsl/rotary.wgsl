// Rotary position embedding in place: one pair of dimensions per invocation.
// Roofline: 16 bytes of x moved per pair (the table of angles is shared by the heads): bound by memory.

struct Params {
  pairs: u32,
  heads: u32,
  head_dim: u32,
  half: u32,
  position: u32,
  interleaved: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;

fn total() -> u32 {
  return params.pairs;
}

fn each(index: u32) {
  let i = index % params.half;
  let head = index / params.half;
  let token = head / params.heads;
  let angles = (params.position + token) * 2u * params.half;
  let cosine = table[angles + i];
  let sine = table[angles + params.half + i];
  let start = head * params.head_dim;
  let first = start + select(i, 2u * i, params.interleaved == 1u);
  let second = start + select(i + params.half, 2u * i + 1u, params.interleaved == 1u);
  let a = x[first];
  let b = x[second];
  x[first] = a * cosine - b * sine;
  x[second] = b * cosine + a * sine;
}
