// Prelude of kernels whose workgroups are numbered: a dispatch has at most 65535 groups a side, so they lie in rows.

fn flat(group: vec3<u32>, groups: vec3<u32>) -> u32 {
  return group.y * groups.x + group.x;
}
