// y = x W^T of int8 codes in int32: four multiply-adds per dot4I8Packed, and no rounding anywhere.
// Tiling: a workgroup of 16 x 16 makes a tile of 64 x 64, 4 x 4 per invocation, from slices of 16 words (64 input
// features) in workgroup memory.
// Roofline: a slice moves 2 * 64 * 64 = 8 KiB for 2 * 64 * 64 * 64 = 524 kop: 64 operations a byte; of workgroup
// memory, 8 words serve 64 multiply-adds: bound by arithmetic where dot4I8Packed is one instruction.

struct Params {
  m: u32,
  n: u32,
  // Words of four codes in a row.
  words: u32,
  // Sums of a row, and where those of this part of the weight begin.
  y_row: u32,
  y_first: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> weight: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<i32>;

const depth = 16u;
const stride = 17u;
var<workgroup> left_slice: array<vec4<u32>, 272>;
var<workgroup> right_slice: array<vec4<u32>, 272>;

fn left(i: u32, l: u32) -> u32 {
  if (i >= params.m || l >= params.words) {
    return 0u;
  }
  return x[i * params.words + l];
}

fn right(j: u32, l: u32) -> u32 {
  if (j >= params.n || l >= params.words) {
    return 0u;
  }
  return weight[j * params.words + l];
}

fn dots(a: u32, b: vec4<u32>) -> vec4<i32> {
  return vec4<i32>(dot4I8Packed(a, b.x), dot4I8Packed(a, b.y), dot4I8Packed(a, b.z), dot4I8Packed(a, b.w));
}

fn store_row(i: u32, j: u32, sums: vec4<i32>) {
  for (var e = 0u; e < 4u; e++) {
    if (i < params.m && j + e < params.n) {
      y[i * params.y_row + params.y_first + j + e] = sums[e];
    }
  }
}

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) lane: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let top = group.y * 64u;
  let edge = group.x * 64u;
  var s0 = vec4<i32>();
  var s1 = vec4<i32>();
  var s2 = vec4<i32>();
  var s3 = vec4<i32>();
  // Each invocation brings one vector of four rows to each slice; neighbours read neighbouring words.
  let word = index % depth;
  let quad = index / depth;
  for (var first = 0u; first < params.words; first += depth) {
    let l = first + word;
    let i = top + quad * 4u;
    let j = edge + quad * 4u;
    left_slice[word * stride + quad] = vec4<u32>(left(i, l), left(i + 1u, l), left(i + 2u, l), left(i + 3u, l));
    right_slice[word * stride + quad] = vec4<u32>(right(j, l), right(j + 1u, l), right(j + 2u, l), right(j + 3u, l));
    workgroupBarrier();
    for (var at = 0u; at < depth; at++) {
      let a = left_slice[at * stride + lane.y];
      let b = right_slice[at * stride + lane.x];
      s0 += dots(a.x, b);
      s1 += dots(a.y, b);
      s2 += dots(a.z, b);
      s3 += dots(a.w, b);
    }
    workgroupBarrier();
  }
  let i = top + lane.y * 4u;
  let j = edge + lane.x * 4u;
  store_row(i, j, s0);
  store_row(i + 1u, j, s1);
  store_row(i + 2u, j, s2);
  store_row(i + 3u, j, s3);
}
