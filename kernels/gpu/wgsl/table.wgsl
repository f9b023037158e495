// Weights of codes into a table, as the packed kernels read them: w = levels[code] * scale. Codes lie in planes as in packed.wgsl.

@group(0) @binding(4) var<storage, read> codes: array<u32>;
// The scale of block g of output j at g * stride + j: a float, or one of four bytes of a word.
@group(0) @binding(5) var<storage, read> scales: array<u32>;
// The block of each input feature.
@group(0) @binding(6) var<storage, read> range_of: array<u32>;
// What the 2^bits codes stand for, then what the 256 bytes of scales stand for.
@group(0) @binding(7) var<storage, read> levels: array<f32>;

override bits: u32 = 4u;
override scale_bytes: u32 = 0u;

fn quantizer_at(at: u32) -> vec2<f32> {
  if (scale_bytes == 1u) {
    return vec2<f32>(levels[(1u << bits) + ((scales[at / 4u] >> (8u * (at % 4u))) & 255u)], 0.0);
  }
  return vec2<f32>(bitcast<f32>(scales[at]), 0.0);
}

fn value_of(code: u32, quantizer: vec2<f32>) -> f32 {
  return quantizer.x * levels[code];
}
