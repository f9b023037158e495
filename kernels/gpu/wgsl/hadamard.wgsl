// Butterflies of one power of two up to 4096, in place: a workgroup of 64 takes `lanes` neighbouring vectors whose elements lie
// `stride` apart, holds them in its memory through all stages and writes them back times a factor. Additions only, in the order of the
// CPU: the same bits.
// Roofline: 8 bytes moved and log2(size) additions per element: bound by memory; larger sizes take a second pass.

struct Params {
  groups: u32,
  size: u32,
  stride: u32,
  lanes: u32,
  chunks: u32,
  scale: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

var<workgroup> tile: array<f32, 4096>;

fn total() -> u32 {
  return params.groups;
}

fn each_row(row: u32, lane: u32) {
  let size = params.size;
  let chunk = row % params.chunks;
  let width = min(params.lanes, params.stride - chunk * params.lanes);
  let first = row / params.chunks * size * params.stride + chunk * params.lanes;
  for (var e = lane; e < size * width; e += 64u) {
    tile[e] = x[first + e / width * params.stride + e % width];
  }
  workgroupBarrier();
  for (var half = 1u; half < size; half *= 2u) {
    for (var p = lane; p < size / 2u * width; p += 64u) {
      let k = p / width;
      let low = (k / half * 2u * half + k % half) * width + p % width;
      let high = low + half * width;
      let a = tile[low];
      let b = tile[high];
      tile[low] = a + b;
      tile[high] = a - b;
    }
    workgroupBarrier();
  }
  for (var e = lane; e < size * width; e += 64u) {
    x[first + e / width * params.stride + e % width] = tile[e] * params.scale;
  }
}
