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

// Of a value: its group, the word of its code, and the code's lowest bit in the word.
fn place(token: u32, channel: u32, bits: u32, size: u32, by_token: bool) -> vec3<u32> {
  let width = params.kv_heads * params.head_dim;
  var group = token / size * width + channel;
  var at = token % size;
  if (by_token) {
    group = (token * width + channel) / size;
    at = (token * width + channel) % size;
  }
  let per_word = 32u / bits;
  return vec3<u32>(group, group * ((size + per_word - 1u) / per_word) + at / per_word, bits * (at % per_word));
}

fn value_of(word: u32, bits: u32, range: vec2<f32>) -> f32 {
  return fma(f32(word & ((1u << bits) - 1u)), range.x, range.y);
}

fn recent_place(token: u32, channel: u32, rows: u32) -> u32 {
  return token % rows * params.kv_heads * params.head_dim + channel;
}

fn key_at(token: u32, channel: u32) -> f32 {
  if (token >= params.packed_keys) {
    return recent_keys[recent_place(token, channel, key_rows)];
  }
  let at = place(token, channel, key_bits, key_group, key_by_token);
  return value_of(key_words[at.y] >> at.z, key_bits, key_ranges[at.x]);
}

fn value_at(token: u32, channel: u32) -> f32 {
  if (token >= params.packed_values) {
    return recent_values[recent_place(token, channel, value_rows)];
  }
  let at = place(token, channel, value_bits, value_group, value_by_token);
  return value_of(value_words[at.y] >> at.z, value_bits, value_ranges[at.x]);
}

fn slope_of(head: u32) -> f32 {
  return 0.0;
}
