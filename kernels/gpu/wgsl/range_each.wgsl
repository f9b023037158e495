// Limits of short ranges, and of columns: one piece of a range per invocation, so that neighbours read neighbouring
// ranges: neighbouring columns, or groups that are in the cache.
// Roofline: 4 bytes read per element: bound by memory.

fn total() -> u32 {
  return params.ranges * params.pieces;
}

fn each(index: u32) {
  let range = index % params.ranges;
  let piece = index / params.ranges;
  store_limits(range, piece, limits_of(range, piece, 0u, 1u));
}
