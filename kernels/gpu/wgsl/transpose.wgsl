// Rows of a weight `[rows, columns]` as columns of the layout that products read: `[columns][stride]`, a tile of
// 16 x 16 through workgroup memory so that both sides move whole lines.
// Roofline: 8 bytes moved per element: bound by memory.

struct Params {
  rows: u32,
  columns: u32,
  stride: u32,
  // Row of the weight that the source starts with.
  offset: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> from_rows: array<f32>;
@group(0) @binding(2) var<storage, read_write> to_columns: array<f32>;

var<workgroup> tile: array<f32, 272>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let row = group.y * 16u + lane.y;
  let column = group.x * 16u + lane.x;
  if (row < params.rows && column < params.columns) {
    tile[lane.y * 17u + lane.x] = from_rows[row * params.columns + column];
  }
  workgroupBarrier();
  let to_row = group.x * 16u + lane.y;
  let to_column = group.y * 16u + lane.x;
  if (to_row < params.columns && to_column < params.rows) {
    to_columns[to_row * params.stride + params.offset + to_column] = tile[lane.x * 17u + lane.y];
  }
}
