// A Hadamard matrix that is no power of two (up to 512), in place, on vectors whose elements lie `stride` apart: a workgroup of 64 holds
// `lanes` neighbouring ones in its memory. Products with +1 and -1 are exact, and sums run from the first column on: the bits of the CPU.
// Roofline: 8 bytes moved and `size` multiply-adds per element; the signs are shared by all and stay in the cache: bound by arithmetic.

struct Params {
  groups: u32,
  size: u32,
  stride: u32,
  lanes: u32,
  chunks: u32,
  transposed: u32,
  scale: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read> signs: array<f32>;

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
  let down = select(size, 1u, params.transposed == 1u);
  let across = select(1u, size, params.transposed == 1u);
  for (var e = lane; e < size * width; e += 64u) {
    let i = e / width;
    var sum = 0.0;
    for (var j = 0u; j < size; j++) {
      sum += signs[i * down + j * across] * tile[j * width + e % width];
    }
    x[first + i * params.stride + e % width] = sum * params.scale;
  }
}
