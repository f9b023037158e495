/** Uniform quantization in float32, the same steps in the same order as `kernels/quantizer.ts`, and column maxima. */
// deno-fmt-ignore-file -- deno fmt drops the decorators of functions

// The quantizer of the last range that `derive` saw.
let scale: f32 = 0, zero: f32 = 0, lowest: f32 = 0, highest: f32 = 0;

/** Sets the quantizer of a range, clipped to a share of it; modes: 0 asymmetric, 1 symmetric, 2 offset binary. */
function derive(low: f32, high: f32, bits: i32, mode: i32, zeroInRange: bool, clip: f32): void {
  low *= clip;
  high *= clip;
  if (zeroInRange || mode != 0 || low == high) {
    low = min<f32>(low, 0);
    high = max<f32>(high, 0);
  }
  if (low == 0 && high == 0) {
    low = -1;
    high = 1;
  }
  fromRange(low, high, bits, mode);
  if (scale == 0) fromRange(-1, 1, bits, mode);
}

function fromRange(low: f32, high: f32, bits: i32, mode: i32): void {
  const absmax = max<f32>(abs<f32>(low), high);
  if (mode == 1) {
    highest = <f32> ((1 << (bits - 1)) - 1);
    lowest = -highest - 1;
    scale = absmax / highest;
    zero = 0;
    return;
  }
  lowest = 0;
  highest = <f32> ((1 << bits) - 1);
  if (mode == 2) {
    const bottom = low < 0 ? -absmax : low;
    scale = (absmax - bottom) / highest;
    zero = <f32> (1 << (bits - 1));
    return;
  }
  scale = (high - low) / highest;
  zero = nearest<f32>(-low / scale) + 0;
}

@inline
function quantize4(x: v128, scales: v128, zeros: v128): v128 {
  // `pmax` and `pmin` keep a NaN in their first argument, and are one instruction each.
  const shifted = f32x4.add(f32x4.nearest(f32x4.div(x, scales)), zeros);
  const code = f32x4.pmin(f32x4.pmax(shifted, f32x4.splat(lowest)), f32x4.splat(highest));
  return f32x4.mul(scales, f32x4.sub(code, zeros));
}

/**
 * Writes the least and the greatest of `count` contiguous elements to `to`, or NaN when one is NaN or infinite (either
 * makes the whole range NaN): `x - x`, summed up, is 0 for numbers and NaN else.
 */
function range(from: usize, count: usize, to: usize): void {
  let lows = f32x4.splat(Infinity), highs = f32x4.splat(-Infinity), rest = f32x4.splat(0);
  const end = from + (count << 2), vectors = from + ((count & ~3) << 2);
  let at = from;
  while (at < end) {
    const v = at < vectors ? v128.load(at) : v128.load32_splat(at);
    at += at < vectors ? 16 : 4;
    lows = f32x4.pmin(lows, v);
    highs = f32x4.pmax(highs, v);
    rest = f32x4.add(rest, f32x4.sub(v, v));
  }
  lows = f32x4.add(lows, rest);
  highs = f32x4.add(highs, rest);
  lows = f32x4.min(lows, v128.shuffle<f32>(lows, lows, 2, 3, 0, 1));
  highs = f32x4.max(highs, v128.shuffle<f32>(highs, highs, 2, 3, 0, 1));
  store<f32>(to, min<f32>(f32x4.extract_lane(lows, 0), f32x4.extract_lane(lows, 1)));
  store<f32>(to, max<f32>(f32x4.extract_lane(highs, 0), f32x4.extract_lane(highs, 1)), 4);
}

/** `y = x^` for `count` contiguous elements, with the quantizer derived last. */
function apply(x: usize, y: usize, count: usize): void {
  const scales = f32x4.splat(scale), zeros = f32x4.splat(zero);
  let j: usize = 0;
  for (; j + 4 <= count; j += 4) v128.store(y + (j << 2), quantize4(v128.load(x + (j << 2)), scales, zeros));
  for (; j < count; j++) {
    const v = quantize4(f32x4.splat(load<f32>(x + (j << 2))), scales, zeros);
    store<f32>(y + (j << 2), f32x4.extract_lane(v, 0));
  }
}

/** Kernel: ranges `[begin, end)` of `count` contiguous elements each (rows or groups). Scratch: 2 floats. */
export function quantizeRows(
  begin: usize,
  end: usize,
  scratch: usize,
  x: usize,
  y: usize,
  count: usize,
  bits: i32,
  mode: i32,
  zeroInRange: bool,
  clip: f32,
): void {
  for (let row = begin; row < end; row++) {
    const from = x + (row * count << 2);
    range(from, count, scratch);
    derive(load<f32>(scratch), load<f32>(scratch, 4), bits, mode, zeroInRange, clip);
    apply(from, y + (row * count << 2), count);
  }
}

