/** General matrix products on the GPU. */

import type { GemmShape } from "../device.ts";
import { kernels } from "./kernels.ts";
import type { Recorder, View } from "./recorder.ts";
import { tiling } from "./tiles.ts";

/** `c = alpha op(a) op(b) + beta c`; `aWidth` elements lie between the stored rows of `a` (by default it has no more). */
export function runGemm(
  recorder: Recorder,
  a: View,
  b: View,
  c: View,
  shape: GemmShape,
  aWidth: number = shape.transposeA ? shape.m : shape.k,
): void {
  const { m, n, k, transposeA = false, transposeB = false, alpha = 1, beta = 0 } = shape;
  const { groups, constants } = tiling(recorder.tiles, m, n);
  recorder.dispatch(
    kernels.product,
    { a, b, c, bias: a },
    {
      m,
      n,
      k,
      a_row: transposeA ? 1 : aWidth,
      a_column: transposeA ? aWidth : 1,
      b_row: transposeB ? 1 : n,
      b_column: transposeB ? k : 1,
      c_row: n,
      c_first: 0,
      has_bias: 0,
      alpha,
      beta,
    },
    groups,
    constants,
  );
}
