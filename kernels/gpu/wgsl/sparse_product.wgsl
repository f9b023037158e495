// y += x S^T for the few entries of a sparse S: the outliers of SpQR (Dettmers et al., ICLR 2024, section 4.2), added to
// the product of its dense codes. An entry is how far an outlier is from the value of its code.
// Tiling: a workgroup of 64 per row of x and output feature; each invocation sums every 64th entry, then a tree.
// Roofline: 8 bytes moved per entry (from the cache for all rows of x but the first) against 2 flop: bound by memory. With
// 1% of outliers that is 0.08 bytes per weight beside 0.5 bytes of a 4-bit code.

struct Params {
  // Rows of x, output features of this part of the weight, columns of x.
  rows: u32,
  n: u32,
  k: u32,
  y_row: u32,
  y_first: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
// Where the entries of each output feature begin.
@group(0) @binding(2) var<storage, read> starts: array<u32>;
// Column, and bits of the value.
@group(0) @binding(3) var<storage, read> entries: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn total() -> u32 {
  return params.rows * params.n;
}

fn each_row(index: u32, lane: u32) {
  let row = index / params.n;
  let j = index % params.n;
  var sum = 0.0;
  for (var i = starts[j] + lane; i < starts[j + 1u]; i += 64u) {
    sum = fma(x[row * params.k + entries[i].x], bitcast<f32>(entries[i].y), sum);
  }
  let all = sum_of_lanes(lane, sum);
  if (lane == 0u) {
    y[row * params.y_row + params.y_first + j] += all;
  }
}
