// The right operand of product.wgsl as float32, with any strides: the layout of a weight, or either side of a gemm.

@group(0) @binding(4) var<storage, read> b: array<f32>;

fn right(l: u32, j: u32) -> f32 {
  return b[l * params.b_row + j * params.b_column];
}
