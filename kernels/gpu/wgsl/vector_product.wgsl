// y = x W^T + bias for up to four rows of x: decoding, where each weight is used once.
// Tiling: a workgroup covers 32 * 4 output features and 8 segments of 128 input features at a time; an invocation sums
// one segment of four features in order, reading 16 bytes beside its neighbour's 16; the segments are then added in
// order, as product.wgsl does.
// Roofline: 4 bytes of weight moved per 2 * rows flop: bound by memory, at copy bandwidth.

struct Params {
  k: u32,
  // Output features of this piece of the weight, and vectors of four in a row of its layout.
  n: u32,
  quads: u32,
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
@group(0) @binding(4) var<storage, read> weight: array<vec4<f32>>;

// Whether there is more than one row: sums of four are kept, and those of missing rows repeat the last one.
override several: bool = false;
const segment = 128u;
const segments = 8u;
var<workgroup> parts: array<vec4<f32>, 1024>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let lane = index % 32u;
  let part = index / 32u;
  let quad = flat(group, groups) * 32u + lane;
  let k = params.k;
  let second = min(1u, params.rows - 1u) * k;
  let third = min(2u, params.rows - 1u) * k;
  let fourth = (params.rows - 1u) * k;
  var t0 = vec4<f32>();
  var t1 = vec4<f32>();
  var t2 = vec4<f32>();
  var t3 = vec4<f32>();
  for (var first = 0u; first < k; first += segments * segment) {
    var s0 = vec4<f32>();
    var s1 = vec4<f32>();
    var s2 = vec4<f32>();
    var s3 = vec4<f32>();
    let begin = first + part * segment;
    if (quad < params.quads) {
      for (var l = begin; l < min(begin + segment, k); l++) {
        let w = weight[l * params.quads + quad];
        s0 = fma(vec4<f32>(x[l]), w, s0);
        if (several) {
          s1 = fma(vec4<f32>(x[second + l]), w, s1);
          s2 = fma(vec4<f32>(x[third + l]), w, s2);
          s3 = fma(vec4<f32>(x[fourth + l]), w, s3);
        }
      }
    }
    parts[index] = s0;
    parts[256u + index] = s1;
    parts[512u + index] = s2;
    parts[768u + index] = s3;
    workgroupBarrier();
    if (part == 0u) {
      for (var s = 0u; s < segments; s++) {
        t0 += parts[s * 32u + lane];
        t1 += parts[256u + s * 32u + lane];
        t2 += parts[512u + s * 32u + lane];
        t3 += parts[768u + s * 32u + lane];
      }
    }
    workgroupBarrier();
  }
  if (part > 0u) {
    return;
  }
  for (var e = 0u; e < 4u; e++) {
    let j = quad * 4u + e;
    if (j >= params.n) {
      return;
    }
    let at = params.y_first + j;
    for (var row = 0u; row < params.rows; row++) {
      var value = select(select(select(t3[e], t2[e], row == 2u), t1[e], row == 1u), t0[e], row == 0u);
      if (params.has_bias == 1u) {
        value = value + bias[at];
      }
      y[row * params.y_row + at] = value;
    }
  }
}
