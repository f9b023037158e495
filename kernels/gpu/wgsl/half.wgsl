// Two float16 values of a word as float32, exactly and on every GPU: `unpack2x16float` may take subnormal values for zero
// (lavapipe's does), and below 2^-14 are many weights. A float16 is a float32 whose exponent is 112 less, or, where it is
// subnormal, what 2^-14 times (1 + its fraction) has above 2^-14.

fn halves(word: u32) -> vec2<f32> {
  let bits = vec2<u32>(word & 0xffffu, word >> 16u);
  let size = (bits & vec2<u32>(0x7fffu)) << vec2<u32>(13u);
  let normal = bitcast<vec2<f32>>(size + 0x38000000u);
  let small = bitcast<vec2<f32>>(size + 0x38800000u) - vec2<f32>(6.103515625e-5);
  let magnitude = bitcast<vec2<u32>>(select(small, normal, size >= vec2<u32>(0x800000u)));
  return bitcast<vec2<f32>>(magnitude | ((bits & vec2<u32>(0x8000u)) << vec2<u32>(16u)));
}
