// The first half of attention, materialised: a workgroup of 64 per row of probabilities writes scores, takes their
// maximum, writes exponentials, sums them up and divides.
// Roofline: 20 bytes of probabilities moved (12 of them from the cache) and head_dim keys read per 2 * head_dim flop.

@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read> slopes: array<f32>;
@group(0) @binding(4) var<storage, read_write> p: array<f32>;

fn total() -> u32 {
  return params.tokens * params.some_heads;
}

fn each_row(row: u32, lane: u32) {
  let dims = params.head_dim;
  let head = params.first_head + row / params.tokens;
  let token = row % params.tokens;
  let position = position_of(token);
  let from_query = (token * params.heads + head) * dims;
  let slope = slopes[select(0u, head, params.has_slopes == 1u)];
  let start = params.first_weight + row * params.kv_tokens;
  let first = first_key(position);
  let column = kv_head_of(head) * dims;
  let width = params.kv_heads * dims;
  var highest = -3.4028234e+38;
  for (var j = lane; j < params.kv_tokens; j += 64u) {
    var score = 0.0;
    if (j >= first && j <= position) {
      let from_key = j * width + column;
      for (var d = 0u; d < dims; d++) {
        score = fma(q[from_query + d], k[from_key + d], score);
      }
      score = finish_score(score, slope, position - j);
      highest = max(highest, score);
    }
    p[start + j] = score;
  }
  let top = max_of_lanes(lane, highest);
  var sum = 0.0;
  for (var j = lane; j < params.kv_tokens; j += 64u) {
    let weight = select(0.0, exponential(p[start + j] - top), j >= first && j <= position);
    p[start + j] = weight;
    sum += weight;
  }
  let total = sum_of_lanes(lane, sum);
  for (var j = lane; j < params.kv_tokens; j += 64u) {
    p[start + j] = select(0.0, p[start + j] / total, j >= first && j <= position);
  }
}
