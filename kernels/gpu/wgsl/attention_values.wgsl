// The second half of attention: one output per invocation, summed over the keys that its query sees, in order.
// Roofline: a value and (shared by the invocations of a head) a probability read per 2 flop: bound by the cache.

@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn total() -> u32 {
  return params.tokens * params.some_heads * params.head_dim;
}

fn each(index: u32) {
  let dims = params.head_dim;
  let d = index % dims;
  let some_head = index / dims % params.some_heads;
  let head = params.first_head + some_head;
  let token = index / dims / params.some_heads;
  let position = position_of(token);
  let start = params.first_weight + (some_head * params.tokens + token) * params.kv_tokens;
  let column = kv_head_of(head) * dims + d;
  let width = params.kv_heads * dims;
  var sum = 0.0;
  for (var j = first_key(position); j <= position; j++) {
    sum = fma(p[start + j], v[j * width + column], sum);
  }
  y[(token * params.heads + head) * dims + d] = sum;
}
