/** Operations on rows and elements: norms, log-softmax, rotary positions, activations, sums. Row sums are float64. */
// deno-fmt-ignore-file -- deno fmt drops the decorators of functions

import { exp4, gelu4, geluTanh4, silu4, softplus4 } from "./math";

/** The lower and the upper two lanes of four float32, as float64. */
@inline
export function low2(x: v128): v128 {
  return f64x2.promote_low_f32x4(x);
}

@inline
export function high2(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 2, 3));
}

/** Four float32 from their float64 halves. */
@inline
export function narrow4(low: v128, high: v128): v128 {
  return v128.shuffle<f32>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 1, 4, 5);
}

@inline
export function sum2(x: v128): f64 {
  return f64x2.extract_lane(x, 0) + f64x2.extract_lane(x, 1);
}

/** Kernel: `y = x / sqrt(mean(x^2) + eps) * weight` for rows `[begin, end)`. */
export function rmsNorm(
  begin: usize,
  end: usize,
  _scratch: usize,
  x: usize,
  weight: usize,
  y: usize,
  columns: usize,
  eps: f64,
): void {
  for (let row = begin; row < end; row++) {
    const from = x + (row * columns << 2), to = y + (row * columns << 2);
    let low = f64x2.splat(0), high = f64x2.splat(0);
    let j: usize = 0;
    for (; j + 4 <= columns; j += 4) {
      const v = v128.load(from + (j << 2));
      const a = low2(v), b = high2(v);
      low = f64x2.add(low, f64x2.mul(a, a));
      high = f64x2.add(high, f64x2.mul(b, b));
    }
    let sum = sum2(f64x2.add(low, high));
    for (; j < columns; j++) {
      const v = <f64> load<f32>(from + (j << 2));
      sum += v * v;
    }
    const scale = <f32> (1 / sqrt<f64>(sum / <f64> columns + eps));
    const scales = f32x4.splat(scale);
    for (j = 0; j + 4 <= columns; j += 4) {
      const scaled = f32x4.mul(v128.load(from + (j << 2)), scales);
      v128.store(to + (j << 2), f32x4.mul(scaled, v128.load(weight + (j << 2))));
    }
    for (; j < columns; j++) {
      store<f32>(to + (j << 2), load<f32>(from + (j << 2)) * scale * load<f32>(weight + (j << 2)));
    }
  }
}

/** Kernel: `y = (x - mean) / sqrt(variance + eps) * weight + bias` for rows `[begin, end)`; `bias` may be 0. */
export function layerNorm(
  begin: usize,
  end: usize,
  _scratch: usize,
  x: usize,
  weight: usize,
  bias: usize,
  y: usize,
  columns: usize,
  eps: f64,
): void {
  for (let row = begin; row < end; row++) {
    const from = x + (row * columns << 2), to = y + (row * columns << 2);
    let low = f64x2.splat(0), high = f64x2.splat(0);
    let j: usize = 0;
    for (; j + 4 <= columns; j += 4) {
      const v = v128.load(from + (j << 2));
      low = f64x2.add(low, low2(v));
      high = f64x2.add(high, high2(v));
    }
    let sum = sum2(f64x2.add(low, high));
    for (; j < columns; j++) sum += <f64> load<f32>(from + (j << 2));
    const mean = sum / <f64> columns;
    const means = f64x2.splat(mean);
    low = f64x2.splat(0);
    high = f64x2.splat(0);
    for (j = 0; j + 4 <= columns; j += 4) {
      const v = v128.load(from + (j << 2));
      const a = f64x2.sub(low2(v), means), b = f64x2.sub(high2(v), means);
      low = f64x2.add(low, f64x2.mul(a, a));
      high = f64x2.add(high, f64x2.mul(b, b));
    }
    let squares = sum2(f64x2.add(low, high));
    for (; j < columns; j++) {
      const v = <f64> load<f32>(from + (j << 2)) - mean;
      squares += v * v;
    }
    const scale = 1 / sqrt<f64>(squares / <f64> columns + eps);
    const scales = f64x2.splat(scale);
    for (j = 0; j + 4 <= columns; j += 4) {
      const v = v128.load(from + (j << 2));
      const normal = narrow4(
        f64x2.mul(f64x2.sub(low2(v), means), scales),
        f64x2.mul(f64x2.sub(high2(v), means), scales),
      );
      const scaled = f32x4.mul(normal, v128.load(weight + (j << 2)));
      v128.store(to + (j << 2), bias ? f32x4.add(scaled, v128.load(bias + (j << 2))) : scaled);
    }
    for (; j < columns; j++) {
      const normal = <f32> ((<f64> load<f32>(from + (j << 2)) - mean) * scale);
      const scaled = normal * load<f32>(weight + (j << 2));
      store<f32>(to + (j << 2), bias ? scaled + load<f32>(bias + (j << 2)) : scaled);
    }
  }
}

/**
 * The largest of `count` (at least 1) elements that are numbers. A softmax need not see a NaN here: it comes back in
 * the sum of exponentials.
 */
export function highest(from: usize, count: usize): f32 {
  let tops = f32x4.splat(-Infinity);
  let j: usize = 0;
  for (; j + 4 <= count; j += 4) tops = f32x4.pmax(tops, v128.load(from + (j << 2)));
  tops = f32x4.pmax(tops, v128.shuffle<f32>(tops, tops, 2, 3, 0, 1));
  let top = max<f32>(f32x4.extract_lane(tops, 0), f32x4.extract_lane(tops, 1));
  for (; j < count; j++) {
    const value = load<f32>(from + (j << 2));
    if (value > top) top = value;
  }
  return top;
}

