// Four neighbouring output features of the weight of vector_product.wgsl, as float16: half the bytes to move.

@group(0) @binding(4) var<storage, read> weight: array<vec2<u32>>;

fn four_weights(at: u32) -> vec4<f32> {
  let words = weight[at];
  return vec4<f32>(halves(words.x), halves(words.y));
}
