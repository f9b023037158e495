// A causal convolution of each channel with taps of its own, one output per invocation.
// Roofline: 8 bytes moved per element (the taps' rows come from the cache) against 2 taps operations: bound by memory.

struct Params {
  count: u32,
  channels: u32,
  taps: u32,
  has_bias: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> kernel: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn total() -> u32 {
  return params.count;
}

fn each(i: u32) {
  let channel = i % params.channels;
  var sum = select(0.0, bias[channel], params.has_bias == 1u);
  for (var k = 0u; k < params.taps; k++) {
    sum = fma(kernel[k * params.channels + channel], x[i + k * params.channels], sum);
  }
  y[i] = sum;
}
