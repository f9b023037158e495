// y = the sum of the shares of lut_product.wgsl + bias, in order; one output per invocation.
// Roofline: 4 bytes moved per share and output: bound by memory, and little beside the weight.

struct Params {
  rows: u32,
  // Output features of this part of the weight.
  n: u32,
  shares: u32,
  y_row: u32,
  y_first: u32,
  has_bias: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// [rows, shares, n]
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn total() -> u32 {
  return params.rows * params.n;
}

fn each(i: u32) {
  let row = i / params.n;
  let j = i % params.n;
  var sum = 0.0;
  for (var share = 0u; share < params.shares; share++) {
    sum += parts[(row * params.shares + share) * params.n + j];
  }
  let at = params.y_first + j;
  if (params.has_bias == 1u) {
    sum = sum + bias[at];
  }
  y[row * params.y_row + at] = sum;
}
