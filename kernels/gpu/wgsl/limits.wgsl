// The least and the greatest value of each range of fakeQuantize, for range.wgsl and range_each.wgsl.
// Values are compared as integers that have the order of the floats, which sees subnormals and signs of zero; NaN and
// infinities become the greatest magnitude of all.

struct Params {
  ranges: u32,
  // Pieces of each range in this dispatch, the number of the first one, and pieces in all.
  pieces: u32,
  first_piece: u32,
  all_pieces: u32,
  // Elements of a range, and of a piece of it.
  count: u32,
  piece: u32,
  range_stride: u32,
  stride: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
// Of each piece: least key, greatest key, greatest magnitude.
@group(0) @binding(2) var<storage, read_write> limits: array<u32>;

struct Limits {
  low: u32,
  high: u32,
  size: u32,
}

// Over every step-th element of a piece, from one on.
fn limits_of(range: u32, piece: u32, from_element: u32, step: u32) -> Limits {
  var found = Limits(0xffffffffu, 0u, 0u);
  let start = range * params.range_stride;
  let first = piece * params.piece;
  for (var j = first + from_element; j < min(first + params.piece, params.count); j += step) {
    let bits = x[start + j * params.stride];
    let key = bits ^ select(0x80000000u, 0xffffffffu, bits >= 0x80000000u);
    found.low = min(found.low, key);
    found.high = max(found.high, key);
    found.size = max(found.size, bits & 0x7fffffffu);
  }
  return found;
}

fn store_limits(range: u32, piece: u32, found: Limits) {
  let at = (range * params.all_pieces + params.first_piece + piece) * 3u;
  limits[at] = found.low;
  limits[at + 1u] = found.high;
  limits[at + 2u] = found.size;
}
