// The right operand of product.wgsl as float16, two output features a word; b_row is the stride of the layout.

@group(0) @binding(4) var<storage, read> b: array<u32>;

fn right(l: u32, j: u32) -> f32 {
  let at = l * params.b_row + j;
  let two = halves(b[at / 2u]);
  return select(two.x, two.y, at % 2u == 1u);
}
