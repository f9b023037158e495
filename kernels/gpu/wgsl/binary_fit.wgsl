// Binary codes of groups of weights (BCQ, see kernels/host/binary_fit.ts): greedy signs and scales, then rounds that solve for
// the scales with the signs fixed, and take the nearest of the 2^bits levels with the scales fixed.
// Tiling: a workgroup of 64 per group. Each lane visits every 64th weight; sums are pairs of float32 and counts are
// integers, added up over the lanes in a fixed order; the first lane solves for the scales, and all lanes put the levels
// in order by counting those before each. A weight finds its level by halving: `bits` comparisons.
// Roofline: a group is read (bits + rounds + 2) times, from memory once and then from the cache, against some 14 * bits
// operations per weight and round: bound by arithmetic, 4 bytes for 1300 operations at 3 bits and 30 rounds.

struct Params {
  groups: u32,
  // Weights of a group.
  size: u32,
  rounds: u32,
  // 0; a compiler cannot know.
  nothing: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
// [groups, bits]
@group(0) @binding(2) var<storage, read_write> alphas: array<f32>;
// Four patterns a word, whole words for each group.
@group(0) @binding(3) var<storage, read_write> patterns: array<u32>;

override bits: u32 = 3u;

var<workgroup> scales: array<f32, 8>;
// Sums of the lanes, one for each plane.
var<workgroup> lane_sums: array<vec2<f32>, 512>;
// B^T B of the signs.
var<workgroup> covariance: array<atomic<i32>, 64>;
// Patterns from the least level to the greatest, and the levels; then both before they are put in order.
var<workgroup> order: array<u32, 256>;
var<workgroup> levels: array<f32, 256>;
var<workgroup> last_order: array<u32, 256>;
var<workgroup> last_levels: array<f32, 256>;
// This lane's part of B^T w and of B^T B.
var<private> sums: array<vec2<f32>, 8>;
var<private> counts: array<i32, 64>;

// What is left of a weight after some planes, and the pattern of their signs. A sign of 0 takes nothing, and all that
// follow are 0 too; in patterns it is +1.
struct Greedy {
  rest: f32,
  pattern: u32,
  // Planes whose sign is not 0.
  planes: u32,
}

fn greedy(weight: f32, planes: u32) -> Greedy {
  var result = Greedy(weight, 0u, 0u);
  for (var i = 0u; i < planes; i++) {
    if (result.rest >= 0.0) {
      result.pattern |= 1u << i;
    }
    if (result.rest != 0.0) {
      result.planes++;
      result.rest = opaque(result.rest - select(-scales[i], scales[i], result.rest > 0.0));
    }
  }
  return result;
}

// Adds the sums of all lanes for some planes: they end in lane_sums[plane * 64].
fn add_lanes(lane: u32, planes: u32) {
  workgroupBarrier();
  for (var width = 32u; width > 0u; width >>= 1u) {
    if (lane < width) {
      for (var i = 0u; i < planes; i++) {
        let at = i * 64u + lane;
        lane_sums[at] = add_pairs(lane_sums[at], lane_sums[at + width]);
      }
    }
    workgroupBarrier();
  }
}

fn divide_floats(a: f32, b: f32) -> f32 {
  return opaque(bitcast<f32>(divide(bitcast<u32>(a), bitcast<u32>(b))));
}

// Counts the signs of a weight in the first planes.
fn count_signs(weight: f32, pattern: u32, planes: u32) {
  for (var i = 0u; i < planes; i++) {
    let positive = ((pattern >> i) & 1u) == 1u;
    sums[i] = add_pairs(sums[i], vec2<f32>(select(-weight, weight, positive), 0.0));
    for (var k = 0u; k <= i; k++) {
      counts[i * 8u + k] += select(-1, 1, ((pattern >> k) & 1u) == u32(positive));
    }
  }
}

// B^T B and B^T w of all lanes' signs.
fn share_counts(lane: u32) {
  atomicStore(&covariance[lane], 0);
  workgroupBarrier();
  for (var i = 0u; i < bits; i++) {
    lane_sums[i * 64u + lane] = sums[i];
    for (var k = 0u; k <= i; k++) {
      atomicAdd(&covariance[i * 8u + k], counts[i * 8u + k]);
    }
  }
  add_lanes(lane, bits);
}

fn covariance_of(i: u32, k: u32) -> f32 {
  return f32(atomicLoad(&covariance[max(i, k) * 8u + min(i, k)]));
}

// B^T B v
fn multiply_covariance(v: array<f32, 8>) -> array<f32, 8> {
  var vector = v;
  var result: array<f32, 8>;
  for (var i = 0u; i < bits; i++) {
    var sum = vec2<f32>();
    for (var k = 0u; k < bits; k++) {
      sum = add_pairs(sum, multiply_exactly(covariance_of(i, k), vector[k]));
    }
    result[i] = sum.x;
  }
  return result;
}

fn dot_product(a: array<f32, 8>, b: array<f32, 8>) -> f32 {
  var left = a;
  var right = b;
  var sum = vec2<f32>();
  for (var i = 0u; i < bits; i++) {
    sum = add_pairs(sum, multiply_exactly(left[i], right[i]));
  }
  return sum.x;
}

// value + 1e-6, as the original code keeps its divisions finite.
fn damped(value: f32) -> f32 {
  return add_pairs(vec2<f32>(value, 0.0), vec2<f32>(1e-6, 2.5247572e-15)).x;
}

// Least squares scales by conjugate gradients from those at hand, their magnitudes from the greatest to the least.
fn solve_scales() {
  var x: array<f32, 8>;
  for (var i = 0u; i < bits; i++) {
    x[i] = scales[i];
  }
  var product = multiply_covariance(x);
  var r: array<f32, 8>;
  for (var i = 0u; i < bits; i++) {
    r[i] = opaque(lane_sums[i * 64u].x - product[i]);
  }
  var p = r;
  var square = dot_product(r, r);
  for (var step = 0u; step < bits; step++) {
    product = multiply_covariance(p);
    let length = divide_floats(square, damped(dot_product(p, product)));
    for (var i = 0u; i < bits; i++) {
      x[i] = opaque(x[i] + opaque(length * p[i]));
      r[i] = opaque(r[i] - opaque(length * product[i]));
    }
    let next = dot_product(r, r);
    let beta = divide_floats(next, damped(square));
    for (var i = 0u; i < bits; i++) {
      p[i] = opaque(r[i] + opaque(beta * p[i]));
    }
    square = next;
  }
  for (var i = 0u; i < bits; i++) {
    let alpha = abs(x[i]);
    var at = i;
    for (; at > 0u && scales[at - 1u] < alpha; at--) {
      scales[at] = scales[at - 1u];
    }
    scales[at] = alpha;
  }
}

// Puts the levels in order; equal ones stay as they were.
fn sort_levels(lane: u32) {
  let count = 1u << bits;
  for (var n = lane; n < count; n += 64u) {
    var level = 0.0;
    for (var i = 0u; i < bits; i++) {
      level = opaque(level + select(-scales[i], scales[i], ((order[n] >> i) & 1u) == 1u));
    }
    last_order[n] = order[n];
    last_levels[n] = level;
  }
  workgroupBarrier();
  for (var n = lane; n < count; n += 64u) {
    var at = 0u;
    for (var other = 0u; other < count; other++) {
      let before = last_levels[other] < last_levels[n] || (last_levels[other] == last_levels[n] && other < n);
      at += u32(before);
    }
    order[at] = last_order[n];
    levels[at] = last_levels[n];
  }
  workgroupBarrier();
}

// The pattern of the level that a weight is next to: in the middle, of the greater one.
fn nearest_pattern(weight: f32) -> u32 {
  var low = 0u;
  var high = (1u << bits) - 1u;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (weight < opaque(levels[middle] + levels[middle + 1u]) * 0.5) {
      high = middle;
    } else {
      low = middle + 1u;
    }
  }
  return order[low];
}

