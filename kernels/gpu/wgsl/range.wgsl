// Limits of long ranges whose elements are neighbours: a workgroup of 64 per piece of a range.
// Roofline: 4 bytes read per element: bound by memory.

var<workgroup> lows: array<u32, 64>;
var<workgroup> highs: array<u32, 64>;
var<workgroup> sizes: array<u32, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = flat(group, groups);
  if (index >= params.ranges * params.pieces) {
    return;
  }
  let range = index / params.pieces;
  let piece = index % params.pieces;
  let mine = limits_of(range, piece, lane, 64u);
  lows[lane] = mine.low;
  highs[lane] = mine.high;
  sizes[lane] = mine.size;
  workgroupBarrier();
  for (var width = 32u; width > 0u; width >>= 1u) {
    if (lane < width) {
      lows[lane] = min(lows[lane], lows[lane + width]);
      highs[lane] = max(highs[lane], highs[lane + width]);
      sizes[lane] = max(sizes[lane], sizes[lane + width]);
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    store_limits(range, piece, Limits(lows[0], highs[0], sizes[0]));
  }
}
