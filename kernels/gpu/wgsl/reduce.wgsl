// Sums and maxima over the 64 invocations of a workgroup in a fixed order: eight sums of eight, then their sum. That is
// 14 roundings instead of the 6 of a binary tree, and 3 barriers instead of 8.

var<workgroup> lanes: array<f32, 64>;
var<workgroup> eights: array<f32, 8>;

fn sum_of_lanes(lane: u32, value: f32) -> f32 {
  lanes[lane] = value;
  workgroupBarrier();
  if (lane < 8u) {
    var sum = lanes[lane * 8u];
    for (var i = 1u; i < 8u; i++) {
      sum += lanes[lane * 8u + i];
    }
    eights[lane] = sum;
  }
  workgroupBarrier();
  var total = eights[0];
  for (var i = 1u; i < 8u; i++) {
    total += eights[i];
  }
  workgroupBarrier();
  return total;
}

// A NaN may be lost here: it reaches the result through the sum of exponentials.
fn max_of_lanes(lane: u32, value: f32) -> f32 {
  lanes[lane] = value;
  workgroupBarrier();
  if (lane < 8u) {
    var top = lanes[lane * 8u];
    for (var i = 1u; i < 8u; i++) {
      top = max(top, lanes[lane * 8u + i]);
    }
    eights[lane] = top;
  }
  workgroupBarrier();
  var highest = eights[0];
  for (var i = 1u; i < 8u; i++) {
    highest = max(highest, eights[i]);
  }
  workgroupBarrier();
  return highest;
}