/** The sum of `exp(x - top)` over `count` elements, each rounded to float32, stored in `to` unless that is 0. */
export function sumExp(from: usize, to: usize, count: usize, top: f32): f64 {
  const tops = f32x4.splat(top);
  let low = f64x2.splat(0), high = f64x2.splat(0);
  let j: usize = 0;
  for (; j + 4 <= count; j += 4) {
    const e = exp4(f32x4.sub(v128.load(from + (j << 2)), tops));
    if (to) v128.store(to + (j << 2), e);
    low = f64x2.add(low, low2(e));
    high = f64x2.add(high, high2(e));
  }
  let sum = sum2(f64x2.add(low, high));
  for (; j < count; j++) {
    const e = f32x4.extract_lane(exp4(f32x4.splat(load<f32>(from + (j << 2)) - top)), 0);
    if (to) store<f32>(to + (j << 2), e);
    sum += <f64> e;
  }
  return sum;
}

/** Kernel: `y = log softmax(x)` for rows `[begin, end)`. */
export function logSoftmax(
  begin: usize,
  end: usize,
  _scratch: usize,
  x: usize,
  y: usize,
  columns: usize,
): void {
  for (let row = begin; row < end; row++) {
    const from = x + (row * columns << 2), to = y + (row * columns << 2);
    const top = highest(from, columns);
    const logSum = <f64> top + Math.log(sumExp(from, 0, columns, top));
    const shift = f64x2.splat(logSum);
    let j: usize = 0;
    for (; j + 4 <= columns; j += 4) {
      const v = v128.load(from + (j << 2));
      v128.store(to + (j << 2), narrow4(f64x2.sub(low2(v), shift), f64x2.sub(high2(v), shift)));
    }
    for (; j < columns; j++) store<f32>(to + (j << 2), <f32> (<f64> load<f32>(from + (j << 2)) - logSum));
  }
}

/** Kernel: rotates tokens `[begin, end)` of `x` in place; `table` starts at the position of token 0. */
export function rotary(
  begin: usize,
  end: usize,
  _scratch: usize,
  x: usize,
  table: usize,
  heads: usize,
  headDim: usize,
  rotaryDim: usize,
  interleaved: bool,
): void {
  const half = rotaryDim >> 1;
  for (let token = begin; token < end; token++) {
    const cosines = table + (token * rotaryDim << 2), sines = cosines + (half << 2);
    for (let head: usize = 0; head < heads; head++) {
      const at = x + ((token * heads + head) * headDim << 2);
      const partner: usize = interleaved ? 4 : half << 2;
      let i: usize = 0;
      if (!interleaved) {
        for (; i + 4 <= half; i += 4) {
          const p = at + (i << 2), r = p + partner;
          const a = v128.load(p), b = v128.load(r);
          const c = v128.load(cosines + (i << 2)), s = v128.load(sines + (i << 2));
          v128.store(p, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
          v128.store(r, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)));
        }
      }
      for (; i < half; i++) {
        const p = at + (interleaved ? i << 3 : i << 2), r = p + partner;
        const a = load<f32>(p), b = load<f32>(r);
        const c = load<f32>(cosines + (i << 2)), s = load<f32>(sines + (i << 2));
        store<f32>(p, a * c - b * s);
        store<f32>(r, b * c + a * s);
      }
    }
  }
}

@inline
function activate4(kind: i32, x: v128): v128 {
  // Adding 0 turns -0 into 0.
  if (kind == 0) return f32x4.add(f32x4.pmax(x, f32x4.splat(0)), f32x4.splat(0));
  if (kind == 1) return silu4(x);
  if (kind == 2) return gelu4(x);
  if (kind == 3) return geluTanh4(x);
  return softplus4(x);
}

/** Kernel: `x = f(x)` for elements `[begin, end)`; kinds: relu, silu, gelu, geluTanh, softplus. */
export function activate(begin: usize, end: usize, _scratch: usize, kind: i32, x: usize): void {
  let at = x + (begin << 2);
  const last = x + (end << 2);
  for (; at + 16 <= last; at += 16) v128.store(at, activate4(kind, v128.load(at)));
  for (; at < last; at += 4) {
    store<f32>(at, f32x4.extract_lane(activate4(kind, f32x4.splat(load<f32>(at))), 0));
  }
}

/** Kernel: `x = x + y` (or `x * y`) for elements `[begin, end)`; `y` of `period` elements repeats. */
export function accumulate(
  begin: usize,
  end: usize,
  _scratch: usize,
  x: usize,
  y: usize,
  period: usize,
  multiply: bool,
): void {
  let i = begin;
  while (i < end) {
    const offset = i % period;
    const run = min(period - offset, end - i);
    const a = x + (i << 2), b = y + (offset << 2);
    let j: usize = 0;
    for (; j + 4 <= run; j += 4) {
      const left = v128.load(a + (j << 2)), right = v128.load(b + (j << 2));
      v128.store(a + (j << 2), multiply ? f32x4.mul(left, right) : f32x4.add(left, right));
    }
    for (; j < run; j++) {
      const left = load<f32>(a + (j << 2)), right = load<f32>(b + (j << 2));
      store<f32>(a + (j << 2), multiply ? left * right : left + right);
    }
    i += run;
  }
}
