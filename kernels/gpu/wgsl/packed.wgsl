// Weights of packed integers, as the packed kernels read them: w = scale * (code - zero).
// Codes of 32 input features of one output feature are `bits` words, cut into planes of 4, 2 and 1 bits (8 bits: two
// planes of 4), so that no code straddles words: a plane of 4 bits has 8 codes a word, one of 1 bit has 32. Word w of
// block b of output j lies at (b * bits + w) * stride + j: neighbouring outputs are neighbours in memory.

@group(0) @binding(4) var<storage, read> codes: array<u32>;
// Scale and zero point of range g of output j at g * stride + j; the range of each input feature.
@group(0) @binding(5) var<storage, read> quantizers: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read> range_of: array<u32>;

override bits: u32 = 4u;

fn quantizer_at(at: u32) -> vec2<f32> {
  return quantizers[at];
}

fn value_of(code: u32, quantizer: vec2<f32>) -> f32 {
  return quantizer.x * (f32(code) - quantizer.y);
}
