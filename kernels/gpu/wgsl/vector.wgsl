// Prelude of the products of up to four rows of x, for decoding, where each weight is used once: a workgroup covers
// neighbouring output features with 32 lanes and 8 segments of 128 input features at a time; an invocation sums up one
// segment in order, and the segments are then added in order, as product.wgsl does.

struct Params {
  k: u32,
  // Output features of this piece of the weight, and from one input feature to the next in its layout.
  n: u32,
  stride: u32,
  y_row: u32,
  y_first: u32,
  has_bias: u32,
  // Rows of x: up to four.
  rows: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// Whether there is more than one row: sums of four are kept, and those of missing rows repeat the last one.
override several: bool = false;
const segment = 128u;
const segments = 8u;

// Where a row of x begins.
fn row_start(row: u32) -> u32 {
  return min(row, params.rows - 1u) * params.k;
}

// Writes output feature j of all rows.
fn store(j: u32, sums: vec4<f32>) {
  let at = params.y_first + j;
  for (var row = 0u; row < params.rows; row++) {
    var value = sums[row];
    if (params.has_bias == 1u) {
      value = value + bias[at];
    }
    y[row * params.y_row + at] = value;
  }
}

var<workgroup> parts: array<vec4<f32>, 256u * vectors>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let lane = index % 32u;
  let part = index / 32u;
  let column = (group.y * groups.x + group.x) * 32u + lane;
  var total: array<vec4<f32>, vectors>;
  for (var first = 0u; first < params.k; first += segments * segment) {
    var sums: array<vec4<f32>, vectors>;
    if (column < columns()) {
      let begin = first + part * segment;
      sums = segment_sums(begin, min(begin + segment, params.k), column);
    }
    for (var v = 0u; v < vectors; v++) {
      parts[v * 256u + index] = sums[v];
    }
    workgroupBarrier();
    if (part == 0u) {
      for (var s = 0u; s < segments; s++) {
        for (var v = 0u; v < vectors; v++) {
          total[v] += parts[v * 256u + s * 32u + lane];
        }
      }
    }
    workgroupBarrier();
  }
  if (part == 0u && column < columns()) {
    store_sums(column, total);
  }
}