/** Kernel: least and greatest element of pieces `[begin, end)` of `piece` elements, as pairs in `pairs`. */
export function pieceRanges(
  begin: usize,
  end: usize,
  _scratch: usize,
  x: usize,
  count: usize,
  piece: usize,
  pairs: usize,
): void {
  for (let i = begin; i < end; i++) {
    range(x + (i * piece << 2), min(piece, count - i * piece), pairs + (i << 3));
  }
}

/** Kernel: quantizes pieces `[begin, end)` of one tensor whose range is that of all `pieces` pairs. */
export function quantizePieces(
  begin: usize,
  end: usize,
  _scratch: usize,
  x: usize,
  y: usize,
  count: usize,
  piece: usize,
  pairs: usize,
  pieces: usize,
  bits: i32,
  mode: i32,
  zeroInRange: bool,
  clip: f32,
): void {
  let low: f32 = Infinity, high: f32 = -Infinity;
  for (let i: usize = 0; i < pieces; i++) {
    low = min<f32>(low, load<f32>(pairs + (i << 3)));
    high = max<f32>(high, load<f32>(pairs + (i << 3), 4));
  }
  derive(low, high, bits, mode, zeroInRange, clip);
  for (let i = begin; i < end; i++) {
    apply(x + (i * piece << 2), y + (i * piece << 2), min(piece, count - i * piece));
  }
}

/** Four floats of a row, or as many as there are, the others 0. */
@inline
function loadPart(at: usize, count: usize): v128 {
  if (count >= 4) return v128.load(at);
  let v = f32x4.splat(0);
  v = f32x4.replace_lane(v, 0, load<f32>(at));
  if (count > 1) v = f32x4.replace_lane(v, 1, load<f32>(at, 4));
  if (count > 2) v = f32x4.replace_lane(v, 2, load<f32>(at, 8));
  return v;
}

@inline
function storePart(at: usize, v: v128, count: usize): void {
  if (count >= 4) {
    v128.store(at, v);
    return;
  }
  store<f32>(at, f32x4.extract_lane(v, 0));
  if (count > 1) store<f32>(at, f32x4.extract_lane(v, 1), 4);
  if (count > 2) store<f32>(at, f32x4.extract_lane(v, 2), 8);
}

/** Kernel: quantizes columns `4 begin` to `4 end - 1`, a range for each. Scratch: 16 floats. */
export function quantizeColumns(
  begin: usize,
  end: usize,
  scratch: usize,
  x: usize,
  y: usize,
  rows: usize,
  columns: usize,
  bits: i32,
  mode: i32,
  zeroInRange: bool,
  clip: f32,
): void {
  const stride = columns << 2;
  for (let quad = begin; quad < end; quad++) {
    const count = min<usize>(4, columns - (quad << 2));
    let lows = f32x4.splat(Infinity), highs = f32x4.splat(-Infinity);
    for (let row: usize = 0, at = x + (quad << 4); row < rows; row++, at += stride) {
      const v = loadPart(at, count);
      lows = f32x4.min(lows, v);
      highs = f32x4.max(highs, v);
    }
    v128.store(scratch, lows);
    v128.store(scratch, highs, 16);
    for (let lane: usize = 0; lane < count; lane++) {
      const at = scratch + (lane << 2);
      derive(load<f32>(at), load<f32>(at, 16), bits, mode, zeroInRange, clip);
      store<f32>(at, scale, 32);
      store<f32>(at, zero, 48);
    }
    const scales = v128.load(scratch, 32), zeros = v128.load(scratch, 48);
    for (let row: usize = 0, at = quad << 4; row < rows; row++, at += stride) {
      storePart(y + at, quantize4(loadPart(x + at, count), scales, zeros), count);
    }
  }
}

/** Kernel: `acc[j] = max(acc[j], max_i |x[i, j]|)` for columns `4 begin` to `4 end - 1`. */
export function columnAbsMax(
  begin: usize,
  end: usize,
  _scratch: usize,
  x: usize,
  acc: usize,
  rows: usize,
  columns: usize,
): void {
  for (let quad = begin; quad < end; quad++) {
    const count = min<usize>(4, columns - (quad << 2));
    let tops = loadPart(acc + (quad << 4), count);
    for (let row: usize = 0, at = x + (quad << 4); row < rows; row++, at += columns << 2) {
      tops = f32x4.max(tops, f32x4.abs(loadPart(at, count)));
    }
    storePart(acc + (quad << 4), tops, count);
  }
}
