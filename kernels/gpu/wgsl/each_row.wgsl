// Prelude of kernels with a workgroup of 64 per row: theirs is `each_row(row, lane)` for rows below `total()`. Workgroups
// are numbered: a dispatch has at most 65535 a side, so they lie in rows.

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row < total()) {
    each_row(row, lane);
  }
}
