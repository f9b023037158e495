// The second half of attention: one output per invocation, summed over the keys that its query sees, in order.
// Roofline: a value and (shared by the invocations of a head) a probability read per 2 flop: bound by the cache.

@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = flat(group, groups) * 64u + lane;
  let dims = params.head_dim;
  if (index >= params.tokens * params.some_heads * dims) {
    return;
  }
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
