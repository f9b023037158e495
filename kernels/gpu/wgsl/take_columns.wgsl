// Columns of a matrix as a matrix of their own, one element per invocation.
// Roofline: 8 bytes moved per element: bound by memory.

struct Params {
  total: u32,
  columns: u32,
  first: u32,
  count: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

fn total() -> u32 {
  return params.total;
}

fn each(i: u32) {
  y[i] = x[i / params.count * params.columns + params.first + i % params.count];
}
