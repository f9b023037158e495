/** Binary codes by visiting every weight in every round: what faster fits are measured against. */

import type { BinaryFit, BinaryRule } from "../codes.ts";

const { fround, abs, sign } = Math;

/** Planes -1, 0 and +1 of one weight, greedily: the sign of what is left. */
function greedyPlanes(weight: number, alphas: Float32Array): number[] {
  let rest = weight;
  return Array.from(alphas, (alpha) => {
    const b = sign(rest);
    rest = fround(rest - b * alpha);
    return b;
  });
}

/** The pattern of some planes, 0 counting as +1. */
function patternOf(planes: readonly number[]): number {
  return planes.reduce((pattern, b, i) => b >= 0 ? pattern | 1 << i : pattern, 0);
}

function planesOf(pattern: number, bits: number): number[] {
  return Array.from({ length: bits }, (_, i) => pattern >> i & 1 ? 1 : -1);
}

/** All patterns by their level; equal levels stay in order. */
function sortedLevels(order: readonly number[], alphas: Float32Array): { pattern: number; level: number }[] {
  const levels = order.map((pattern) => ({
    pattern,
    level: planesOf(pattern, alphas.length).reduce((sum, b, i) => fround(sum + b * alphas[i]), 0),
  }));
  return levels.sort((a, b) => a.level - b.level);
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return fround(Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0));
}

/** The least squares scales by `bits` steps of conjugate gradients from `alphas`, as the original code takes them. */
function solve(planes: readonly number[][], weights: Float32Array, alphas: Float32Array): Float32Array {
  const bits = alphas.length;
  const column = (i: number) => planes.map((b) => b[i]);
  const covariance = Array.from({ length: bits }, (_, i) => {
    return Array.from({ length: bits }, (_, k) => dot(column(i), column(k)));
  });
  const multiply = (v: Float32Array) => Float32Array.from(covariance, (row) => dot(row, v));
  const x = alphas.slice(), start = multiply(x);
  const r = Float32Array.from(start, (value, i) => dot(column(i), weights) - value), p = r.slice();
  for (let step = 0, square = dot(r, r); step < bits; step++) {
    const product = multiply(p), length = fround(square / fround(dot(p, product) + 1e-6));
    for (let i = 0; i < bits; i++) {
      x[i] += fround(length * p[i]);
      r[i] -= fround(length * product[i]);
    }
    const next = dot(r, r), beta = fround(next / fround(square + 1e-6));
    for (let i = 0; i < bits; i++) p[i] = r[i] + fround(beta * p[i]);
    square = next;
  }
  return x.map(abs).sort().reverse();
}

function fitGroup(weights: Float32Array, bits: number, rounds: number) {
  let alphas: Float32Array = new Float32Array(bits);
  for (let i = 0; i < bits; i++) {
    const done = alphas.subarray(0, i);
    const rests = Array.from(weights, (weight) => {
      return greedyPlanes(weight, done).reduce((rest, b, k) => fround(rest - b * done[k]), weight);
    });
    alphas[i] = fround(fround(rests.reduce((sum, rest) => sum + abs(rest), 0)) / weights.length);
  }
  let planes = Array.from(weights, (weight) => greedyPlanes(weight, alphas));
  let order = Array.from({ length: 2 ** bits }, (_, pattern) => pattern);
  for (let round = 0; round < rounds && bits > 1; round++) {
    alphas = solve(planes, weights, alphas);
    const levels = sortedLevels(order, alphas);
    order = levels.map(({ pattern }) => pattern);
    planes = Array.from(weights, (weight) => {
      const at = levels.findIndex(({ level }, i) =>
        i === levels.length - 1 || weight < fround(level + levels[i + 1].level) / 2
      );
      return planesOf(order[at], bits);
    });
  }
  return { alphas, patterns: planes.map(patternOf) };
}

/** Scales and patterns of groups of weights. */
export function fitBinary(weights: Float32Array, { bits, groupSize, rounds }: BinaryRule): BinaryFit {
  const patterns = new Uint8Array(weights.length);
  const alphas = new Float32Array(weights.length / groupSize * bits);
  for (let first = 0; first < weights.length; first += groupSize) {
    const fit = fitGroup(weights.subarray(first, first + groupSize), bits, rounds);
    patterns.set(fit.patterns, first);
    alphas.set(fit.alphas, first / groupSize * bits);
  }
  return { patterns, alphas };
}
