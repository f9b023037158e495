// Keys and values of attention.wgsl as float32, a row per token, with a slope per head where positions bias scores.

@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read> v: array<f32>;
@group(0) @binding(4) var<storage, read> slopes: array<f32>;

fn key_at(token: u32, channel: u32) -> f32 {
  return k[token * params.kv_heads * params.head_dim + channel];
}

fn value_at(token: u32, channel: u32) -> f32 {
  return v[token * params.kv_heads * params.head_dim + channel];
}

fn slope_of(head: u32) -> f32 {
  return slopes[select(0u, head, params.has_slopes == 1u)];
}
