// The score of one query and one key, shared by the attention kernels: scale, soft cap, linear position bias.

struct Params {
  tokens: u32,
  kv_tokens: u32,
  heads: u32,
  kv_heads: u32,
  head_dim: u32,
  // Last positions that a query sees; at least kv_tokens without a window.
  window: u32,
  has_softcap: u32,
  has_slopes: u32,
  // Of the materialised probabilities, the head that this dispatch starts with, how many heads it covers, and where
  // the first one starts.
  first_head: u32,
  some_heads: u32,
  first_weight: u32,
  // Leading keys and values that are codes, where any are.
  packed_keys: u32,
  packed_values: u32,
  scale: f32,
  softcap: f32,
}
@group(0) @binding(0) var<uniform> params: Params;

fn finish_score(dot: f32, slope: f32, distance: u32) -> f32 {
  var score = dot * params.scale;
  if (params.has_softcap == 1u) {
    score = params.softcap * hyperbolic_tangent(score / params.softcap);
  }
  if (params.has_slopes == 1u) {
    score = score - slope * f32(distance);
  }
  return score;
}

// Position of the query, the first key that it sees, and the row of keys and values that its head reads.
fn position_of(token: u32) -> u32 {
  return params.kv_tokens - params.tokens + token;
}

fn first_key(position: u32) -> u32 {
  return max(position + 1u, params.window) - params.window;
}

fn kv_head_of(head: u32) -> u32 {
  return head * params.kv_heads / params.heads;
}
