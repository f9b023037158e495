// Four neighbouring output features of the weight of vector_product.wgsl, as float32.

@group(0) @binding(4) var<storage, read> weight: array<vec4<f32>>;

fn four_weights(at: u32) -> vec4<f32> {
  return weight[at];
}
