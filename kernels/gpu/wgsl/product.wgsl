// c = alpha a b + beta c (+ bias), dense or packed right operand (right_dense.wgsl and its like).
// Tiling: a workgroup of 8 x 8 makes a tile of 64 x 64, 8 x 8 per invocation, from slices of depth 16 in workgroup
// memory; other sides and depths where tiles.ts says so. Sums run over segments of 128 in order, and then over the segments: the order of vector_product.wgsl,
// so that a row has the same bits alone and among others, and half the rounding error of one long sum.
// Roofline: a slice moves 2 * 64 * 16 * 4 = 8 KiB for 2 * 64 * 64 * 16 = 131 kflop: 16 flop a byte of device memory
// when no other tile has cached its operands. Of workgroup memory, 16 words serve 64 multiply-adds: bound by arithmetic
// on hardware that loads a word per 4 multiply-adds or more, at the price of 144 registers.

struct Params {
  m: u32,
  n: u32,
  k: u32,
  a_row: u32,
  a_column: u32,
  b_row: u32,
  b_column: u32,
  c_row: u32,
  c_first: u32,
  has_bias: u32,
  alpha: f32,
  beta: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

// Invocations along a side of the tile, and depth of a slice: a divisor of the segment. See tiles.ts.
override lanes: u32 = 8u;
override depth: u32 = 16u;
const segment = 128u;
// Between two depths of a slice there is one vector of four more than the tile has, so that columns lie in different banks.
var<workgroup> left_slice: array<vec4<f32>, depth * (2u * lanes + 1u)>;
var<workgroup> right_slice: array<vec4<f32>, depth * (2u * lanes + 1u)>;

fn left(i: u32, l: u32) -> f32 {
  if (i >= params.m || l >= params.k) {
    return 0.0;
  }
  return a[i * params.a_row + l * params.a_column];
}

fn right_or_zero(l: u32, j: u32) -> f32 {
  if (l >= params.k || j >= params.n) {
    return 0.0;
  }
  return right(l, j);
}

fn right_quad(l: u32, j: u32) -> vec4<f32> {
  return vec4<f32>(
    right_or_zero(l, j),
    right_or_zero(l, j + 1u),
    right_or_zero(l, j + 2u),
    right_or_zero(l, j + 3u),
  );
}

fn store(i: u32, j: u32, sum: f32) {
  if (i >= params.m || j >= params.n) {
    return;
  }
  let at = params.c_first + i * params.c_row + j;
  var value = sum;
  if (params.alpha != 1.0) {
    value = params.alpha * value;
  }
  if (params.has_bias == 1u) {
    value = value + bias[params.c_first + j];
  }
  if (params.beta != 0.0) {
    value = value + params.beta * c[at];
  }
  c[at] = value;
}

fn store_row(i: u32, j: u32, sums: vec4<f32>) {
  store(i, j, sums.x);
  store(i, j + 1u, sums.y);
  store(i, j + 2u, sums.z);
  store(i, j + 3u, sums.w);
}

@compute @workgroup_size(lanes, lanes)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_id) lane: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let top = group.y * lanes * 8u;
  let edge = group.x * lanes * 8u;
  let quads = lanes * 2u;
  let stride = quads + 1u;
  // Row r of the 8 x 8 sums is s[2 r] and s[2 r + 1]; loops are written out so that all stay in registers.
  var s: array<vec4<f32>, 16>;
  var t: array<vec4<f32>, 16>;
  // Neighbouring invocations read neighbouring addresses, whichever way an operand lies.
  let a_deep = params.a_column == 1u;
  let b_deep = params.b_row == 1u && params.b_column != 1u;
  for (var first = 0u; first < params.k; first += depth) {
    for (var e = index; e < quads * depth; e += lanes * lanes) {
      let al = select(e / quads, e % depth, a_deep);
      let ai = select(e % quads, e / depth, a_deep);
      let i = top + ai * 4u;
      let l = first + al;
      left_slice[al * stride + ai] = vec4<f32>(left(i, l), left(i + 1u, l), left(i + 2u, l), left(i + 3u, l));
      let bl = select(e / quads, e % depth, b_deep);
      let bj = select(e % quads, e / depth, b_deep);
      right_slice[bl * stride + bj] = right_quad(first + bl, edge + bj * 4u);
    }
    workgroupBarrier();
    for (var l = 0u; l < depth; l++) {
      let a0 = left_slice[l * stride + lane.y * 2u];
      let a1 = left_slice[l * stride + lane.y * 2u + 1u];
      let b0 = right_slice[l * stride + lane.x * 2u];
      let b1 = right_slice[l * stride + lane.x * 2u + 1u];
      s[0] = fma(vec4<f32>(a0.x), b0, s[0]);
      s[1] = fma(vec4<f32>(a0.x), b1, s[1]);
      s[2] = fma(vec4<f32>(a0.y), b0, s[2]);
      s[3] = fma(vec4<f32>(a0.y), b1, s[3]);
      s[4] = fma(vec4<f32>(a0.z), b0, s[4]);
      s[5] = fma(vec4<f32>(a0.z), b1, s[5]);
      s[6] = fma(vec4<f32>(a0.w), b0, s[6]);
      s[7] = fma(vec4<f32>(a0.w), b1, s[7]);
      s[8] = fma(vec4<f32>(a1.x), b0, s[8]);
      s[9] = fma(vec4<f32>(a1.x), b1, s[9]);
      s[10] = fma(vec4<f32>(a1.y), b0, s[10]);
      s[11] = fma(vec4<f32>(a1.y), b1, s[11]);
      s[12] = fma(vec4<f32>(a1.z), b0, s[12]);
      s[13] = fma(vec4<f32>(a1.z), b1, s[13]);
      s[14] = fma(vec4<f32>(a1.w), b0, s[14]);
      s[15] = fma(vec4<f32>(a1.w), b1, s[15]);
    }
    workgroupBarrier();
    if ((first + depth) % segment == 0u || first + depth >= params.k) {
      t[0] += s[0];
      t[1] += s[1];
      t[2] += s[2];
      t[3] += s[3];
      t[4] += s[4];
      t[5] += s[5];
      t[6] += s[6];
      t[7] += s[7];
      t[8] += s[8];
      t[9] += s[9];
      t[10] += s[10];
      t[11] += s[11];
      t[12] += s[12];
      t[13] += s[13];
      t[14] += s[14];
      t[15] += s[15];
      s = array<vec4<f32>, 16>();
    }
  }
  let i = top + lane.y * 8u;
  let j = edge + lane.x * 8u;
  store_row(i, j, t[0]);
  store_row(i, j + 4u, t[1]);
  store_row(i + 1u, j, t[2]);
  store_row(i + 1u, j + 4u, t[3]);
  store_row(i + 2u, j, t[4]);
  store_row(i + 2u, j + 4u, t[5]);
  store_row(i + 3u, j, t[6]);
  store_row(i + 3u, j + 4u, t[7]);
  store_row(i + 4u, j, t[8]);
  store_row(i + 4u, j + 4u, t[9]);
  store_row(i + 5u, j, t[10]);
  store_row(i + 5u, j + 4u, t[11]);
  store_row(i + 6u, j, t[12]);
  store_row(i + 6u, j + 4u, t[13]);
  store_row(i + 7u, j, t[14]);
  store_row(i + 7u, j + 4u, t[15]);
}
