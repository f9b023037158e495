// Keys and values of attention.wgsl as KIVI holds them (Liu et al., ICML 2024): the oldest tokens as codes in groups,
// x = scale * code + minimum, the newest in a ring of float32 rows. A group of keys runs along the tokens of a channel: the
// lanes of a block share its words and its range; one of values along the channels of a token: neighbouring dimensions
// share them. Nothing is written back, so a step reads bits / 8 bytes and 8 / groupSize bytes of range per value instead
// of 4: bound by memory in decoding, hence up to 32 / (bits + 64 / groupSize) times as fast as with float32.

@group(0) @binding(2) var<storage, read> key_words: array<u32>;
@group(0) @binding(3) var<storage, read> key_ranges: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> recent_keys: array<f32>;
@group(0) @binding(6) var<storage, read> value_words: array<u32>;
@group(0) @binding(7) var<storage, read> value_ranges: array<vec2<f32>>;
@group(0) @binding(8) var<storage, read> recent_values: array<f32>;

override key_bits: u32 = 2u;
override key_group: u32 = 32u;
override key_by_token: bool = false;
override key_rows: u32 = 1u;
override value_bits: u32 = 2u;
override value_group: u32 = 32u;
override value_by_token: bool = true;
override value_rows: u32 = 1u;

// Group of a value (x), and its place in the group (y).
fn place(token: u32, channel: u32, size: u32, by_token: bool) -> vec2<u32> {
  let width = params.kv_heads * params.head_dim;
  if (by_token) {
    let at = token * width + channel;
    return vec2<u32>(at / size, at % size);
  }
  return vec2<u32>(token / size * width + channel, token % size);
}

// Word of a code (x), and its lowest bit in the word (y).
fn code_place(at: vec2<u32>, bits: u32, size: u32) -> vec2<u32> {
  let per_word = 32u / bits;
  return vec2<u32>(at.x * ((size + per_word - 1u) / per_word) + at.y / per_word, bits * (at.y % per_word));
}

fn key_at(token: u32, channel: u32) -> f32 {
  if (token >= params.packed_keys) {
    return recent_keys[token % key_rows * params.kv_heads * params.head_dim + channel];
  }
  let at = place(token, channel, key_group, key_by_token);
  let code = code_place(at, key_bits, key_group);
  let range = key_ranges[at.x];
  return fma(f32((key_words[code.x] >> code.y) & ((1u << key_bits) - 1u)), range.x, range.y);
}

fn value_at(token: u32, channel: u32) -> f32 {
  if (token >= params.packed_values) {
    return recent_values[token % value_rows * params.kv_heads * params.head_dim + channel];
  }
  let at = place(token, channel, value_group, value_by_token);
  let code = code_place(at, value_bits, value_group);
  let range = value_ranges[at.x];
  return fma(f32((value_words[code.x] >> code.y) & ((1u << value_bits) - 1u)), range.x, range.y);
}

fn slope_of(head: u32) -> f32 {
  return 0.0;
}
