// Sums and maxima over the 64 invocations of a workgroup, by a tree whose order is fixed: 6 roundings, not 63.

var<workgroup> lanes: array<f32, 64>;

fn sum_of_lanes(lane: u32, value: f32) -> f32 {
  workgroupBarrier();
  lanes[lane] = value;
  workgroupBarrier();
  for (var width = 32u; width > 0u; width >>= 1u) {
    if (lane < width) {
      lanes[lane] = lanes[lane] + lanes[lane + width];
    }
    workgroupBarrier();
  }
  return lanes[0];
}

// A NaN may be lost here: it reaches the result through the sum of exponentials.
fn max_of_lanes(lane: u32, value: f32) -> f32 {
  workgroupBarrier();
  lanes[lane] = value;
  workgroupBarrier();
  for (var width = 32u; width > 0u; width >>= 1u) {
    if (lane < width) {
      lanes[lane] = max(lanes[lane], lanes[lane + width]);
    }
    workgroupBarrier();
  }
  return lanes[0];
}
