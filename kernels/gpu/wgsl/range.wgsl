// Limits of long ranges whose elements are neighbours: a workgroup of 64 per piece of a range.
// Roofline: 4 bytes read per element: bound by memory.

var<workgroup> lows: array<u32, 64>;
var<workgroup> highs: array<u32, 64>;
var<workgroup> sizes: array<u32, 64>;

fn total() -> u32 {
  return params.ranges * params.pieces;
}

fn each_row(index: u32, lane: u32) {
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
