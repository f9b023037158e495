// Causal attention without materialised scores: a workgroup of 64 per query and head walks over the keys in blocks of
// 64, one key per invocation, keeping the greatest score, the sum of exponentials and the output so far, which are
// rescaled when the maximum grows (online softmax, Milakov & Gimelshein 2018; FlashAttention). Then each invocation
// sums up to four dimensions of the output over the values of the block. Blocks start at the first key that the query
// sees, so that a query has the same bits in prefill and in decoding. Keys and values are float32
// (attention_dense.wgsl) or packed (attention_packed.wgsl).
// Roofline: 2 reads of head_dim floats per 4 * head_dim flop: one flop every 2 bytes, from the cache where queries
// share keys, from memory in decoding.

@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

const lowest = -3.4028234e+38;
// At most 256 dimensions of a head: four per invocation.
var<workgroup> query: array<f32, 256>;
var<workgroup> weights: array<f32, 64>;

fn total() -> u32 {
  return params.tokens * params.heads;
}

fn each_row(row: u32, lane: u32) {
  let dims = params.head_dim;
  let head = row % params.heads;
  let position = position_of(row / params.heads);
  let column = kv_head_of(head) * dims;
  let slope = slope_of(head);
  for (var d = lane; d < dims; d += 64u) {
    query[d] = q[row * dims + d];
  }
  workgroupBarrier();
  var top = lowest;
  var sum = 0.0;
  var out = vec4<f32>();
  for (var first = first_key(position); first <= position; first += 64u) {
    let count = min(64u, position + 1u - first);
    var score = lowest;
    if (lane < count) {
      score = 0.0;
      for (var d = 0u; d < dims; d++) {
        score = fma(query[d], key_at(first + lane, column + d), score);
      }
      score = finish_score(score, slope, position - first - lane);
    }
    let next = max(top, max_of_lanes(lane, score));
    let kept = exponential(top - next);
    weights[lane] = select(0.0, exponential(score - next), lane < count);
    sum = fma(sum, kept, sum_of_lanes(lane, weights[lane]));
    top = next;
    for (var e = 0u; e < 4u; e++) {
      let d = lane + e * 64u;
      if (d < dims) {
        var part = 0.0;
        for (var j = 0u; j < count; j++) {
          part = fma(weights[j], value_at(first + j, column + d), part);
        }
        out[e] = fma(out[e], kept, part);
      }
    }
    workgroupBarrier();
  }
  for (var e = 0u; e < 4u; e++) {
    let d = lane + e * 64u;
    if (d < dims) {
      y[row * dims + d] = out[e] / sum;
    }
  }
}
