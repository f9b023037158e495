/**
 * Causal grouped-query attention. A unit is one key-value head and a block of query tokens: the rows of its scores are
 * the block's queries of every head of the group. Scores of a block are kept whole (never of all heads), so that the
 * softmax of a row does not depend on how queries are divided into blocks: prefill and decoding give the same bits.
 */
// deno-fmt-ignore-file -- deno fmt drops the decorators of functions

import { tanh4 } from "./math";
import { packPanel, packRows } from "./pack";
import { high2, highest, low2, narrow4, sumExp } from "./rows";
import { depthBlock, tile } from "./tile";

// The shape of the attention that this thread works on, set by `shape` at the start of each kernel.
let tokens: usize, kvTokens: usize, heads: usize, kvHeads: usize, headDim: usize, group: usize, window: usize;
// The unit: query tokens [token0, token1), keys [key0, key1) that one of them sees, the first head, and score rows.
let token0: usize, token1: usize, key0: usize, key1: usize, kvHead: usize, rows: usize;
// Distance between rows of scores, in floats: whole panels, and room for the last vector of a row to overhang.
let span: usize;
// Scratch: an edge tile, a packed panel, packed rows, results, scores.
let edge: usize, panel: usize, packed: usize, results: usize, scores: usize;

function enter(unit: usize, block: usize, scratch: usize): void {
  group = heads / kvHeads;
  kvHead = unit % kvHeads;
  token0 = unit / kvHeads * block;
  token1 = min(tokens, token0 + block);
  key0 = firstKey(token0);
  key1 = kvTokens - tokens + token1;
  rows = group * (token1 - token0);
  span = ((key1 - key0 + 7) & ~7) + 4;
  const depth = max(depthBlock, headDim), padded = (group * block + 3) & ~3;
  edge = scratch;
  panel = edge + 128;
  packed = panel + (depth << 5);
  results = packed + (padded * depth << 2);
  scores = results + (padded * ((headDim + 7) & ~7) << 2);
}

@inline
function rowToken(row: usize): usize {
  return token0 + row % (token1 - token0);
}

@inline
function rowHead(row: usize): usize {
  return kvHead * group + row / (token1 - token0);
}

@inline
function firstKey(token: usize): usize {
  const end = kvTokens - tokens + token + 1;
  return window > 0 && end > window ? end - window : 0;
}

@inline
function endKey(token: usize): usize {
  return kvTokens - tokens + token + 1;
}

/** `scores[rows][span] = q k^T` for the unit. */
function multiplyKeys(q: usize, k: usize): void {
  // Queries of one head are a regular matrix only per head: gather the rows into `results` first.
  for (let row: usize = 0; row < rows; row++) {
    memory.copy(
      results + (row * headDim << 2),
      q + ((rowToken(row) * heads + rowHead(row)) * headDim << 2),
      headDim << 2,
    );
  }
  packRows(packed, results, headDim << 2, rows, headDim, true);
  const stride = kvHeads * headDim << 2;
  for (let column: usize = 0; key0 + column < key1; column += 8) {
    const keys = k + (key0 + column) * stride + (kvHead * headDim << 2);
    packPanel(panel, keys, stride, <i32> min<usize>(8, key1 - key0 - column), headDim, true);
    for (let row: usize = 0; row < rows; row += 4) {
      const at = scores + ((row * span + column) << 2);
      tile(packed + (row * headDim << 2), panel, headDim, at, span << 2, false);
    }
  }
}

/** Turns `count` raw scores whose first key lies `distance` before the query into what the softmax takes. */
function adjustScores(at: usize, count: usize, distance: usize, scale: f32, softcap: f32, slope: f32): void {
  const lanes = f32x4.sub(f32x4(0, 1, 2, 3), f32x4.splat(<f32> distance));
  for (let j: usize = 0; j < count; j += 4) {
    // The last vector may reach beyond the row's keys (never beyond its span): such scores are masked below.
    let s = f32x4.mul(v128.load(at + (j << 2)), f32x4.splat(scale));
    if (softcap != 0) {
      s = f32x4.mul(tanh4(f32x4.div(s, f32x4.splat(softcap))), f32x4.splat(softcap));
    }
    if (slope != 0) s = f32x4.add(s, f32x4.mul(f32x4.add(lanes, f32x4.splat(<f32> j)), f32x4.splat(slope)));
    v128.store(at + (j << 2), s);
  }
}

/** Turns the scores of each row into probabilities, 0 outside the keys that the row sees. */
function normalizeRows(slopes: usize, scale: f32, softcap: f32): void {
  for (let row: usize = 0; row < rows; row++) {
    const token = rowToken(row), start = scores + (row * span << 2);
    const before = firstKey(token) - key0, count = endKey(token) - firstKey(token);
    const at = start + (before << 2);
    const slope: f32 = slopes ? load<f32>(slopes + (rowHead(row) << 2)) : 0;
    adjustScores(at, count, count - 1, scale, softcap, slope);
    const inverse = 1 / sumExp(at, at, count, highest(at, count));
    const factor = f64x2.splat(inverse);
    let j: usize = 0;
    for (; j + 4 <= count; j += 4) {
      const e = v128.load(at + (j << 2));
      v128.store(at + (j << 2), narrow4(f64x2.mul(low2(e), factor), f64x2.mul(high2(e), factor)));
    }
    for (; j < count; j++) store<f32>(at + (j << 2), <f32> (<f64> load<f32>(at + (j << 2)) * inverse));
    memory.fill(start, 0, before << 2);
    memory.fill(at + (count << 2), 0, (span - before - count) << 2);
  }
}

