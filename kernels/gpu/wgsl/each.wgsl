// Prelude of kernels with one invocation per element: theirs is `each(i)` for i below `total()`. Workgroups are
// numbered: a dispatch has at most 65535 a side, so they lie in rows.

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * 256u + lane;
  if (i < total()) {
    each(i);
  }
}
