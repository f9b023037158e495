// Limits of short ranges, and of columns: one piece of a range per invocation, so that neighbours read neighbouring
// ranges: neighbouring columns, or groups that are in the cache.
// Roofline: 4 bytes read per element: bound by memory.

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = flat(group, groups) * 64u + lane;
  if (index >= params.ranges * params.pieces) {
    return;
  }
  let range = index % params.ranges;
  let piece = index / params.ranges;
  store_limits(range, piece, limits_of(range, piece, 0u, 1u));
}
