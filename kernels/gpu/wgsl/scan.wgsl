// The selective scan of a state-space layer: an invocation per channel goes through the tokens; neighbours read neighbouring elements of the
// sequence and the same rows of B and C.
// Roofline: 12 bytes per token and channel against some 30 operations per number of the state: bound by arithmetic, and with few channels
// by the tokens, which come one after the other.

struct Params {
  tokens: u32,
  channels: u32,
  states: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> width: array<f32>;
@group(0) @binding(3) var<storage, read> input: array<f32>;
@group(0) @binding(4) var<storage, read> output: array<f32>;
@group(0) @binding(5) var<storage, read> decay: array<f32>;
@group(0) @binding(6) var<storage, read> skip: array<f32>;
@group(0) @binding(7) var<storage, read_write> state: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;

fn total() -> u32 {
  return params.channels;
}

fn each(channel: u32) {
  let start = channel * params.states;
  for (var t = 0u; t < params.tokens; t++) {
    let at = t * params.channels + channel;
    let row = t * params.states;
    let step = width[at];
    let value = x[at];
    var sum = 0.0;
    for (var n = 0u; n < params.states; n++) {
      let kept = exponential(step * decay[start + n]) * state[start + n];
      let next = fma(step * value, input[row + n], kept);
      state[start + n] = next;
      sum = fma(next, output[row + n], sum);
    }
    y[at] = fma(skip[channel], value, sum);
  }
}
