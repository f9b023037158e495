// Binary-coded weights, as their kernels read them: w = sum of +-scale over the planes + offset, a bit per weight and
// plane. Neighbouring outputs are neighbours in memory.

// Word w of plane p of output j at (w * bits + p) * stride + j; bit i is set where input 32 w + i counts positive.
@group(0) @binding(4) var<storage, read> signs: array<u32>;
// Scale of plane p of group g of output j at (g * bits + p) * stride + j, offsets at g * stride + j.
@group(0) @binding(5) var<storage, read> scales: array<f32>;
@group(0) @binding(6) var<storage, read> offsets: array<f32>;

override bits: u32 = 4u;
