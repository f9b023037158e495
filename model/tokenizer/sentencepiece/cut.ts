/** SentencePiece's two ways to cut a normalized text into pieces (its bpe_model.cc and unigram_model.cc). */
import { Heap } from "../models/heap.ts";
import { beginningsOf } from "../models/model.ts";
import { Prefixes } from "./normalizer.ts";
import type { VocabularyPiece } from "./pieces.ts";

/** Cuts a text; where no piece is, the id is -1. */
export type Cut = (text: string) => readonly CutPiece[];

/** Part of a text with its id. */
export interface CutPiece {
  readonly text: string;
  readonly id: number;
}

/** Scores are ranked below 2^24, places are below this. */
const places = 2 ** 28;

/** Pieces that come out of text, by their text. */
export function textPieces(pieces: readonly VocabularyPiece[]): Map<string, number> {
  const ids = new Map<string, number>();
  for (const [id, { text, kind }] of pieces.entries()) {
    if (kind === "normal" || kind === "user" || kind === "unused") ids.set(text, id);
  }
  return ids;
}

/** Neighbours whose union is the piece with the highest score are joined, until none is one; users' symbols stay alone. */
export function byPairs(pieces: readonly VocabularyPiece[]): Cut {
  const ids = textPieces(pieces);
  const symbols = new Prefixes(pieces.filter(({ kind }) => kind === "user").map(({ text }) => text));
  // Equal scores have equal ranks: the left one goes first.
  const orders = pieces.map(({ score }) => orderOf(score));
  const rankOf = new Map(
    Array.from(new Set(orders)).sort((a, b) => b - a).map((order, rank) => [order, rank]),
  );
  const ranks = orders.map((order) => rankOf.get(order) ?? 0);
  return (text) => {
    const starts: number[] = [], ends: number[] = [], frozen: boolean[] = [];
    for (let at = 0; at < text.length;) {
      const symbol = symbols.lengthAt(text, at);
      starts.push(at);
      at += symbol || ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);
      ends.push(at);
      frozen.push(symbol > 0);
    }
    const count = starts.length, queue = new Heap();
    const next = starts.map((_, i) => i + 1), previous = starts.map((_, i) => i - 1);
    const sizes = new Map<number, number[]>(), parts = new Map<string, number>();
    const offer = (left: number, right: number) => {
      if (left < 0 || right >= count || frozen[left] || frozen[right]) return;
      const piece = text.slice(starts[left], ends[right]), id = ids.get(piece);
      if (id === undefined) return;
      const key = ranks[id] * places + left, size = ends[right] - starts[left];
      const waiting = sizes.get(key);
      if (waiting) waiting.push(size);
      else sizes.set(key, [size]);
      queue.push(key);
      // A piece that is not used is taken apart again where it was joined.
      if (pieces[id].kind === "unused") parts.set(piece, ends[left] - starts[left]);
    };
    for (let i = 0; i + 1 < count; i++) offer(i, i + 1);
    for (let top = queue.pop(); top !== undefined; top = queue.pop()) {
      const left = top % places, right = next[left], size = sizes.get(top)?.shift();
      // What was offered may have been joined since.
      if (ends[left] < 0 || right >= count || ends[right] - starts[left] !== size) continue;
      ends[left] = ends[right];
      ends[right] = -1;
      next[left] = next[right];
      if (next[left] < count) previous[next[left]] = left;
      offer(previous[left], left);
      offer(left, next[left]);
    }
    const result: CutPiece[] = [];
    const add = (piece: string, depth: number): void => {
      const id = ids.get(piece), part = parts.get(piece);
      if (id === undefined) result.push({ text: piece, id: -1 });
      else if (pieces[id].kind !== "unused" || depth > maxDepth) result.push({ text: piece, id });
      else if (part === undefined) result.push({ text: piece, id: -1 });
      else {
        add(piece.slice(0, part), depth + 1);
        add(piece.slice(part), depth + 1);
      }
    };
    for (let i = 0; i < count; i = next[i]) add(text.slice(starts[i], ends[i]), 0);
    return result;
  };
}

/** A float32 as an integer in the same order, where -0 comes before 0: the original compares the bits. */
function orderOf(score: number): number {
  const [bits] = new Int32Array(Float32Array.of(score).buffer);
  return bits < 0 ? -(2 ** 31) - bits - 1 : bits;
}

/** So deep are pieces taken apart. */
const maxDepth = 100;

/** Sums beyond this are shifted towards 0. */
const farSum = 100_000;

/** The way with the highest sum of scores, in float32 as the original adds them. */
export function byScores(pieces: readonly VocabularyPiece[]): Cut {
  const ids = textPieces(pieces), beginnings = beginningsOf(ids), { fround } = Math;
  let least = 3.4028234663852886e38;
  for (const { kind, score } of pieces) if (kind === "normal") least = Math.min(least, score);
  const unknownScore = fround(least - 10), utf8 = new TextEncoder();
  // A user's symbol is always worth more.
  const scoreOf = pieces.map(({ kind, score, text }) =>
    kind === "user" ? fround(0.1 * (utf8.encode(text).length - 1)) : fround(score)
  );
  return (text) => {
    const size = text.length, sums = new Float32Array(size + 1);
    const from = new Int32Array(size + 1).fill(-1), best = new Int32Array(size + 1).fill(-1);
    let frontier = 0;
    const offer = (start: number, end: number, sum: number, id: number) => {
      frontier = Math.max(frontier, end);
      if (from[end] >= 0 && !(sum > sums[end])) return;
      sums[end] = sum;
      from[end] = start;
      best[end] = id;
    };
    for (let start = 0; start < size;) {
      if (Math.abs(sums[start]) > farSum) {
        const shift = sums[start];
        for (let i = start; i <= frontier; i++) if (i === start || from[i] >= 0) sums[i] -= shift;
      }
      const next = start + ((text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1);
      let isPiece = false;
      for (let end = start + 1; end <= size; end++) {
        const id = beginnings.get(text.slice(start, end));
        if (id === undefined) break;
        if (id < 0 || pieces[id].kind === "unused") continue;
        offer(start, end, fround(scoreOf[id] + sums[start]), id);
        if (end === next) isPiece = true;
      }
      if (!isPiece) offer(start, next, fround(unknownScore + sums[start]), -1);
      start = next;
    }
    const result: CutPiece[] = [];
    for (let end = size; end > 0; end = from[end]) {
      result.push({ text: text.slice(from[end], end), id: best[end] });
    }
    return result.reverse();
  };
}
