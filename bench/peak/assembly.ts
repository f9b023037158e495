/** The most that one thread can compute on registers alone, and can read. Compiled by `build.ts`. */

/**
 * Twelve sums of four lanes, `s = s * factor + term` in each step: `96 * steps` operations. Twelve chains hide the
 * latency of both (three to four cycles) on processors that start two of each in a cycle, and fit in 16 registers.
 * Factor and term are arguments, as V8 builds a constant vector anew wherever it is used.
 */
export function multiplyAdd(steps: usize, factor: f32, term: f32): f32 {
  const f = f32x4.splat(factor), t = f32x4.splat(term);
  let a = f32x4.splat(1), b = f32x4.splat(2), c = f32x4.splat(3), d = f32x4.splat(4);
  let e = f32x4.splat(5), g = f32x4.splat(6), h = f32x4.splat(7), i = f32x4.splat(8);
  let j = f32x4.splat(9), k = f32x4.splat(10), l = f32x4.splat(11), m = f32x4.splat(12);
  for (; steps > 0; steps--) {
    a = f32x4.add(f32x4.mul(a, f), t);
    b = f32x4.add(f32x4.mul(b, f), t);
    c = f32x4.add(f32x4.mul(c, f), t);
    d = f32x4.add(f32x4.mul(d, f), t);
    e = f32x4.add(f32x4.mul(e, f), t);
    g = f32x4.add(f32x4.mul(g, f), t);
    h = f32x4.add(f32x4.mul(h, f), t);
    i = f32x4.add(f32x4.mul(i, f), t);
    j = f32x4.add(f32x4.mul(j, f), t);
    k = f32x4.add(f32x4.mul(k, f), t);
    l = f32x4.add(f32x4.mul(l, f), t);
    m = f32x4.add(f32x4.mul(m, f), t);
  }
  a = f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, g), f32x4.add(h, i)));
  a = f32x4.add(a, f32x4.add(f32x4.add(j, k), f32x4.add(l, m)));
  return f32x4.extract_lane(a, 0) + f32x4.extract_lane(a, 1) + f32x4.extract_lane(a, 2) +
    f32x4.extract_lane(a, 3);
}

/** Makes `bytes` bytes of memory that can be read: pages that were never written are all one page, which stays in cache. */
export function reserve(bytes: usize): void {
  memory.grow(<i32> ((bytes + 0xffff) >> 16));
  memory.fill(0, 1, bytes);
}

/** The bits that are set in any of `bytes` bytes, a multiple of 256, from 0 on: four streams, as the prefetcher likes. */
export function readAll(bytes: usize): i32 {
  let a = i32x4.splat(0), b = a, c = a, d = a;
  const quarter = bytes >> 2, two = 2 * quarter, three = 3 * quarter;
  for (let at: usize = 0; at < quarter; at += 64) {
    a = v128.or(
      a,
      v128.or(v128.or(v128.load(at), v128.load(at, 16)), v128.or(v128.load(at, 32), v128.load(at, 48))),
    );
    const p = at + quarter, q = at + two, r = at + three;
    b = v128.or(
      b,
      v128.or(v128.or(v128.load(p), v128.load(p, 16)), v128.or(v128.load(p, 32), v128.load(p, 48))),
    );
    c = v128.or(
      c,
      v128.or(v128.or(v128.load(q), v128.load(q, 16)), v128.or(v128.load(q, 32), v128.load(q, 48))),
    );
    d = v128.or(
      d,
      v128.or(v128.or(v128.load(r), v128.load(r, 16)), v128.or(v128.load(r, 32), v128.load(r, 48))),
    );
  }
  return i32x4.extract_lane(v128.or(v128.or(a, b), v128.or(c, d)), 0);
}
