/** Operations of state-space layers: a short convolution, and the selective scan. */

import { exp4 } from "./math";

/** Kernel: `y[t, c] = bias[c] + sum_k kernel[k, c] x[t + k, c]` for tokens `[begin, end)`; `bias` may be 0. */
export function shortConvolution(
  begin: usize,
  end: usize,
  _scratch: usize,
  x: usize,
  kernel: usize,
  bias: usize,
  y: usize,
  channels: usize,
  taps: usize,
): void {
  for (let t = begin; t < end; t++) {
    const from = x + (t * channels << 2), to = y + (t * channels << 2);
    let c: usize = 0;
    for (; c + 4 <= channels; c += 4) {
      let sum = bias ? v128.load(bias + (c << 2)) : f32x4.splat(0);
      for (let k: usize = 0; k < taps; k++) {
        const at = k * channels + c << 2;
        sum = f32x4.add(sum, f32x4.mul(v128.load(kernel + at), v128.load(from + at)));
      }
      v128.store(to + (c << 2), sum);
    }
    for (; c < channels; c++) {
      let sum = bias ? load<f32>(bias + (c << 2)) : 0;
      for (let k: usize = 0; k < taps; k++) {
        const at = k * channels + c << 2;
        sum += load<f32>(kernel + at) * load<f32>(from + at);
      }
      store<f32>(to + (c << 2), sum);
    }
  }
}

/**
 * Kernel: `h = exp(step A) h + step x B`, `y = C h + D x` for channels `[begin, end)`, token by token; `state` is `h`. Four numbers of a
 * state at a time; their products with C are added up in the order of the lanes.
 */
export function scan(
  begin: usize,
  end: usize,
  _scratch: usize,
  x: usize,
  width: usize,
  input: usize,
  output: usize,
  decay: usize,
  skip: usize,
  state: usize,
  y: usize,
  tokens: usize,
  channels: usize,
  states: usize,
): void {
  for (let c = begin; c < end; c++) {
    const a = decay + (c * states << 2), h = state + (c * states << 2);
    const past = load<f32>(skip + (c << 2));
    for (let t: usize = 0; t < tokens; t++) {
      const at = t * channels + c << 2, row = t * states << 2;
      const step = load<f32>(width + at), value = load<f32>(x + at);
      const steps = f32x4.splat(step), entering = f32x4.splat(step * value);
      let sums = f32x4.splat(0);
      let n: usize = 0;
      for (; n + 4 <= states; n += 4) {
        const i = n << 2;
        const kept = f32x4.mul(exp4(f32x4.mul(steps, v128.load(a + i))), v128.load(h + i));
        const next = f32x4.add(kept, f32x4.mul(entering, v128.load(input + row + i)));
        v128.store(h + i, next);
        sums = f32x4.add(sums, f32x4.mul(next, v128.load(output + row + i)));
      }
      let sum = f32x4.extract_lane(sums, 0) + f32x4.extract_lane(sums, 1);
      sum = sum + f32x4.extract_lane(sums, 2) + f32x4.extract_lane(sums, 3);
      for (; n < states; n++) {
        const i = n << 2;
        const factor = f32x4.extract_lane(exp4(f32x4.splat(step * load<f32>(a + i))), 0);
        const next = factor * load<f32>(h + i) + step * value * load<f32>(input + row + i);
        store<f32>(h + i, next);
        sum += next * load<f32>(output + row + i);
      }
      store<f32>(y + at, sum + past * value);
    }
  }
}
