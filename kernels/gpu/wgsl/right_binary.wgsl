// The right operand of product.wgsl as binary codes; b_row is the stride of the layout (binary.wgsl). Each weight is
// decoded once per tile that reads it, plane by plane, in the order of the values that it stands for.

// The group of each input feature.
@group(0) @binding(7) var<storage, read> range_of: array<u32>;

fn right(l: u32, j: u32) -> f32 {
  let stride = params.b_row;
  var value = 0.0;
  for (var plane = 0u; plane < bits; plane++) {
    let scale = scales[(range_of[l] * bits + plane) * stride + j];
    let bit = (signs[(l / 32u * bits + plane) * stride + j] >> (l % 32u)) & 1u;
    value += select(-scale, scale, bit == 1u);
  }
  return value + offsets[range_of[l] * stride + j];
}
