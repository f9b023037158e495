// RMS norm and layer norm: a workgroup of 64 per row; each invocation sums every 64th element, then a tree.
// The variance is that of the deviations, in a second pass over the row, which is in the cache by then.
// Roofline: 8 bytes moved per element against 5 operations: bound by memory.

struct Params {
  rows: u32,
  columns: u32,
  // 0: root mean square, 1: layer norm, 2: layer norm with bias
  kind: u32,
  eps: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn total() -> u32 {
  return params.rows;
}

fn each_row(row: u32, lane: u32) {
  let columns = params.columns;
  let start = row * columns;
  var mean = 0.0;
  if (params.kind > 0u) {
    var sum = 0.0;
    for (var j = lane; j < columns; j += 64u) {
      sum += x[start + j];
    }
    mean = sum_of_lanes(lane, sum) / f32(columns);
  }
  var squares = 0.0;
  for (var j = lane; j < columns; j += 64u) {
    let deviation = x[start + j] - mean;
    squares = fma(deviation, deviation, squares);
  }
  let scale = inverseSqrt(sum_of_lanes(lane, squares) / f32(columns) + params.eps);
  for (var j = lane; j < columns; j += 64u) {
    let normal = (x[start + j] - mean) * scale * weight[j];
    y[start + j] = select(normal, normal + bias[j], params.kind == 2u);
  }
}
