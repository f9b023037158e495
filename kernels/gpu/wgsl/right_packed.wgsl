// The right operand of product.wgsl as packed integers or codes into a table; b_row is the stride of the layout (packed.wgsl, table.wgsl).
// Each code is decoded once per tile that reads it, 64 rows of the left operand at a time.

// Code number l (of the whole row) of output j.
fn code_at(l: u32, j: u32) -> u32 {
  let stride = params.b_row;
  let block = (l / 32u) * bits;
  let i = l % 32u;
  var code = 0u;
  var word = 0u;
  var at = 0u;
  if (bits >= 4u) {
    code = (codes[(block + i / 8u) * stride + j] >> (4u * (i % 8u))) & 15u;
    word = 4u;
    at = 4u;
  }
  if (bits == 8u) {
    return code | (((codes[(block + 4u + i / 8u) * stride + j] >> (4u * (i % 8u))) & 15u) << 4u);
  }
  if ((bits & 2u) != 0u) {
    code |= ((codes[(block + word + i / 16u) * stride + j] >> (2u * (i % 16u))) & 3u) << at;
    word += 2u;
    at += 2u;
  }
  if ((bits & 1u) != 0u) {
    code |= ((codes[(block + word) * stride + j] >> i) & 1u) << at;
  }
  return code;
}

fn right(l: u32, j: u32) -> f32 {
  return value_of(code_at(l, j), quantizer_at(range_of[l] * params.b_row + j));
}
