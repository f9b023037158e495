// c = alpha a b + beta c (+ bias), dense or packed right operand (see right_dense.wgsl and right_packed.wgsl).
// Tiling: a workgroup of 16 x 16 makes a tile of 64 x 64, 4 x 4 per invocation, from slices of depth 16 in workgroup
// memory. Sums run over segments of 128 in order, and then over the segments: the order of vector_product.wgsl,
// so that a row has the same bits alone and among others, and half the rounding error of one long sum.
// Roofline: a slice moves 2 * 64 * 16 * 4 = 8 KiB for 2 * 64 * 64 * 16 = 131 kflop: 16 flop a byte of device memory
// when no other tile has cached its operands. Of workgroup memory, 8 loads serve 16 multiply-adds: on hardware that
// loads 32 words a cycle per 128 multiply-adds, that (not device memory) is the limit, at half of peak.

struct Params {
  m: u32,
  n: u32,
  k: u32,
  a_row: u32,
  a_column: u32,
  b_row: u32,
  b_column: u32,
  c_row: u32,
  c_first: u32,
  has_bias: u32,
  alpha: f32,
  beta: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

const depth = 16u;
const stride = 68u;
const segment = 128u;
var<workgroup> left_slice: array<f32, 1088>;
var<workgroup> right_slice: array<f32, 1088>;

fn left(i: u32, l: u32) -> f32 {
  if (i >= params.m || l >= params.k) {
    return 0.0;
  }
  return a[i * params.a_row + l * params.a_column];
}

fn right_or_zero(l: u32, j: u32) -> f32 {
  if (l >= params.k || j >= params.n) {
    return 0.0;
  }
  return right(l, j);
}

fn store(i: u32, j: u32, sum: f32) {
  if (i >= params.m || j >= params.n) {
    return;
  }
  let at = params.c_first + i * params.c_row + j;
  var value = sum;
  if (params.alpha != 1.0) {
    value = params.alpha * value;
  }
  if (params.has_bias == 1u) {
    value = value + bias[params.c_first + j];
  }
  if (params.beta != 0.0) {
    value = value + params.beta * c[at];
  }
  c[at] = value;
}

fn store_row(i: u32, j: u32, sums: vec4<f32>) {
  store(i, j, sums.x);
  store(i, j + 1u, sums.y);
  store(i, j + 2u, sums.z);
  store(i, j + 3u, sums.w);
}

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) lane: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let top = group.y * 64u;
  let edge = group.x * 64u;
  var s0 = vec4<f32>();
  var s1 = vec4<f32>();
  var s2 = vec4<f32>();
  var s3 = vec4<f32>();
  var t0 = vec4<f32>();
  var t1 = vec4<f32>();
  var t2 = vec4<f32>();
  var t3 = vec4<f32>();
  // Neighbouring invocations read neighbouring addresses, whichever way an operand lies.
  let a_deep = params.a_column == 1u;
  let b_deep = params.b_row == 1u && params.b_column != 1u;
  for (var first = 0u; first < params.k; first += depth) {
    for (var e = index; e < 1024u; e += 256u) {
      let al = select(e / 64u, e % depth, a_deep);
      let ai = select(e % 64u, e / depth, a_deep);
      left_slice[al * stride + ai] = left(top + ai, first + al);
      let bl = select(e / 64u, e % depth, b_deep);
      let bj = select(e % 64u, e / depth, b_deep);
      right_slice[bl * stride + bj] = right_or_zero(first + bl, edge + bj);
    }
    workgroupBarrier();
    for (var l = 0u; l < depth; l++) {
      let at = l * stride + lane.x * 4u;
      let b = vec4<f32>(right_slice[at], right_slice[at + 1u], right_slice[at + 2u], right_slice[at + 3u]);
      let from_left = l * stride + lane.y * 4u;
      s0 = fma(vec4<f32>(left_slice[from_left]), b, s0);
      s1 = fma(vec4<f32>(left_slice[from_left + 1u]), b, s1);
      s2 = fma(vec4<f32>(left_slice[from_left + 2u]), b, s2);
      s3 = fma(vec4<f32>(left_slice[from_left + 3u]), b, s3);
    }
    workgroupBarrier();
    if ((first + depth) % segment == 0u || first + depth >= params.k) {
      t0 += s0;
      t1 += s1;
      t2 += s2;
      t3 += s3;
      s0 = vec4<f32>();
      s1 = vec4<f32>();
      s2 = vec4<f32>();
      s3 = vec4<f32>();
    }
  }
  let i = top + lane.y * 4u;
  let j = edge + lane.x * 4u;
  store_row(i, j, t0);
  store_row(i + 1u, j, t1);
  store_row(i + 2u, j, t2);
  store_row(i + 3u, j, t3);
}
