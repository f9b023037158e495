// y = x W^T + bias for up to four rows of x and a weight of packed integers, or of codes into a table (table.wgsl): decoding, where each code is used once.
// Tiling: that of vector.wgsl, with one output feature per lane; an invocation decodes 8 codes a step. The order of sums
// is that of vector_product.wgsl, so that the bits are those of the same weight in float32.
// Roofline: bits / 8 bytes (and 8 bytes per range) moved per weight against 2 * rows + 6 operations: bound by memory
// at 4 bits up to some 30 operations a byte, which is below the balance of every GPU that is current.

// The sums of four rows for one output feature.
const vectors = 1u;

fn columns() -> u32 {
  return params.n;
}

fn segment_sums(begin: u32, end: u32, j: u32) -> array<vec4<f32>, vectors> {
  var sums = vec4<f32>();
  var range = 0xffffffffu;
  var quantizer = vec2<f32>();
  let second = row_start(1u);
  let third = row_start(2u);
  let fourth = row_start(3u);
  for (var first = begin; first < end; first += 8u) {
    let at = first / 32u * bits * params.stride + j;
    let quarter = first / 8u % 4u;
    var nibbles = 0u;
    var upper = 0u;
    var pairs = 0u;
    var ones = 0u;
    var plane = 0u;
    if (bits >= 4u) {
      nibbles = codes[at + quarter * params.stride];
      plane = 4u;
    }
    if (bits == 8u) {
      upper = codes[at + (4u + quarter) * params.stride];
    } else {
      if ((bits & 2u) != 0u) {
        pairs = codes[at + (plane + quarter / 2u) * params.stride] >> (16u * (quarter % 2u));
        plane += 2u;
      }
      if ((bits & 1u) != 0u) {
        ones = codes[at + plane * params.stride] >> (8u * quarter);
      }
    }
    for (var e = 0u; e < 8u; e++) {
      let l = first + e;
      if (l >= end) {
        break;
      }
      var code = (nibbles >> (4u * e)) & 15u;
      if (bits == 8u) {
        code |= ((upper >> (4u * e)) & 15u) << 4u;
      } else {
        code |= ((pairs >> (2u * e)) & 3u) << (bits & 4u);
        code |= ((ones >> e) & 1u) << (bits & 6u);
      }
      if (range_of[l] != range) {
        range = range_of[l];
        quantizer = quantizer_at(range * params.stride + j);
      }
      let weight = value_of(code, quantizer);
      sums.x = fma(x[l], weight, sums.x);
      if (several) {
        sums.y = fma(x[second + l], weight, sums.y);
        sums.z = fma(x[third + l], weight, sums.z);
        sums.w = fma(x[fourth + l], weight, sums.w);
      }
    }
  }
  return array<vec4<f32>, vectors>(sums);
}

fn store_sums(j: u32, sums: array<vec4<f32>, vectors>) {
  store(j, sums[0]);
}
