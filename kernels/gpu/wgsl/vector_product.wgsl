// y = x W^T + bias for up to four rows of x: decoding, where each weight is used once.
// Tiling: that of vector.wgsl, with four output features per lane: neighbours read neighbouring 16 bytes.
// Roofline: 4 bytes of weight (2 in halves) moved per 2 * rows flop: bound by memory, at copy bandwidth.

var<workgroup> parts: array<vec4<f32>, 1024>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) index: u32,
) {
  let lane = index % 32u;
  let part = index / 32u;
  let quad = (group.y * groups.x + group.x) * 32u + lane;
  let k = params.k;
  let quads = params.stride / 4u;
  let second = row_start(1u);
  let third = row_start(2u);
  let fourth = row_start(3u);
  var t0 = vec4<f32>();
  var t1 = vec4<f32>();
  var t2 = vec4<f32>();
  var t3 = vec4<f32>();
  for (var first = 0u; first < k; first += segments * segment) {
    var s0 = vec4<f32>();
    var s1 = vec4<f32>();
    var s2 = vec4<f32>();
    var s3 = vec4<f32>();
    let begin = first + part * segment;
    if (quad < quads) {
      for (var l = begin; l < min(begin + segment, k); l++) {
        let w = four_weights(l * quads + quad);
        s0 = fma(vec4<f32>(x[l]), w, s0);
        if (several) {
          s1 = fma(vec4<f32>(x[second + l]), w, s1);
          s2 = fma(vec4<f32>(x[third + l]), w, s2);
          s3 = fma(vec4<f32>(x[fourth + l]), w, s3);
        }
      }
    }
    parts[index] = s0;
    parts[256u + index] = s1;
    parts[512u + index] = s2;
    parts[768u + index] = s3;
    workgroupBarrier();
    if (part == 0u) {
      for (var s = 0u; s < segments; s++) {
        t0 += parts[s * 32u + lane];
        t1 += parts[256u + s * 32u + lane];
        t2 += parts[512u + s * 32u + lane];
        t3 += parts[768u + s * 32u + lane];
      }
    }
    workgroupBarrier();
  }
  if (part > 0u) {
    return;
  }
  for (var e = 0u; e < 4u; e++) {
    let j = quad * 4u + e;
    if (j >= params.n) {
      return;
    }
    store(j, vec4<f32>(t0[e], t1[e], t2[e], t3[e]));
  }
}