/** Whether all elements of the packed panel of values are finite: `x - x` is 0 then, NaN otherwise. */
function finitePanel(depth: usize): bool {
  let rest = f32x4.splat(0);
  for (let at = panel, end = panel + (depth << 5); at < end; at += 16) {
    const v = v128.load(at);
    rest = f32x4.add(rest, f32x4.sub(v, v));
  }
  return i32x4.all_true(f32x4.eq(rest, f32x4.splat(0)));
}

/**
 * `y = scores v` for the unit. Sums run over blocks of 256 keys aligned to position 0. Probabilities that are 0
 * because of the mask add nothing, unless a value is NaN or infinite: then each row is summed over its own keys.
 */
function multiplyValues(v: usize, y: usize): void {
  const stride = kvHeads * headDim << 2;
  const width = (headDim + 7) & ~7;
  for (let first = key0; first < key1;) {
    const last = min(key1, (first / depthBlock + 1) * depthBlock);
    const depth = last - first;
    packRows(packed, scores + ((first - key0) << 2), span << 2, rows, depth, true);
    for (let dim: usize = 0; dim < headDim; dim += 8) {
      const values = v + first * stride + ((kvHead * headDim + dim) << 2);
      packPanel(panel, values, stride, <i32> min<usize>(8, headDim - dim), depth, false);
      const finite = finitePanel(depth);
      for (let row: usize = 0; row < rows; row += 4) {
        const at = results + ((row * width + dim) << 2);
        if (finite) tile(packed + (row * depth << 2), panel, depth, at, width << 2, first > key0);
        else for (let r = row; r < min(rows, row + 4); r++) sumVisible(r, dim, first, last, width);
      }
    }
    first = last;
  }
  for (let row: usize = 0; row < rows; row++) {
    const to = y + ((rowToken(row) * heads + rowHead(row)) * headDim << 2);
    memory.copy(to, results + (row * width << 2), headDim << 2);
  }
}

/** The eight results from `dim` on of one row, over the keys of `[first, last)` that the row sees. */
function sumVisible(row: usize, dim: usize, first: usize, last: usize, width: usize): void {
  const from = max(first, firstKey(rowToken(row))), end = min(last, endKey(rowToken(row)));
  for (let lane: usize = 0; lane < 8; lane++) {
    let sum: f32 = 0;
    for (let key = from; key < end; key++) {
      const p = load<f32>(scores + ((row * span + key - key0) << 2));
      sum += p * load<f32>(panel + ((key - first) << 5) + (lane << 2));
    }
    const at = results + ((row * width + dim + lane) << 2);
    store<f32>(at, first > key0 ? load<f32>(at) + sum : sum);
  }
}

/**
 * Kernel: units `[begin, end)` of attention. `q`, `k`, `v`, `y`, `p`, `slopes` are 0 when not taking part: with `q`
 * the probabilities are computed, else read from `p`; with `y` they multiply `v`, else they are written to `p`.
 */
export function attention(
  begin: usize,
  end: usize,
  scratch: usize,
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  p: usize,
  slopes: usize,
  tokenCount: usize,
  kvTokenCount: usize,
  headCount: usize,
  kvHeadCount: usize,
  headSize: usize,
  scale: f32,
  windowSize: usize,
  softcap: f32,
  block: usize,
): void {
  tokens = tokenCount;
  kvTokens = kvTokenCount;
  heads = headCount;
  kvHeads = kvHeadCount;
  headDim = headSize;
  window = windowSize;
  for (let unit = begin; unit < end; unit++) {
    enter(unit, block, scratch);
    if (q) {
      multiplyKeys(q, k);
      normalizeRows(slopes, scale, softcap);
    } else {
      loadRows(p);
    }
    if (y) multiplyValues(v, y);
    else storeRows(p);
  }
}

/** Copies the visible part of materialised probabilities to the scores, 0 elsewhere. */
function loadRows(p: usize): void {
  for (let row: usize = 0; row < rows; row++) {
    const token = rowToken(row), to = scores + (row * span << 2);
    const first = firstKey(token), count = endKey(token) - first;
    const from = p + (((rowHead(row) * tokens + token) * kvTokens + first) << 2);
    memory.fill(to, 0, span << 2);
    memory.copy(to + ((first - key0) << 2), from, count << 2);
  }
}

/** Writes the scores to rows of materialised probabilities, 0 outside the unit's keys. */
function storeRows(p: usize): void {
  for (let row: usize = 0; row < rows; row++) {
    const to = p + ((rowHead(row) * tokens + rowToken(row)) * kvTokens << 2);
    memory.fill(to, 0, kvTokens << 2);
    memory.copy(to + (key0 << 2), scores + (row * span << 2), (key1 - key0) << 2);
  }
}
