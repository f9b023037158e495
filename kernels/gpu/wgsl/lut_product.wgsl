// y = x W^T for binary-coded weights by table look-up (LUT-GEMM, Park et al., ICLR 2024, section 3.2): eight signs are
// a byte, eight inputs have only 256 signed sums, and a table of them serves all output features and planes.
// Tiling: a workgroup of 256 covers 256 output features, one per invocation, and a share of the inputs of one row of x;
// 64 inputs at a time become eight tables in workgroup memory (8 KiB), each entry the sum of two of 16 half-byte entries.
// sum_shares.wgsl sums up the shares.
// Roofline: bits / 8 bytes (and 4 bytes per group and plane) moved per weight against one look-up per 8 weights and
// plane: bound by memory where look-ups of different addresses do not collide, else by workgroup memory.

struct Params {
  // Output features and their number rounded up, words of 32 inputs in a row and in a share of it, shares of a row.
  n: u32,
  stride: u32,
  words: u32,
  share: u32,
  shares: u32,
  words_per_group: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
// [rows, shares, n]
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;

var<workgroup> halves: array<f32, 256>;
var<workgroup> tables: array<f32, 2048>;

fn signed(row: u32, input: u32, bit: u32) -> f32 {
  if (input >= params.words * 32u) {
    return 0.0;
  }
  let value = x[row * params.words * 32u + input];
  return select(-value, value, bit == 1u);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let j = group.x * 256u + lane;
  let row = group.y / params.shares;
  let begin = group.y % params.shares * params.share;
  let end = min(begin + params.share, params.words);
  var sum = 0.0;
  for (var first = begin; first < end; first += 2u) {
    let input = first * 32u + (lane / 16u) * 4u;
    halves[lane] = (signed(row, input, lane & 1u) + signed(row, input + 1u, (lane >> 1u) & 1u)) +
      (signed(row, input + 2u, (lane >> 2u) & 1u) + signed(row, input + 3u, (lane >> 3u) & 1u));
    workgroupBarrier();
    for (var table = 0u; table < 8u; table++) {
      tables[table * 256u + lane] = halves[table * 32u + (lane & 15u)] + halves[table * 32u + 16u + (lane >> 4u)];
    }
    workgroupBarrier();
    if (j < params.n) {
      for (var word = first; word < min(first + 2u, end); word++) {
        let base = (word - first) * 1024u;
        let range = word / params.words_per_group;
        for (var plane = 0u; plane < bits; plane++) {
          let bytes = signs[(word * bits + plane) * params.stride + j];
          let looked_up = (tables[base + (bytes & 255u)] + tables[base + 256u + ((bytes >> 8u) & 255u)]) +
            (tables[base + 512u + ((bytes >> 16u) & 255u)] + tables[base + 768u + (bytes >> 24u)]);
          sum = fma(scales[(range * bits + plane) * params.stride + j], looked_up, sum);
        }
        // With all signs positive a table holds the plain sum.
        let plain = (tables[base + 255u] + tables[base + 511u]) + (tables[base + 767u] + tables[base + 1023u]);
        sum = fma(offsets[range * params.stride + j], plain, sum);
      }
    }
    workgroupBarrier();
  }
  if (j < params.n) {
    parts[group.y * params.n + j] = sum;
  }
}
