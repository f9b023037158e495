// Rows of codes into a codebook as float32, x = codebook[code] * range + center, but where a value stands apart: the
// non-uniform codes of KVQuant (Hooper et al., NeurIPS 2024), "dense and sparse".
// Tiling: a workgroup of 64 per row, which decodes every 64th value and then puts the row's few outliers over them;
// neighbouring invocations share words. The codebook of at most 256 values stays in the cache.
// Roofline: bits / 8 bytes read and 4 written per value against 5 operations: bound by memory.

struct Params {
  first: u32,
  count: u32,
  width: u32,
  bits: u32,
  // Whether a row has its own center and range, rather than each column.
  per_row: u32,
  // 0; a compiler cannot know.
  nothing: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read> codebook: array<f32>;
// Center and range.
@group(0) @binding(3) var<storage, read> scales: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> starts: array<u32>;
// Column, and bits of the value.
@group(0) @binding(5) var<storage, read> entries: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

fn total() -> u32 {
  return params.count;
}

fn each_row(index: u32, lane: u32) {
  let row = params.first + index;
  let per_word = 32u / params.bits;
  let start = row * ((params.width + per_word - 1u) / per_word);
  for (var j = lane; j < params.width; j += 64u) {
    let word = words[start + j / per_word];
    let code = (word >> (params.bits * (j % per_word))) & ((1u << params.bits) - 1u);
    let scale = scales[select(j, row, params.per_row == 1u)];
    // The product is rounded before the sum, as on every device: a compiler may not merge the two.
    let product = bitcast<f32>(bitcast<u32>(codebook[code] * scale.y) ^ params.nothing);
    y[index * params.width + j] = product + scale.x;
  }
  storageBarrier();
  for (var i = starts[row] + lane; i < starts[row + 1u]; i += 64u) {
    y[index * params.width + entries[i].x] = bitcast<f32>(entries[i].y);
  }
}
