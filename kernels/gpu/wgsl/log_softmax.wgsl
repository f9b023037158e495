// Log-softmax of rows in place: a workgroup of 64 per row, in three passes (maximum, sum, subtraction).
// The logarithm of the sum, which WGSL gives to 2^-21 only, takes one Newton step with our exponential:
// log s = l + (s exp(-l) - 1) up to the square of l's error, 2^-42.
// Roofline: 16 bytes moved per element (rows stay in the cache between passes), one exponential: bound by memory.

struct Params {
  rows: u32,
  columns: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

fn total() -> u32 {
  return params.rows;
}

fn each_row(row: u32, lane: u32) {
  let columns = params.columns;
  let start = row * columns;
  var highest = x[start + min(lane, columns - 1u)];
  for (var j = lane; j < columns; j += 64u) {
    highest = max(highest, x[start + j]);
  }
  let top = max_of_lanes(lane, highest);
  var sum = 0.0;
  for (var j = lane; j < columns; j += 64u) {
    sum += exponential(x[start + j] - top);
  }
  let total = sum_of_lanes(lane, sum);
  let guess = log(total);
  let log_sum = top + (guess + fma(total, exponential(-guess), -1.0));
  for (var j = lane; j < columns; j += 64u) {
    x[start + j] = x[start + j] - log_sum;
  }
}
