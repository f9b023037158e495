// acc[j] = max(acc[j], max_i |x[i, j]|): a workgroup covers 32 columns with 8 rows at a time. Magnitudes are compared
// as integers, which have the same order, keep subnormals, and put NaN above all.
// Roofline: 4 bytes read per element: bound by memory.

struct Params {
  rows: u32,
  columns: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> acc: array<u32>;

var<workgroup> tops: array<u32, 256>;

@compute @workgroup_size(32, 8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let column = group.x * 32u + lane.x;
  var top = 0u;
  if (column < params.columns) {
    for (var row = lane.y; row < params.rows; row += 8u) {
      top = max(top, x[row * params.columns + column] & 0x7fffffffu);
    }
  }
  tops[lane.y * 32u + lane.x] = top;
  workgroupBarrier();
  if (lane.y == 0u && column < params.columns) {
    for (var row = 1u; row < 8u; row++) {
      top = max(top, tops[row * 32u + lane.x]);
    }
    acc[column] = max(acc[column], top);
  }
}