fn total() -> u32 {
  return params.groups;
}

fn each_row(group: u32, lane: u32) {
  let start = group * params.size;
  for (var plane = 0u; plane < bits; plane++) {
    var sum = vec2<f32>();
    for (var j = lane; j < params.size; j += 64u) {
      sum = add_pairs(sum, vec2<f32>(abs(greedy(weights[start + j], plane).rest), 0.0));
    }
    lane_sums[lane] = sum;
    add_lanes(lane, 1u);
    if (lane == 0u) {
      scales[plane] = divide_floats(lane_sums[0].x, f32(params.size));
    }
    workgroupBarrier();
  }
  let rounds = select(params.rounds, 0u, bits == 1u);
  for (var n = lane; n < (1u << bits); n += 64u) {
    order[n] = n;
  }
  for (var round = 0u; round < rounds; round++) {
    sums = array<vec2<f32>, 8>();
    counts = array<i32, 64>();
    for (var j = lane; j < params.size; j += 64u) {
      let weight = weights[start + j];
      if (round == 0u) {
        let signs = greedy(weight, bits);
        count_signs(weight, signs.pattern, signs.planes);
      } else {
        count_signs(weight, nearest_pattern(weight), bits);
      }
    }
    share_counts(lane);
    if (lane == 0u) {
      solve_scales();
    }
    workgroupBarrier();
    sort_levels(lane);
  }
  let words = (params.size + 3u) / 4u;
  for (var word = lane; word < words; word += 64u) {
    var four = 0u;
    for (var e = 0u; e < 4u; e++) {
      let j = word * 4u + e;
      if (j < params.size) {
        var pattern = 0u;
        if (rounds == 0u) {
          pattern = greedy(weights[start + j], bits).pattern;
        } else {
          pattern = nearest_pattern(weights[start + j]);
        }
        four |= pattern << (8u * e);
      }
    }
    patterns[group * words + word] = four;
  }
  if (lane < bits) {
    alphas[group * bits + lane] = scales[lane];
  }
}
