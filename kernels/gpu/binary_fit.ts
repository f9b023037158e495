/** Binary codes of weights, fitted on the GPU. */

import { checkFitBinary } from "../check.ts";
import type { BinaryFit, BinaryRule } from "../codes.ts";
import { kernels } from "./kernels.ts";
import type { Recorder } from "./recorder.ts";
import { type Memory, Piece } from "./storage.ts";
import type { Views } from "./views.ts";

/** Weights that are fitted at a time, but a group at least: drivers end dispatches of seconds. */
const weightsAtOnce = 2 ** 22;

/** Scales and patterns of groups of weights. */
export async function runFitBinary(
  recorder: Recorder,
  store: Memory,
  { bindingBytes }: Views,
  weights: Float32Array,
  rule: BinaryRule,
): Promise<BinaryFit> {
  const op = "fitBinary", groups = checkFitBinary(weights, rule), { bits, groupSize, rounds } = rule;
  const patterns = new Uint8Array(weights.length), alphas = new Float32Array(groups * bits);
  const rowBytes = Math.ceil(groupSize / 4) * 4;
  const step = Math.max(1, Math.floor(Math.min(weightsAtOnce, bindingBytes / 4) / Math.max(groupSize, bits)));
  for (let first = 0; first < groups; first += step) {
    const count = Math.min(step, groups - first);
    const values = weights.slice(first * groupSize, (first + count) * groupSize);
    using piece = new Piece(store, op, [values.byteLength, count * bits * 4, count * rowBytes]);
    const [from, scales, codes] = piece.open(store, op, "weights");
    recorder.write(from, 0, values);
    recorder.dispatch(
      kernels.binaryFit,
      { weights: { buffer: from }, alphas: { buffer: scales }, patterns: { buffer: codes } },
      { groups: count, size: groupSize, rounds, nothing: 0 },
      count,
      { bits },
    );
    alphas.set(new Float32Array(await recorder.read(scales, 0, count * bits * 4)), first * bits);
    const bytes = new Uint8Array(await recorder.read(codes, 0, count * rowBytes));
    for (let group = 0; group < count; group++) {
      const row = bytes.subarray(group * rowBytes, group * rowBytes + groupSize);
      patterns.set(row, (first + group) * groupSize);
    }
  }
  return { patterns, alphas };
}
