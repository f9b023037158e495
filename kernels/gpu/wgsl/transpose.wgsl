// Rows of a weight `[rows, columns]` as columns of the layout that products read: `[columns][stride]`, a tile of
// 16 x 16 through workgroup memory so that both sides move whole lines. Values are moved as bits, 32 or 16 of them.
// Roofline: 8 bytes (4 in halves) moved per element: bound by memory.

struct Params {
  rows: u32,
  columns: u32,
  stride: u32,
  // Row of the weight that the source starts with; even with halves.
  offset: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> from_rows: array<u32>;
@group(0) @binding(2) var<storage, read_write> to_columns: array<u32>;

// Whether two values share a word.
override half: bool = false;
var<workgroup> tile: array<u32, 272>;

fn source(i: u32) -> u32 {
  if (half) {
    return (from_rows[i / 2u] >> (16u * (i % 2u))) & 0xffffu;
  }
  return from_rows[i];
}

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let row = group.y * 16u + lane.y;
  let column = group.x * 16u + lane.x;
  var value = 0u;
  if (row < params.rows && column < params.columns) {
    value = source(row * params.columns + column);
  }
  tile[lane.y * 17u + lane.x] = value;
  workgroupBarrier();
  let to_row = group.x * 16u + lane.y;
  let to_column = group.y * 16u + lane.x;
  if (to_row >= params.columns || to_column >= params.rows) {
    return;
  }
  let at = to_row * params.stride + params.offset + to_column;
  let own = tile[lane.x * 17u + lane.y];
  if (!half) {
    to_columns[at] = own;
  } else if (lane.x % 2u == 0u) {
    to_columns[at / 2u] = own | (tile[(lane.x + 1u) * 17u + lane.y] << 16u);
  }
}
