// y = x W^T + bias for up to four rows of x: decoding, where each weight is used once.
// Tiling: that of vector.wgsl, with four output features per lane: neighbours read neighbouring 16 bytes.
// Roofline: 4 bytes of weight (2 in halves) moved per 2 * rows flop: bound by memory, at copy bandwidth.

// One for each row: its sums for four output features.
const vectors = 4u;

fn columns() -> u32 {
  return params.stride / 4u;
}

fn segment_sums(begin: u32, end: u32, quad: u32) -> array<vec4<f32>, vectors> {
  let second = row_start(1u);
  let third = row_start(2u);
  let fourth = row_start(3u);
  var s0 = vec4<f32>();
  var s1 = vec4<f32>();
  var s2 = vec4<f32>();
  var s3 = vec4<f32>();
  for (var l = begin; l < end; l++) {
    let w = four_weights(l * columns() + quad);
    s0 = fma(vec4<f32>(x[l]), w, s0);
    if (several) {
      s1 = fma(vec4<f32>(x[second + l]), w, s1);
      s2 = fma(vec4<f32>(x[third + l]), w, s2);
      s3 = fma(vec4<f32>(x[fourth + l]), w, s3);
    }
  }
  return array<vec4<f32>, vectors>(s0, s1, s2, s3);
}

fn store_sums(quad: u32, sums: array<vec4<f32>, vectors>) {
  for (var e = 0u; e < 4u; e++) {
    if (quad * 4u + e < params.n) {
      store(quad * 4u + e, vec4<f32>(sums[0][e], sums[1][e], sums[2][e], sums[3][e]));
    }
  }
}
