/**
 * The dynamic map: 256 numbers from -1 to 1 whose exponents and mantissas share 7 bits, so that small numbers have a large range and large
 * ones a fine grid (Dettmers, "8-bit approximations for parallelism in deep learning", 2016; Dettmers et al., "8-bit optimizers via
 * block-wise quantization", 2022, section 2.2).
 */

import { pow } from "../../base/elementary.ts";

/**
 * The map in ascending order. With `i` of 7 bits for the mantissa, magnitudes are `10^(i - 6)` times the middles of `2^i` equal parts of
 * [0.1, 1], twice as many where there are no negative numbers; 0 and 1 come on top. Bit for bit that of bitsandbytes.
 */
export function dynamicMap(signed = true): Float32Array {
  const map = [0, 1];
  for (let i = 0; i < 7; i++) {
    const parts = signed ? 2 ** i : 2 ** (i + 1), edges = linspace(0.1, 1, parts + 1);
    for (let j = 0; j < parts; j++) {
      const size = Math.fround(
        Math.fround(pow(10, i - 6)) * Math.fround(Math.fround(edges[j] + edges[j + 1]) / 2),
      );
      map.push(size, ...signed ? [-size] : []);
    }
  }
  return Float32Array.from(map.sort((a, b) => a - b));
}

/** As torch: from both ends to the middle, with a float32 step and one rounding. */
function linspace(from: number, to: number, count: number): Float32Array {
  const first = Math.fround(from), last = Math.fround(to), step = Math.fround((last - first) / (count - 1));
  return Float32Array.from(
    { length: count },
    (_, i) => i < count / 2 ? first + step * i : last - step * (count - 1 - i),
  );
}
